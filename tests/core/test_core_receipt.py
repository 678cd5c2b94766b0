"""Receipts: an honest one holds; change anything in it and it is refused, with the reason.

Two kinds of tampering. A *reader* changes bytes: signatures and digests catch it. A dishonest
*conductor* signs whatever it likes: then the election and the vote, run again, catch it. The
second kind is forged here with the conductor's own key, field by field; the fields that nobody
can check are listed by name, and a new field must be put into one list or the other.
"""

# ruff: noqa: ANN003, ANN202

from dataclasses import fields, replace

import pytest
from core_forging import forged
from core_stage import Stage, capability
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import Kind
from symphony.core.effects import KeepReceipt
from symphony.core.messages import Bids
from symphony.core.receipts.receipt import RECEIPT, verify_receipt
from symphony.core.records import (
    Awaited,
    Award,
    AwardRecord,
    Ballot,
    Candidate,
    Requirement,
    ResultRecord,
    Skill,
    TaskRecord,
    VerdictRecord,
)
from symphony.errors import ReceiptInvalid

PLAN = (
    '{"steps": [{"id": "s1", "question": "How much is 2 x 3?", "needs": [], "skill": "math"},'
    ' {"id": "s2", "question": "Times seven?", "needs": ["s1"], "skill": "math"}]}'
)


def run_task():
    """A task with a planned chain of two steps and a failover, on one node with two agents."""
    planner = capability("planner", roles=("plan",), skills=(Skill("planning", "plans"),))
    stage = Stage(capability(), planner)
    stage.submit(planning="always", chains=2)
    stage.finish(PLAN)
    stage.finish(PLAN)
    stage.fail("a hiccup")
    while not stage.of(KeepReceipt):
        stage.finish("Answer: 42")
    return stage, stage.of(KeepReceipt)[0].receipt


STAGE, RECEIPT_BYTES = run_task()


def verified(data):
    return verify_receipt(data, verify=STAGE.keys.verify)


def refusal(data):
    with pytest.raises(ReceiptInvalid) as caught:
        verified(data)
    return caught.value.message


def test_an_honest_receipt_holds():
    report = verified(RECEIPT_BYTES)
    assert (report.outcome, report.answer, report.rule) == ("answered", "42", "majority")
    assert report.conductor == STAGE.me
    assert [ballot.chain for ballot in report.ballots] == [0, 1]
    assert report.awards == 7


def forge(kind, change):
    return forged(STAGE, RECEIPT_BYTES, kind, change)


def test_a_forgery_that_changes_nothing_still_holds():
    """So the refusals below are about the change, not about the way it was made."""
    assert verified(forge(Kind.TASK, lambda record: record)).answer == "42"


def of_first(unit_name, /, **changes):
    """Change the first award of a unit called `name`."""

    def change(record: AwardRecord):
        awards = tuple(
            replace(a, **changes) if (a.name, a.epoch) == (unit_name, 1) else a
            for a in record.awards
        )
        return replace(record, awards=awards)

    return change


def wanted(**changes):
    def change(record: AwardRecord):
        awards = (
            replace(a, requirement=replace(a.requirement, **changes))
            if a.name == "step/0/s2"
            else a
            for a in record.awards
        )
        return replace(record, awards=tuple(awards))

    return change


def candidate(**changes):
    def change(record: AwardRecord):
        awards = (
            replace(a, candidates=tuple(replace(c, **changes) for c in a.candidates))
            for a in record.awards
        )
        return replace(record, awards=tuple(awards))

    return change


def ballot(**changes):
    def change(record: VerdictRecord):
        first, *rest = record.ballots
        return replace(record, ballots=(replace(first, **changes), *rest))

    return change


def plainly(**changes):
    return lambda record: replace(record, **changes)


