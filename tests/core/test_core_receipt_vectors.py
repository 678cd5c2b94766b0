"""The frozen vectors of receipts: what was sealed once is read in the same way for ever."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from ledger import codec
from symphony.core.receipts.bundle import receipt_digest, unsealed
from symphony.core.receipts.receipt import RECEIPT, verify_receipt
from symphony.errors import ReceiptInvalid

FROZEN = json.loads((Path(__file__).parents[1] / "vectors" / "v1" / "receipt.json").read_text())
SEALED = bytes.fromhex(FROZEN["sealed"])
PLAIN = bytes.fromhex(FROZEN["receipt"])


def test_a_sealed_receipt():
    report = verify_receipt(SEALED)
    assert report.seal is not None
    assert (report.answer, report.seal.size) == (FROZEN["answer"], FROZEN["size"])
    assert report.seal.checkpoint.hex() == FROZEN["checkpoint"]
    assert [witness.hex() for witness in report.seal.witnesses] == FROZEN["witnesses"]
    assert RECEIPT.encode(RECEIPT.decode(SEALED)) == SEALED


def test_the_same_before_it_was_sealed():
    assert unsealed(SEALED) == PLAIN
    assert hashlib.sha256(PLAIN).hexdigest() == FROZEN["digest"] == receipt_digest(SEALED).hex()
    assert verify_receipt(PLAIN).seal is None


def test_a_vote_by_evidence():
    voted = FROZEN["voted"]
    data = bytes.fromhex(voted["receipt"])
    report = verify_receipt(data)
    assert receipt_digest(data).hex() == voted["digest"]
    assert (report.rule, report.answer) == ("reliability", voted["answer"])
    assert (report.settled, report.evidence) == (voted["settled"], voted["evidence"])
    assert [ballot.weight for ballot in report.ballots] == voted["weights"]
    assert report.effective_milli == voted["effective_milli"]


def test_a_node_with_most_ballots_holds_half_the_weight():
    capped = FROZEN["capped"]
    report = verify_receipt(bytes.fromhex(capped["receipt"]))
    assert (report.rule, report.answer, report.settled) == ("majority", capped["answer"], "tied")
    weights = [ballot.weight for ballot in report.ballots]
    assert weights == capped["weights"]
    owners = {ballot.owner for ballot in report.ballots}
    held = [sum(b.weight for b in report.ballots if b.owner == owner) for owner in owners]
    assert len(held) == 2
    assert held[0] == held[1]


@pytest.mark.parametrize("case", FROZEN["refused"], ids=lambda case: case["what"])
def test_seals_that_do_not_hold(case):
    value = codec.loads(PLAIN)
    assert isinstance(value, dict)
    value["seal"] = codec.loads(bytes.fromhex(case["seal"]))
    with pytest.raises(ReceiptInvalid) as caught:
        verify_receipt(codec.dumps(value))
    assert caught.value.message == case["why"]
