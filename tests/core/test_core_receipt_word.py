"""What a conductor notes and nobody else can check: a receipt bounds it, or counts it."""

# ruff: noqa: ANN202

from dataclasses import replace

import pytest
from core_forging import forged
from core_stage import Stage, capability
from core_votes import Panel, verdict_of

from ledger import Kind
from symphony.core.effects import KeepReceipt
from symphony.core.ids import unit_id
from symphony.core.inputs import PeerDown
from symphony.core.receipts.receipt import verify_receipt
from symphony.core.records import Awaited, Skill
from symphony.errors import ReceiptInvalid

PLAN = (
    '{"steps": [{"id": "s1", "question": "How much is 2 x 3?", "needs": [], "skill": "math"},'
    ' {"id": "s2", "question": "Times seven?", "needs": ["s1"], "skill": "math"}]}'
)


def receipt_of(stage):
    return stage.of(KeepReceipt)[-1].receipt


def verified(stage, data):
    return verify_receipt(data, verify=stage.keys.verify)


def refusal(stage, data):
    with pytest.raises(ReceiptInvalid) as caught:
        verified(stage, data)
    return caught.value.message


def two_bids():
    """The better bid is ada's; nobody was elected yet."""
    stage = Stage(peers="ada bob cid")
    stage.submit()
    stage.bid("ada", free=3)
    stage.bid("bob", free=1)
    return stage


def test_whom_a_conductor_calls_gone_is_counted():
    """A conductor may say that of everybody but a friend."""
    stage = two_bids()
    stage.give(PeerDown(stage.peers["ada"].id))
    stage.bid("cid", free=0)
    stage.done("bob", "Answer: 42")
    assert verified(stage, receipt_of(stage)).passed_over == 1


def test_who_had_the_unit_before_or_ranks_behind_the_winner_is_not():
    stage = two_bids()
    stage.give(PeerDown(stage.peers["bob"].id))
    stage.bid("cid", free=0)
    stage.done("ada", "", status="failed", prompt_tokens=0)
    stage.done("cid", "Answer: 42")
    report = verified(stage, receipt_of(stage))
    assert (report.awards, report.passed_over) == (2, 1)  # bob, in the second election

    stage = two_bids()
    stage.bid("cid", free=0)
    stage.done("ada", "", status="failed", prompt_tokens=0)
    stage.done("bob", "Answer: 42")
    report = verified(stage, receipt_of(stage))
    assert (report.awards, report.passed_over) == (2, 0)


def test_who_did_not_bid_can_not_be_avoided():
    stage = two_bids()
    stage.bid("cid", free=0)
    stage.done("ada", "Answer: 42")

    def more(record):
        awards = (replace(award, avoided=(bytes(32),)) for award in record.awards)
        return replace(record, awards=tuple(awards))

    assert "who did not bid" in refusal(stage, forged(stage, receipt_of(stage), Kind.AWARD, more))


def awaiting(chain, step, epoch=1):
    unit = unit_id(b"t" * 16, f"step/{chain}/{step}")

    def change(record):
        return replace(record, awaited=(Awaited(chain, unit, epoch),))

    return change


def test_a_chain_is_awaited_of_the_owner_of_its_last_step():
    """With another owner the ballots that are out would weigh what the conductor likes."""
    planner = capability("planner", roles=("plan",), skills=(Skill("planning", "plans"),))
    stage = Stage(capability(), planner)
    stage.submit(planning="always", chains=3, rule="majority")
    for _ in range(3):
        stage.finish(PLAN)
    while not stage.of(KeepReceipt):
        stage.finish("Answer: 42")
    data = receipt_of(stage)
    assert verified(stage, data).outcome == "answered"
    (chain,) = {0, 1, 2} - {ballot.chain for ballot in verdict_of(data).ballots}
    forgery = forged(stage, data, Kind.VERDICT, awaiting(chain, "s1"))
    assert "without an award of its last step" in refusal(stage, forgery)


def replaced():
    """Of three chains the last one's owner failed, and another one has it now."""
    panel = Panel("ada bob cid dan")
    stage = panel.stage
    stage.submit(rule="majority", chains=3)
    panel.bid()
    works = panel.works()
    panel.answer(*works[2], "", status="failed", prompt_tokens=0)
    for name, work in works[:2]:
        panel.answer(name, work, "Answer: 42")
    data = receipt_of(stage)
    (awaited,) = verdict_of(data).awaited
    assert (awaited.chain, awaited.epoch) == (2, 2)
    assert [work.epoch for _, work in panel.works()] == []
    assert verified(stage, data).outcome == "answered"
    return stage, data


def test_a_chain_is_awaited_of_the_owner_that_has_it():
    stage, data = replaced()
    forgery = forged(stage, data, Kind.VERDICT, awaiting(2, "s1", epoch=1))
    assert "owner that was replaced" in refusal(stage, forgery)


def test_a_slow_owner_that_got_a_rival_may_be_awaited():
    """Its rival failed, and it goes on alone: the highest epoch is not the one that is out."""
    stage, data = replaced()

    def slow(record):
        awards = (replace(a, lapse="slow") if a.epoch == 2 else a for a in record.awards)
        return replace(record, awards=tuple(awards))

    hedged = forged(stage, data, Kind.AWARD, slow)
    forgery = forged(stage, hedged, Kind.VERDICT, awaiting(2, "s1", epoch=1))
    assert verified(stage, forgery).outcome == "answered"
