"""Budgets are hard: reserved before a call, and what a lost call may have cost is not forgotten."""

from typing import Any

import pytest
from core_stage import Stage, capability
from hypothesis import given
from hypothesis import strategies as st

from symphony.core.beacon.awards import tokens_needed
from symphony.core.events import TaskEnded
from symphony.core.inputs import PeerDown
from symphony.core.messages import Beacon, Refused, Work
from symphony.core.spec import TaskSpec
from symphony.core.tasks.task_run import Chain, TaskRun
from symphony.core.tasks.unit import Unit

NEEDED = 800


def awarded(peers, **spec: Any):
    stage = Stage(peers=peers)
    stage.submit(**spec)
    for name in stage.peers:
        stage.bid(name)
    return stage, next(name for name in stage.peers if stage.sent(name, Work))


@pytest.mark.parametrize("how", ["gone", "failed", "silent", "refused", "let go"])
def test_a_lost_call_may_have_cost_all_that_it_could(how):
    stage, owner = awarded("ada bob", budget_tokens=NEEDED + 100)
    work = stage.sent(owner, Work)[-1]
    assert NEEDED // 2 < tokens_needed(work.order) < NEEDED
    match how:
        case "gone":
            stage.give(PeerDown(stage.peers[owner].id))
        case "failed":
            stage.done(owner, "", status="failed", prompt_tokens=0, completion_tokens=0)
        case "silent":
            stage.wait(12_000)
        case "refused" | "let go":
            stage.heard(owner, Refused(work.unit, work.epoch, how, begun=how == "let go"))
    if how == "refused":  # it was never begun
        assert sum(len(stage.sent(name, Work)) for name in stage.peers) == 2
        return
    assert sum(len(stage.sent(name, Work)) for name in stage.peers) == 1
    (ended,) = stage.told(TaskEnded)
    assert ended.error == "budget_exhausted"
    cost = tokens_needed(work.order)
    left = NEEDED + 100 - cost
    assert f"needs up to {cost} tokens, and {left} of the budget are left" in ended.message


def test_no_more_nodes_than_were_allowed_ever_see_anything():
    stage, owner = awarded("ada bob cid", max_nodes=1)
    stage.give(PeerDown(stage.peers[owner].id))
    others = [name for name in stage.peers if name != owner]
    stage.wait(1_000)
    assert not any(stage.sent(name, Work) for name in others)
    assert [len(stage.sent(name, Beacon)) for name in others] == [1, 1]


def test_who_was_asked_already_may_be_asked_again():
    stage, owner = awarded("ada bob cid", max_nodes=1)
    work = stage.sent(owner, Work)[-1]
    stage.heard(owner, Refused(work.unit, work.epoch, "busy"))
    stage.bid(owner)
    assert [work.epoch for work in stage.sent(owner, Work)] == [1, 2]


def test_the_conductor_itself_is_none_of_the_nodes():
    stage = Stage(capability())
    stage.submit(max_nodes=1)
    stage.finish("Answer: 42")
    assert stage.told(TaskEnded)[0].outcome == "answered"
    (run,) = stage.told(TaskEnded)
    assert run.answer == "42"


@given(st.data())
def test_used_reserved_and_lost_never_pass_the_budget(data):
    """Any order of calls, results, refusals and losses."""
    spec = TaskSpec("?", budget_tokens=data.draw(st.integers(1, 5_000)))
    run = TaskRun(b"t" * 16, b"s" * 16, spec, 0, [Chain(0)])
    units = [run.add_unit(Unit(run.task, f"step/0/s{n}", 0, "solve", "x")) for n in range(4)]
    for _ in range(data.draw(st.integers(0, 30))):
        unit = data.draw(st.sampled_from(units))
        tokens = data.draw(st.integers(1, 2_000))
        if not unit.reserved_tokens and run.affordable(tokens):
            unit.reserved_tokens = tokens
            run.tokens_reserved += tokens
        elif unit.reserved_tokens:
            match data.draw(st.sampled_from(("charge", "release", "write off"))):
                case "charge":
                    assert run.charge(unit, tokens) <= tokens
                case "release":
                    run.release(unit)
                case "write off":
                    run.write_off(unit)
        spoken_for = run.tokens_used + run.tokens_reserved + run.tokens_lost
        assert 0 <= spoken_for <= spec.budget_tokens
        assert run.tokens_reserved == sum(unit.reserved_tokens for unit in units)
