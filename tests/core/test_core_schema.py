"""An answer that its task's schema does not allow is none: for the vote, and for a receipt."""

import json
from dataclasses import replace
from typing import Any

import pytest
from core_forging import forged
from core_stage import Stage, capability
from core_votes import verdict_of

from ledger import Kind
from symphony.core import limits
from symphony.core.effects import KeepReceipt
from symphony.core.events import ChainFailed
from symphony.core.ids import schema_digest
from symphony.core.receipts.receipt import RECEIPT, verify_receipt
from symphony.core.schema import fits
from symphony.core.votes.answers import fitting
from symphony.errors import ReceiptInvalid

SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
)
GARBAGE = '"garbage"'


def voted(*texts: str, schema: str = SCHEMA) -> tuple[Stage, bytes]:
    stage = Stage(capability())
    spec: Any = {"answer_type": "json", "answer_schema": schema, "rule": "majority"}
    stage.submit(chains=len(texts), **spec)
    for text in texts:
        if not stage.of(KeepReceipt):
            stage.finish(text)
    return stage, stage.of(KeepReceipt)[-1].receipt


def test_an_answer_that_breaks_the_schema_has_no_vote() -> None:
    stage, data = voted('{"n": 42}', GARBAGE, GARBAGE)
    report = verify_receipt(data, verify=stage.keys.verify)
    assert (report.answer, len(report.ballots)) == ('{"n": 42}', 1)
    assert verdict_of(data).blank == (1, 2)
    assert [event.chain for event in stage.told(ChainFailed)] == [1, 2]


def test_a_conductor_can_not_count_it() -> None:
    """Made with a schema that takes anything, shown with one that does not."""
    stage, data = voted(GARBAGE, GARBAGE, schema="true")
    assert verify_receipt(data, verify=stage.keys.verify).answer == GARBAGE
    receipt = RECEIPT.decode(data)
    commits = schema_digest(receipt.salt, SCHEMA)
    forgery = forged(stage, data, Kind.TASK, lambda r: replace(r, schema=commits))
    forgery = RECEIPT.encode(replace(RECEIPT.decode(forgery), answer_schema=SCHEMA))
    with pytest.raises(ReceiptInvalid, match="without an answer"):
        verify_receipt(forgery, verify=stage.keys.verify)


@pytest.mark.parametrize(
    ("schema", "text", "fit"),
    [
        (SCHEMA, '{"n": 1}', True),
        (SCHEMA, '{"n": 1, "m": 2}', False),
        (SCHEMA, '{"n": 1.5}', False),
        (SCHEMA, "no JSON", False),
        (SCHEMA, '{"n": NaN}', False),
        ("no schema", "1", False),
        ('{"pattern": "(a+)+"}', '"a"', False),
        ('{"$ref": "#"}', "1", False),
        ('{"description": "' + "x" * limits.SCHEMA_BYTES + '"}', "1", False),
        ('{"allOf": ' * 40 + "[]" + "}" * 40, "1", False),
    ],
)
def test_whether_a_text_fits(schema: str, text: str, fit: bool) -> None:
    assert fits(schema, text) == fit


def test_only_json_is_held_against_a_schema() -> None:
    assert fitting("seven", "text", SCHEMA) == "seven"
    assert fitting("seven", "json", "") == "seven"
    assert fitting("seven", "json", SCHEMA) is None
    assert fitting(None, "json", SCHEMA) is None