NOBODY = bytes(32)
AWAITED = (Awaited(1, bytes(16), 1),)
FORGERIES = [
    (TaskRecord, "task", Kind.TASK, plainly(task=bytes(16)), "another task"),
    (TaskRecord, "prompt", Kind.TASK, plainly(prompt=NOBODY), "question is not the one"),
    (TaskRecord, "chains", Kind.TASK, plainly(chains=1), "is no unit of the task"),
    (TaskRecord, "rule", Kind.TASK, plainly(rule="match"), "another task or rule"),
    (TaskRecord, "selection", Kind.TASK, plainly(selection="random"), "the score of"),
    (TaskRecord, "answer_type", Kind.TASK, plainly(answer_type="text"), "counted for another"),
    (TaskRecord, "planning", Kind.TASK, plainly(planning="never"), "the task says never"),
    (TaskRecord, "privacy", Kind.TASK, plainly(privacy="open"), "role or privacy class"),
    (TaskRecord, "alpha", Kind.TASK, plainly(alpha=10**6), "unreadable: alpha"),
    (TaskRecord, "choices", Kind.TASK, plainly(choices=("42", "43")), "asked something else"),
    (TaskRecord, "max_tokens", Kind.TASK, plainly(max_tokens=99), "asked something else"),
    (TaskRecord, "schema", Kind.TASK, plainly(schema=NOBODY), "schema is not the one"),
    (TaskRecord, "budget_tokens", Kind.TASK, plainly(budget_tokens=1), "more tokens"),
    (AwardRecord, "task", Kind.AWARD, plainly(task=bytes(16)), "is for another task"),
    (AwardRecord, "awards", Kind.AWARD, lambda r: replace(r, awards=r.awards * 2), "twice"),
    (Award, "unit", Kind.AWARD, of_first("plan/0", unit=bytes(16)), "has the wrong unit"),
    (Award, "name", Kind.AWARD, of_first("plan/0", name="plan/1"), "has the wrong unit"),
    (Award, "epoch", Kind.AWARD, of_first("plan/0", epoch=9), "belongs to no award"),
    (Award, "owner", Kind.AWARD, of_first("plan/0", owner=NOBODY), "not the winner"),
    (Award, "agent", Kind.AWARD, of_first("plan/0", agent="other"), "not the winner"),
    (Award, "capability", Kind.AWARD, of_first("plan/0", capability=NOBODY), "not the winner"),
    (Award, "score", Kind.AWARD, of_first("plan/0", score=7), "not the winner"),
    (Award, "candidates", Kind.AWARD, candidate(capability=NOBODY), "capability of a bidder"),
    (Award, "avoided", Kind.AWARD, of_first("plan/0", avoided=(STAGE.me,)), "not the winner"),
    (Award, "requirement", Kind.AWARD, wanted(role="plan"), "role or privacy class"),
    (Requirement, "role", Kind.AWARD, wanted(role="judge"), "role or privacy class"),
    (Requirement, "skill", Kind.AWARD, wanted(skill="numbers"), "another skill than"),
    (Requirement, "privacy", Kind.AWARD, wanted(privacy="open"), "role or privacy class"),
    (Requirement, "context_tokens", Kind.AWARD, wanted(context_tokens=2**20), "may not own"),
    (Candidate, "owner", Kind.AWARD, candidate(owner=NOBODY), "capability of somebody else"),
    (Candidate, "agent", Kind.AWARD, candidate(agent="other"), "capability of somebody else"),
    (Candidate, "capability", Kind.AWARD, candidate(capability=NOBODY), "is missing"),
    (Candidate, "score", Kind.AWARD, candidate(score=5), "the score of"),
    (Candidate, "seen", Kind.AWARD, candidate(seen=(1, 9_000, 0, 0)), "the score of"),
    (ResultRecord, "task", Kind.RESULT, plainly(task=bytes(16)), "belongs to no award"),
    (ResultRecord, "unit", Kind.RESULT, plainly(unit=bytes(16)), "belongs to no award"),
    (ResultRecord, "epoch", Kind.RESULT, plainly(epoch=9), "belongs to no award"),
    (ResultRecord, "award", Kind.RESULT, plainly(award=NOBODY), "names another award"),
    (ResultRecord, "agent", Kind.RESULT, plainly(agent="other"), "by another agent"),
    (ResultRecord, "status", Kind.RESULT, plainly(status="failed"), "belongs to no good result"),
    (ResultRecord, "input", Kind.RESULT, plainly(input=NOBODY), "asked something else"),
    (ResultRecord, "output", Kind.RESULT, plainly(output=NOBODY), "its owner signed"),
    (ResultRecord, "prompt_tokens", Kind.RESULT, plainly(prompt_tokens=0), "more tokens"),
    (ResultRecord, "completion_tokens", Kind.RESULT, plainly(completion_tokens=0), "more tokens"),
    (VerdictRecord, "task", Kind.VERDICT, plainly(task=bytes(16)), "another task or rule"),
    (VerdictRecord, "outcome", Kind.VERDICT, plainly(outcome="failed"), "did not end as"),
    (VerdictRecord, "rule", Kind.VERDICT, plainly(rule="match"), "another task or rule"),
    (VerdictRecord, "version", Kind.VERDICT, plainly(version=99), "are of version 99"),
    (VerdictRecord, "settled", Kind.VERDICT, plainly(settled="tied"), "the vote was exact"),
    (VerdictRecord, "outstanding", Kind.VERDICT, plainly(outstanding=1), "than the task has"),
    (VerdictRecord, "drawn", Kind.VERDICT, plainly(drawn=3), "had not ended"),
    (VerdictRecord, "e_milli", Kind.VERDICT, plainly(e_milli=7), "with e-value"),
    (VerdictRecord, "awaited", Kind.VERDICT, plainly(awaited=AWAITED), "without an award"),
    (VerdictRecord, "evidence", Kind.VERDICT, plainly(evidence=(NOBODY,)), "the evidence is not"),
    (VerdictRecord, "ballots", Kind.VERDICT, plainly(ballots=()), "has no ballot"),
    (VerdictRecord, "tokens", Kind.VERDICT, plainly(tokens=10**6), "more tokens"),
    (VerdictRecord, "blank", Kind.VERDICT, plainly(blank=(0,)), "holds an answer"),
    (VerdictRecord, "winner", Kind.VERDICT, plainly(winner=NOBODY), "the winner is not"),
    (Ballot, "chain", Kind.VERDICT, ballot(chain=5), "chain 5 voted without"),
    (Ballot, "result", Kind.VERDICT, ballot(result=NOBODY), "chain's last result"),
    (Ballot, "owner", Kind.VERDICT, ballot(owner=NOBODY), "chain's last result"),
    (Ballot, "agent", Kind.VERDICT, ballot(agent="other"), "another agent or skill"),
    (Ballot, "skill", Kind.VERDICT, ballot(skill="cooking"), "another agent or skill"),
    (Ballot, "answer", Kind.VERDICT, ballot(answer=NOBODY), "counted for another answer"),
    (Ballot, "weight", Kind.VERDICT, ballot(weight=1), "weighs"),
]
UNPROVEN = {
    # What the user wished; no claim. Stewards have claims of their own.
    # Of its skill: direct steps are in test_core_receipt_skills.
    TaskRecord: {"deadline_ms", "stewards", "skill"},
    AwardRecord: set(),
    Award: {"lease_ms", "lapse"},
    Requirement: {"vector", "encoder"},  # what a text embeds to; scores are checked against it
    Candidate: {"free"},  # the bidder's word
    ResultRecord: {
        "model",
        "engine",
        "seed",
        "elapsed_ms",
        "reason",
        "logprob_milli",
        "cut",  # the owner's word: a marked answer counts either way
    },
    VerdictRecord: {"stop", "failovers"},
    Ballot: set(),
}


