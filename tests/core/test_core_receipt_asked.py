"""A receipt shows what the owners of steps were asked, and that it was nothing else."""

import json
from dataclasses import replace
from typing import Any

import pytest
from core_forging import forged
from core_stage import Stage, capability

from ledger import Kind
from symphony.core.effects import KeepReceipt
from symphony.core.ids import salted_digest
from symphony.core.owner.prompts import DIRECT_SKILL
from symphony.core.receipts.receipt import RECEIPT, verify_receipt
from symphony.core.records import Skill
from symphony.errors import ReceiptInvalid

STEPS = [
    {"id": "a", "question": "How much is 2 x 3?", "needs": [], "skill": "math"},
    {"id": "b", "question": "How much is 3 + 4?", "needs": [], "skill": "math"},
    {"id": "c", "question": "Times each other?", "needs": ["b", "a"], "skill": "math"},
]
SCHEMA = json.dumps({"type": "object", "properties": {"n": {"type": "integer"}}})


def planned(plan: str = "", **spec: Any):
    """The receipt of one planned chain."""
    planner = capability("planner", roles=("plan",), skills=(Skill("planning", "plans"),))
    stage = Stage(capability(), planner)
    stage.submit(planning="always", **spec)
    stage.finish(plan or json.dumps({"steps": STEPS}))
    outputs = iter(("6", "7"))
    while not stage.of(KeepReceipt):
        stage.finish(next(outputs, '{"n": 42}' if "answer_schema" in spec else "Answer: 42"))
    return stage, stage.of(KeepReceipt)[-1].receipt


def verified(stage, data):
    return verify_receipt(data, verify=stage.keys.verify)


def refusal(stage, data):
    with pytest.raises(ReceiptInvalid) as caught:
        verified(stage, data)
    return caught.value.message


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"privacy": "open"},
        {"answer_type": "choice", "choices": ("41", "42")},
        {"answer_type": "json", "answer_schema": SCHEMA},
        {"max_tokens": 77},
        {"plan": json.dumps({"steps": [{**STEPS[0], "question": "What is 6 x 7?"}]})},
    ],
    ids=["planned", "open", "choices", "schema", "tokens", "the question itself"],
)
def test_every_order_follows_from_the_receipt(spec):
    stage, data = planned(**spec)
    report = verified(stage, data)
    assert report.outcome == "answered"
    assert any("were asked what follows from the question" in line for line in report.proven)


def test_one_question_is_shown_and_another_one_was_asked():
    """Its commitment is to the question that is shown; only the orders give it away."""
    for stage, data in (planned(), direct()):
        receipt = RECEIPT.decode(data)
        shown = "How many legs have 10 spiders and a horse without legs?"
        commits = salted_digest("prompt", receipt.salt, shown.encode())
        forgery = forged(stage, data, Kind.TASK, lambda r, to=commits: replace(r, prompt=to))
        forgery = RECEIPT.encode(replace(RECEIPT.decode(forgery), prompt=shown))
        assert "was asked something else" in refusal(stage, forgery)


def direct():
    stage = Stage(capability())
    stage.submit()
    stage.finish("Answer: 42")
    return stage, stage.of(KeepReceipt)[-1].receipt


def test_a_plan_that_is_not_shown_is_missed():
    """Without it the last step would look like a direct answer to the question."""
    step = {**STEPS[0], "id": "s1", "skill": DIRECT_SKILL}
    stage, data = planned(json.dumps({"steps": [step]}))
    receipt = RECEIPT.decode(data)
    hidden = tuple(item for item in receipt.opened if item.unit != "plan/0")
    assert len(hidden) == 1
    forgery = RECEIPT.encode(replace(receipt, opened=hidden))
    assert "step/0/s1 was asked something else" in refusal(stage, forgery)


def test_another_schema_is_refused():
    stage, data = planned(answer_type="json", answer_schema=SCHEMA)
    receipt = RECEIPT.decode(data)
    assert receipt.answer_schema == SCHEMA
    for schema in ("", SCHEMA + " "):
        other = RECEIPT.encode(replace(receipt, answer_schema=schema))
        assert "the answer's schema" in refusal(stage, other)
