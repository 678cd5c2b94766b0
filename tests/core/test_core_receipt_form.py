"""Of one verdict there is one receipt: nothing stands elsewhere in it, or is there for nothing."""

from dataclasses import replace
from typing import Any

import pytest
from core_forging import forged
from core_stage import Peer, Stage, capability
from core_votes import Panel, verdict_of

from ledger import Kind, parse_entry
from symphony.core.effects import KeepReceipt
from symphony.core.receipts.receipt import RECEIPT, Receipt, verify_receipt
from symphony.core.records import RESULT, Skill
from symphony.errors import ReceiptInvalid

PANEL = Panel("ada bob cid dan")
DATA = PANEL.run({}, rule="majority", chains=3)


def refusal(receipt: Receipt) -> str:
    with pytest.raises(ReceiptInvalid) as caught:
        PANEL.verified(RECEIPT.encode(receipt))
    return caught.value.message


def test_capabilities_are_those_of_bidders_by_id() -> None:
    receipt = RECEIPT.decode(DATA)
    names = [parse_entry(raw).id for raw in receipt.capabilities]
    assert len(names) == 4
    assert names == sorted(names)
    stranger = Peer("mallory", PANEL.stage.keys).declare(capability()).encode()
    kept = receipt.capabilities
    for others in ((*kept, stranger), (stranger, *kept), kept[::-1], (*kept, kept[-1])):
        assert "capabilities" in refusal(replace(receipt, capabilities=others))


def test_results_are_in_the_order_of_their_awards() -> None:
    receipt = RECEIPT.decode(DATA)
    kinds = [parse_entry(raw).kind for raw in receipt.entries]
    assert kinds == sorted(kinds, key=[Kind.TASK, Kind.AWARD, Kind.RESULT, Kind.VERDICT].index)
    *others, first, second, verdict = receipt.entries
    swapped = (*others, second, first, verdict)
    assert "order of their awards" in refusal(replace(receipt, entries=swapped))


def test_outputs_are_in_the_order_of_their_results() -> None:
    receipt = RECEIPT.decode(DATA)
    assert "order of their results" in refusal(replace(receipt, opened=receipt.opened[::-1]))


def test_an_award_has_one_result() -> None:
    """An owner that signs two lets a conductor choose, or hides something in the other one."""
    receipt = RECEIPT.decode(DATA)
    *others, last, verdict = receipt.entries
    entry = parse_entry(last)
    record = replace(RESULT.decode(entry.body or b""), status="failed", reason="a word to you")
    owner = next(peer for peer in PANEL.stage.peers.values() if peer.id == entry.author)
    more = owner.entry(Kind.RESULT, RESULT.encode(record)).encode()
    assert "two results" in refusal(replace(receipt, entries=(*others, last, more, verdict)))


def test_what_the_conductor_says_of_the_end_is_its_word() -> None:
    honest = PANEL.verified(DATA)
    assert honest.stop == honest.said == verdict_of(DATA).stop
    forgery = forged(
        PANEL.stage, DATA, Kind.VERDICT, lambda r: replace(r, stop="certified at 0.01 %")
    )
    report = PANEL.verified(forgery)
    assert (report.stop, report.said) == (honest.stop, "certified at 0.01 %")


def test_that_owners_are_members_is_not_proven() -> None:
    unproven: Any = PANEL.verified(DATA).not_proven
    assert "that the owners are members of the swarm, and different parties" in unproven


def planned(planning: str) -> tuple[Stage, bytes]:
    planner = capability("planner", roles=("plan",), skills=(Skill("planning", "plans"),))
    stage = Stage(capability(), planner)
    stage.submit(planning=planning)
    plan = '{"steps": [{"id": "s1", "question": "6 x 7?", "needs": [], "skill": "math"}]}'
    while not stage.of(KeepReceipt):
        stage.finish("Answer: 42" if planning == "never" or stage.finished else plan)
    return stage, stage.of(KeepReceipt)[-1].receipt


@pytest.mark.parametrize(
    ("said", "forged_as", "text"),
    [("always", "never", "the task says never"), ("never", "always", "the task says always")],
)
def test_planners_are_asked_as_the_task_says(said: str, forged_as: str, text: str) -> None:
    stage, data = planned(said)
    assert verify_receipt(data, verify=stage.keys.verify).answer == "42"
    auto = forged(stage, data, Kind.TASK, lambda r: replace(r, planning="auto"))
    assert verify_receipt(auto, verify=stage.keys.verify).answer == "42"
    forgery = forged(stage, data, Kind.TASK, lambda r: replace(r, planning=forged_as))
    with pytest.raises(ReceiptInvalid, match=text):
        verify_receipt(forgery, verify=stage.keys.verify)