@pytest.mark.parametrize(
    ("kind", "change", "text"),
    [row[2:] for row in FORGERIES],
    ids=[f"{row[0].__name__}.{row[1]}" for row in FORGERIES],
)
def test_a_dishonest_conductor_is_caught(kind, change, text):
    assert text in refusal(forge(kind, change))


def test_every_field_is_either_caught_or_known_to_be_unproven():
    for record, unproven in UNPROVEN.items():
        caught = {name for kind, name, *_ in FORGERIES if kind is record}
        assert caught | unproven == {field.name for field in fields(record)}, record


@pytest.mark.parametrize("name", ["", "plan", "plan/", "plan/x", "plan/01", "step/0", "a/b/c"])
def test_a_strange_unit_name_is_refused_and_not_an_exception(name):
    """Found by reading: `int("x")` came through as ValueError."""
    text = refusal(forge(Kind.AWARD, of_first("plan/0", name=name)))
    assert "unreadable" in text or "wrong unit" in text


def test_another_skill_than_the_plans_is_refused():
    """The same words twice: the score stays, so only the plan gives it away."""
    forged = forge(Kind.AWARD, wanted(skill="math math"))
    assert "another skill than its plan's" in refusal(forged)


@given(st.integers(0, len(RECEIPT_BYTES) - 1), st.integers(1, 255))
@settings(max_examples=150, deadline=None)
def test_any_changed_byte_is_refused(at, flip):
    data = bytearray(RECEIPT_BYTES)
    data[at] ^= flip
    refusal(bytes(data))


def test_every_single_byte_of_a_small_receipt_counts():
    stage = Stage(capability())
    stage.submit()
    stage.finish("Answer: 42")
    data = stage.of(KeepReceipt)[0].receipt
    assert verified(data).answer == "42"
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << (at % 8)
        refusal(bytes(changed))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_receipt_or_refused(data):
    refusal(data)


def test_entries_in_another_order_or_left_out_are_refused():
    receipt = RECEIPT.decode(RECEIPT_BYTES)
    first, *middle, last = receipt.entries
    for entries in (
        (first, *reversed(middle), last),
        (first, *middle[:-1], last),
        (first, *middle[1:], last),
        (last, *middle, first),
        (first, *middle, middle[-1], last),
    ):
        refusal(RECEIPT.encode(replace(receipt, entries=entries)))


def test_a_receipt_of_another_swarm_is_refused():
    receipt = RECEIPT.decode(RECEIPT_BYTES)
    assert "another swarm" in refusal(RECEIPT.encode(replace(receipt, swarm=bytes(32))))


def test_a_receipt_of_many_nodes_holds():
    stage = Stage(peers="ada bob")
    stage.submit(chains=1)
    stage.bid("ada")
    stage.heard("bob", Bids(_beacon(stage), ()))
    stage.done("ada", "Answer: 42")
    data = stage.of(KeepReceipt)[0].receipt
    report = verify_receipt(data, verify=stage.keys.verify)
    assert [stage.name(ballot.owner) for ballot in report.ballots] == ["ada"]


def _beacon(stage):
    from symphony.core.messages import Beacon

    return stage.sent("bob", Beacon)[-1].beacon
