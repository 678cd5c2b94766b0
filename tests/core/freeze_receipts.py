"""Writes tests/vectors/v1/receipt.json anew; run it with this folder in PYTHONPATH.

Only for a change of the format, which a release must name. Keys are real and drawn from names, so
the same code gives the same file.
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from core_seal import Conductor
from core_stage import SWARM, WALL_MS
from core_votes import Panel, witnessed

from ledger import Checkpoint, Kind, codec, encode_cosign, pack, parse_checkpoint, parse_entry, seal
from symphony.core.logs.inclusion import Seal
from symphony.core.receipts.bundle import receipt_digest
from symphony.core.receipts.receipt import RECEIPT, verify_receipt
from symphony.errors import ReceiptInvalid
from symphony.testing.signing import RealKeys

FILE = Path(__file__).parents[1] / "vectors" / "v1" / "receipt.json"


def refused_seals(conductor: Conductor, sealed: bytes) -> list[dict[str, str]]:
    """Seals that do not hold, and what a reader says of each."""
    receipt = RECEIPT.decode(sealed)
    honest = receipt.seal
    assert honest is not None
    claim = parse_checkpoint(parse_entry(honest.checkpoint))
    other = conductor.witnesses["ada"]
    elsewhere = Checkpoint(claim.author, claim.size, hashlib.sha256(b"another root").digest())
    forged = _forged_checkpoint(conductor, elsewhere)
    cosign = other.entry(Kind.COSIGN, encode_cosign([elsewhere])).encode()
    cases: list[tuple[str, Seal]] = [
        ("no paths", replace(honest, paths=honest.paths[:1])),
        ("paths of one another", replace(honest, paths=(honest.paths[-1], *honest.paths[:-1]))),
        ("another root", replace(honest, checkpoint=forged)),
        ("a cosignature of another root", replace(honest, cosigns=(cosign,))),
        ("witnesses out of order", replace(honest, cosigns=honest.cosigns[::-1])),
        ("a witness twice", replace(honest, cosigns=(honest.cosigns[0],) * 2)),
    ]
    found = []
    for what, changed in cases:
        data = RECEIPT.encode(replace(receipt, seal=changed))
        raw = codec.loads(data, max_bytes=len(data))
        assert isinstance(raw, dict)
        found.append({"what": what, "seal": codec.dumps(raw["seal"]).hex(), "why": why(data)})
    return found


def _forged_checkpoint(conductor: Conductor, claim: Checkpoint) -> bytes:
    signer = conductor.stage.signer
    head = conductor.stage.swarm.journal.book.head(conductor.stage.me)
    assert head is not None
    hlc = pack(WALL_MS + 10**6)
    return seal(signer, SWARM, head, kind=Kind.CHECKPOINT, body=claim.encode(), hlc=hlc).encode()


def why(data: bytes) -> str:
    try:
        verify_receipt(data)
    except ReceiptInvalid as error:
        return error.message
    raise AssertionError("it holds")


def freeze() -> dict[str, Any]:
    conductor = Conductor(witnesses="ada bob", keys=RealKeys())
    sealed = conductor.sealed()
    report = verify_receipt(sealed)
    assert report.seal is not None
    _, nine = witnessed(RealKeys())
    voted = verify_receipt(nine)
    two = Panel("ada bob", keys=RealKeys()).run({"ada": "1", "bob": "2"}, rule="majority", chains=5)
    return {
        "about": "A receipt, its seal, and seals that don't hold; a vote by evidence; and a "
        "vote by majority in which a node has more ballots than all others (docs/receipt.md).",
        "receipt": conductor.receipt.hex(),
        "sealed": sealed.hex(),
        "digest": receipt_digest(sealed).hex(),
        "answer": report.answer,
        "size": report.seal.size,
        "checkpoint": report.seal.checkpoint.hex(),
        "witnesses": [witness.hex() for witness in report.seal.witnesses],
        "refused": refused_seals(conductor, sealed),
        "voted": {
            "receipt": nine.hex(),
            "digest": receipt_digest(nine).hex(),
            "answer": voted.answer,
            "settled": voted.settled,
            "weights": [ballot.weight for ballot in voted.ballots],
            "effective_milli": voted.effective_milli,
            "evidence": voted.evidence,
        },
        "capped": {
            "receipt": two.hex(),
            "settled": verify_receipt(two).settled,
            "answer": verify_receipt(two).answer,
            "weights": [ballot.weight for ballot in verify_receipt(two).ballots],
        },
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(freeze(), indent=1) + "\n")
