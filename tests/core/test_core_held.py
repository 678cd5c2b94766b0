"""Work that comes ahead: a chain that stays with one owner goes on without its conductor."""

import json
from dataclasses import replace

import pytest
from core_stage import TASK, Stage, capability
from test_core_worker import finish, give, stage_with, work_for

from ledger import Kind, parse_entry
from symphony.core import limits
from symphony.core.effects import Append, StartWork
from symphony.core.events import FailedOver, TaskEnded
from symphony.core.ids import salted_digest, unit_id
from symphony.core.inputs import PeerDown, WorkFailed
from symphony.core.messages import Done, Order, Progress, Quote, Refused, Stop, Work, encode_order
from symphony.core.owner.held import Held
from symphony.core.owner.jobs import Job
from symphony.core.owner.mandates import Mandate
from symphony.core.records import AWARD, RESULT

QUOTE = Quote("s1", "What is 6?", b"m" * 32, "")
LACKING = Order(role="solve", question="What is 6 x 7?", quotes=(QUOTE,), seed=4)
WHOLE = replace(LACKING, quotes=(replace(QUOTE, text="6"),))


# --- the owner --------------------------------------------------------------------------------


def ahead_for(stage, conductor, first, name="step/0/s2"):
    return replace(work_for(stage, conductor, name), order=LACKING, after=first.unit)


@pytest.fixture
def holding():
    """A node that works on the first step, and holds the second."""
    stage = stage_with()
    first = work_for(stage, "ada")
    give(stage, "ada", first)
    second = ahead_for(stage, "ada", first)
    give(stage, "ada", second)
    return stage, first, second


def test_it_begins_as_soon_as_the_output_is_there_and_says_so(holding):
    stage, first, second = holding
    assert [work.unit for work in stage.of(StartWork)] == [first.unit]
    effects = finish(stage, first, "6")
    order = [type(e) for e in effects if isinstance(e, StartWork | Append)]
    assert order == [StartWork, Append], "its own disk is not waited for"
    assert stage.of(StartWork)[-1].order == WHOLE
    assert [done.begun for done in stage.sent("ada", Done)] == [(second.unit,)]


@pytest.mark.parametrize("ahead", [False, True])
def test_a_stop_that_overtakes_its_work_keeps_it_from_beginning(ahead):
    """Found by the simulator: the owner worked on, for a task that had ended, until it renewed."""
    stage = stage_with()
    first = work_for(stage, "ada")
    give(stage, "ada", first)
    late = ahead_for(stage, "ada", first) if ahead else work_for(stage, "ada", "step/0/s2")
    give(stage, "bob", Stop(late.unit, late.epoch))
    give(stage, "ada", Stop(late.unit, late.epoch))
    give(stage, "ada", late)
    finish(stage, first)
    assert [work.unit for work in stage.of(StartWork)] == [first.unit]
    again = work_for(stage, "ada", "step/0/s2", epoch=2)
    give(stage, "ada", again)
    assert (stage.of(StartWork)[-1].unit, stage.of(StartWork)[-1].epoch) == (again.unit, 2)


def test_anybody_elses_stop_that_came_before_the_work_means_nothing():
    stage = stage_with()
    work = work_for(stage, "ada")
    give(stage, "bob", Stop(work.unit, work.epoch))
    give(stage, "ada", work)
    assert [started.unit for started in stage.of(StartWork)] == [work.unit]


def test_its_result_commits_to_what_it_filled_in(holding):
    stage, first, second = holding
    finish(stage, first, "6")
    finish(stage, second)
    record = RESULT.decode(stage.entries(Kind.RESULT)[-1].body)
    assert record.input == salted_digest("input", second.salt, encode_order(WHOLE))


def test_the_lease_begins_with_the_work(holding):
    stage, first, second = holding
    stage.wait(limits.LEASE_MS // 2)
    finish(stage, first, "6")
    stage.wait(limits.LEASE_MS * limits.OWNER_STOPS_PPM // 1_000_000 - 1)
    assert [p.unit for p in stage.sent("ada", Progress)][-1] == second.unit


@pytest.mark.parametrize("how", ["failed", "stopped", "gone"])
def test_it_is_forgotten_with_the_step_that_it_waits_for(holding, how):
    stage, first, second = holding
    if how == "failed":
        stage.give(WorkFailed(first.unit, first.epoch, "out of memory", 5))
    elif how == "stopped":
        stage.heard("ada", Stop(first.unit, first.epoch))
    else:
        stage.wait(limits.LEASE_MS)
    assert [work.unit for work in stage.of(StartWork)] == [first.unit]
    give(stage, "ada", replace(second, order=WHOLE, after=None))
    assert stage.of(StartWork)[-1].unit == second.unit, "and may come again, in full"
    assert not stage.sent("ada", Refused)


def test_it_is_not_begun_after_a_stop(holding):
    stage, first, second = holding
    stage.heard("ada", Stop(second.unit, second.epoch))
    finish(stage, first, "6")
    assert [work.unit for work in stage.of(StartWork)] == [first.unit]
    assert stage.sent("ada", Done)[0].begun == ()


def test_nobody_else_can_add_to_a_task_or_take_from_it(holding):
    stage, first, second = holding
    stage.heard("bob", Stop(second.unit, second.epoch))
    give(stage, "bob", ahead_for(stage, "bob", first))
    finish(stage, first, "6")
    assert [done.begun for done in stage.sent("ada", Done)] == [(second.unit,)]
    assert len(stage.of(StartWork)) == 2


def test_only_so_much_is_held_and_only_what_lacks_one_output():
    stage = stage_with(concurrency=limits.MAX_STEPS + 2)
    first = work_for(stage, "ada")
    give(stage, "ada", first)
    whole = ahead_for(stage, "ada", first, "step/0/s0")
    give(stage, "ada", replace(whole, order=WHOLE))
    held = [ahead_for(stage, "ada", first, f"step/1/s{n}") for n in range(limits.MAX_STEPS + 1)]
    for work in held:
        give(stage, "ada", work)
    finish(stage, first, "6")
    (done,) = stage.sent("ada", Done)
    assert done.begun == tuple(work.unit for work in held[: limits.MAX_STEPS])


def test_all_that_is_held_together_has_a_bound():
    stage = stage_with()
    award = AWARD.decode(parse_entry(work_for(stage, "ada").entry).body).awards[0]
    mandate = Mandate(stage.me, TASK, award, b"i" * 32)
    job = Job(stage.me, mandate, LACKING, b"s" * 16, 60_000)
    held = Held()
    kept = [held.put(job, unit_id(TASK, f"plan/{n}")) for n in range(limits.MAX_WORK_HELD + 1)]
    assert kept == [True] * limits.MAX_WORK_HELD + [False]


# --- the conductor ----------------------------------------------------------------------------

STEPS = [
    {"id": "s1", "question": "What is 6?", "needs": [], "skill": "math"},
    {"id": "s2", "question": "What is 6 x 7?", "needs": ["s1"], "skill": "math"},
]


@pytest.fixture
def stage():
    """The one solver there is works on the first step, and has the second ahead."""
    stage = Stage(capability("planner", roles=("plan",)), peers="ada")
    stage.submit(planning="always", budget_tokens=20_000)
    stage.finish(json.dumps({"steps": STEPS}))
    stage.bid("ada")
    stage.wait(limits.LOOK_AHEAD_MS)
    stage.bid("ada")
    return stage


def works(stage):
    return stage.sent("ada", Work)


def first_done(stage, begun):
    """The result of the first step, made by its owner, who has gone on with `begun`."""
    first = works(stage)[0]
    award = stage.entries(Kind.AWARD)[1].id
    done = stage.peers["ada"].result(first, "6", award=award, now_ms=stage.now_ms)
    return stage.heard("ada", replace(done, begun=begun))


def test_the_work_leaves_before_its_turn_without_the_output_that_it_lacks(stage):
    first, second = works(stage)
    assert (first.after, second.after) == (None, first.unit)
    assert [quote.text for quote in second.order.quotes] == [""]


def test_it_is_not_sent_again_if_it_was_begun(stage):
    second = works(stage)[1]
    first_done(stage, (second.unit,))
    assert len(works(stage)) == 2
    filled = replace(second.order.quotes[0], text="6")
    whole = replace(second, order=replace(second.order, quotes=(filled,)))
    award = stage.entries(Kind.AWARD)[2].id
    stage.heard("ada", stage.peers["ada"].result(whole, "ANSWER: 42", award=award))
    ended = stage.told(TaskEnded)[0]
    assert (ended.outcome, ended.answer) == ("answered", "42")


def test_it_is_sent_in_full_if_its_owner_says_nothing_of_it(stage):
    first_done(stage, ())
    last = works(stage)[-1]
    assert (last.unit, last.epoch, last.after) == (works(stage)[1].unit, 1, None)
    assert [quote.text for quote in last.order.quotes] == ["6"]


def test_an_owner_that_filled_in_something_else_made_junk(stage):
    second = works(stage)[1]
    first_done(stage, (second.unit,))
    filled = replace(second.order.quotes[0], text="7")
    other = replace(second, order=replace(second.order, quotes=(filled,)))
    award = stage.entries(Kind.AWARD)[2].id
    stage.heard("ada", stage.peers["ada"].result(other, "ANSWER: 49", award=award))
    (failed,) = stage.told(FailedOver)
    assert "does not commit to this input" in failed.reason


def test_what_renews_its_lease_early_is_not_stopped(stage):
    second = works(stage)[1]
    stage.heard("ada", Progress(second.unit, second.epoch, 1, ""))
    assert not stage.sent("ada", Stop)
    stage.heard("ada", Progress(second.unit, second.epoch + 1, 1, ""))
    assert stage.sent("ada", Stop)


def test_a_task_that_ends_takes_it_back_and_leaves_nothing_reserved(stage):
    run = next(iter(stage.swarm.conductor.runs.values()))
    assert run.tokens_reserved > 0
    stage.wait(run.spec.deadline_ms)
    stopped = [stop.unit for stop in stage.sent("ada", Stop)]
    assert works(stage)[1].unit in stopped
    assert run.tokens_reserved == 0


def test_an_output_from_elsewhere_gives_it_a_new_award():
    stage = Stage(capability("planner", roles=("plan",)), peers="ada bob")
    stage.submit(planning="always")
    stage.finish(json.dumps({"steps": STEPS}))
    stage.bid("ada")
    stage.bid("bob", free=0)
    stage.wait(limits.LOOK_AHEAD_MS)
    stage.bid("ada")
    stage.bid("bob", free=0)
    first, second = works(stage)
    assert second.after == first.unit
    stage.give(PeerDown(stage.peers["ada"].id))
    redone = stage.sent("bob", Work)[-1]
    assert (redone.unit, redone.epoch) == (first.unit, 2)
    stage.done("bob", "6")
    again = stage.sent("bob", Work)[-1]
    assert (again.unit, again.epoch) == (second.unit, 2)
    assert [quote.text for quote in again.order.quotes] == ["6"]
    assert again.order.quotes[0].owner == stage.peers["bob"].id


def test_an_output_of_a_later_award_gives_it_a_new_award_too(stage):
    """Found by the simulator: the owner had begun with what it made first, and was rejected."""
    first, second = works(stage)
    stage.heard("ada", Refused(first.unit, 1, "the queue is full"))
    stage.bid("ada")
    redone = works(stage)[-1]
    assert (redone.unit, redone.epoch, redone.after) == (first.unit, 2, None)
    stage.done("ada", "6")
    again = works(stage)[-1]
    assert (again.unit, again.epoch) == (second.unit, 2)
    assert (second.unit, 1) in [(stop.unit, stop.epoch) for stop in stage.sent("ada", Stop)]
