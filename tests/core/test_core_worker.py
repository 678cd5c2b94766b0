"""The owner's side: fencing, queueing, leases, and what it refuses."""

from dataclasses import replace

import pytest
from core_stage import TASK, Stage, capability

from ledger import Kind
from symphony.core import limits
from symphony.core.effects import CancelWork, Reject, StartWork
from symphony.core.ids import unit_id
from symphony.core.inputs import WorkDone, WorkFailed, WorkMoved
from symphony.core.messages import (
    Beacon,
    Bids,
    Done,
    Order,
    Progress,
    Refused,
    Renewed,
    Stop,
    UnitCall,
    Work,
)
from symphony.core.records import AWARD, RESULT, Award, AwardRecord, Candidate, Requirement

ORDER = Order(role="solve", question="What is 6 x 7?", seed=3)
WANTED = Requirement("solve", "adding", "swarm", 100)


def work_for(stage, conductor, name="step/0/s1", *, epoch=1, agent="solver", **changes):  # noqa: ANN003
    """An award of `conductor` to the node under test, with its order."""
    unit = unit_id(TASK, name)
    grounds = stage.swarm.directory.get(stage.me, "solver").id
    award = Award(
        unit=unit,
        name=name,
        epoch=epoch,
        owner=stage.me,
        agent=agent,
        capability=grounds,
        score=1,
        lease_ms=limits.LEASE_MS,
        requirement=WANTED,
        candidates=(Candidate(stage.me, agent, grounds, 1, 1),),
    )
    body = AWARD.encode(AwardRecord(TASK, (replace(award, **changes),)))
    entry = stage.peers[conductor].entry(Kind.AWARD, body, stage.now_ms)
    return Work(entry.encode(), unit, epoch, ORDER, b"s" * 16, 60_000)


def give(stage, conductor, work):
    return stage.heard(conductor, work)


def stage_with(concurrency=1, peers="ada bob"):
    return Stage(capability(concurrency=concurrency), peers=peers)


def finish(stage, work, text="Answer: 42"):
    counts = {"prompt_tokens": 1, "completion_tokens": 1, "elapsed_ms": 1}
    return stage.give(WorkDone(work.unit, work.epoch, text, "smol-1b", "scripted", **counts))


def test_awarded_work_is_done_logged_and_handed_over():
    stage = stage_with()
    work = work_for(stage, "ada")
    give(stage, "ada", work)
    finish(stage, work)
    (done,) = stage.sent("ada", Done)
    (entry,) = stage.entries(Kind.RESULT)
    assert done.entry == entry.encode()
    assert RESULT.decode(entry.body).status == "ok"
    assert stage.play().endswith("append result\nsend done epoch 1 to ada")


def test_a_failure_is_a_result_too():
    stage = stage_with()
    work = work_for(stage, "ada")
    give(stage, "ada", work)
    stage.give(WorkFailed(work.unit, 1, "out of memory", 5))
    record = RESULT.decode(stage.entries(Kind.RESULT)[0].body)
    assert (record.status, record.reason) == ("failed", "out of memory")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"owner": bytes(32)}, "the award does not name this node"),
        ({"unit": bytes(16)}, "the award does not name this node"),
        ({"agent": "nobody"}, "no such agent here"),
    ],
)
def test_work_without_a_fitting_award_is_refused(changes, reason):
    stage = stage_with()
    give(stage, "ada", work_for(stage, "ada", **changes))
    assert [refused.reason for refused in stage.sent("ada", Refused)] == [reason]
    assert not stage.of(StartWork)


def test_an_award_by_somebody_else_entitles_nobody():
    stage = stage_with()
    give(stage, "bob", work_for(stage, "ada"))
    assert stage.sent("bob", Refused)[0].reason == "the award is not by the sender"


def test_a_newer_epoch_stops_the_older_one():
    stage = stage_with()
    give(stage, "ada", work_for(stage, "ada"))
    give(stage, "ada", work_for(stage, "ada", epoch=2))
    assert [effect.epoch for effect in stage.of(CancelWork)] == [1]
    assert [effect.epoch for effect in stage.of(StartWork)] == [1, 2]


def test_an_older_epoch_is_refused():
    stage = stage_with()
    old = work_for(stage, "ada", epoch=1)
    give(stage, "ada", work_for(stage, "ada", epoch=2))
    give(stage, "ada", old)
    assert stage.sent("ada", Refused)[0].reason == "a newer award of this unit is known"


def test_the_same_award_repeated_changes_nothing():
    """Found by the simulator: a repeated frame made the owner refuse what it was doing."""
    stage = stage_with()
    work = work_for(stage, "ada")
    give(stage, "ada", work)
    before = len(stage.effects)
    give(stage, "ada", work)
    assert len(stage.effects) == before


def test_an_award_asked_about_again_is_answered_with_how_it_stands():
    stage = stage_with()
    work = work_for(stage, "ada")
    give(stage, "ada", work)
    finish(stage, work)
    give(stage, "ada", work)
    first, again = stage.sent("ada", Done)
    assert first == again
    other = work_for(stage, "ada", name="step/0/s2")
    give(stage, "ada", other)
    stage.heard("ada", Stop(other.unit, other.epoch))
    give(stage, "ada", other)
    assert [refused.reason for refused in stage.sent("ada", Refused)] == [
        "this award was let go of"
    ]


def test_nobody_can_fence_off_a_unit_of_somebody_elses_task():
    stage = stage_with()
    give(stage, "bob", work_for(stage, "bob", epoch=2**31))
    finish(stage, work_for(stage, "bob", epoch=2**31))
    give(stage, "ada", work_for(stage, "ada"))
    assert [effect.epoch for effect in stage.of(StartWork)] == [2**31, 1]


def test_a_running_unit_cannot_be_taken_over_by_another_conductor():
    stage = stage_with()
    give(stage, "ada", work_for(stage, "ada"))
    give(stage, "bob", work_for(stage, "bob", epoch=9))
    assert stage.sent("bob", Refused)
    assert not stage.of(CancelWork)


def test_work_waits_for_a_slot_and_too_much_is_refused():
    stage = stage_with(concurrency=1)
    for number in range(limits.MAX_QUEUE_PER_AGENT + 2):
        give(stage, "ada", work_for(stage, "ada", f"step/{number}/s1"))
    assert len(stage.of(StartWork)) == 1
    assert [refused.reason for refused in stage.sent("ada", Refused)] == ["the queue is full"]
    finish(stage, stage.of(StartWork)[0])
    assert len(stage.of(StartWork)) == 2


def test_a_stopped_unit_frees_its_slot_for_the_next():
    stage = stage_with(concurrency=1)
    first = work_for(stage, "ada", "step/0/s1")
    give(stage, "ada", first)
    give(stage, "ada", work_for(stage, "ada", "step/1/s1"))
    stage.heard("ada", Stop(first.unit, 1))
    assert len(stage.of(StartWork)) == 2


def test_a_unit_that_moves_to_another_agent_frees_the_slot_it_had():
    """Found by reading: the queue of the first agent stayed stuck behind an aborted job."""
    stage = Stage(capability(concurrency=1), capability("other"), peers="ada")
    give(stage, "ada", work_for(stage, "ada", "step/0/s1"))
    give(stage, "ada", work_for(stage, "ada", "step/1/s1"))
    give(stage, "ada", work_for(stage, "ada", "step/0/s1", epoch=2, agent="other"))
    assert [effect.agent for effect in stage.of(StartWork)] == ["solver", "solver", "other"]


def test_only_the_conductor_can_stop_a_unit():
    stage = stage_with()
    work = work_for(stage, "ada")
    give(stage, "ada", work)
    stage.heard("bob", Stop(work.unit, 1))
    assert not stage.of(CancelWork)
    stage.heard("ada", Stop(work.unit, 1))
    assert stage.of(CancelWork)


def test_the_owner_lets_go_after_nine_seconds_without_an_answer():
    stage = stage_with()
    give(stage, "ada", work_for(stage, "ada"))
    stage.wait(8_999)
    assert not stage.of(CancelWork)
    assert len(stage.sent("ada", Progress)) == 2
    stage.wait(1)
    assert stage.of(CancelWork)


def test_an_acknowledged_renewal_counts_from_when_it_was_sent():
    stage = stage_with()
    work = work_for(stage, "ada")
    give(stage, "ada", work)
    stage.wait(3_333)
    stage.wait(2_000)
    stage.heard("ada", Renewed(work.unit, 1, 1))
    stage.wait(3_333 + 9_000 - 5_333 - 1)
    assert not stage.of(CancelWork)
    stage.wait(1)
    assert stage.of(CancelWork)


def test_an_acknowledgement_by_somebody_else_renews_nothing():
    stage = stage_with()
    work = work_for(stage, "ada")
    give(stage, "ada", work)
    stage.wait(3_333)
    stage.heard("bob", Renewed(work.unit, 1, 1))
    stage.wait(9_000 - 3_333)
    assert stage.of(CancelWork)


def test_text_travels_in_batches():
    stage = stage_with()
    work = work_for(stage, "ada")
    give(stage, "ada", work)
    every_ms = limits.PROGRESS_EVERY_MS
    for _ in range(4 * every_ms // 10):
        stage.give(WorkMoved(work.unit, 1, "x"))
        stage.now_ms += 10
    said = stage.sent("ada", Progress)
    assert len(said) == 4
    assert sum(len(progress.text) for progress in said) == 1 + 3 * every_ms // 10


def test_what_an_engine_writes_is_made_fit_to_be_signed():
    """Found by reading: one lone surrogate in an output was an exception in the core."""
    stage = stage_with()
    work = work_for(stage, "ada")
    give(stage, "ada", work)
    stage.give(WorkMoved(work.unit, 1, "a\ud800b"))
    counts = {"prompt_tokens": -1, "completion_tokens": 2**40, "elapsed_ms": -5}
    output = "é" * limits.MAX_OUTPUT_BYTES + "\udfff"
    stage.give(WorkDone(work.unit, 1, output, "m" * 99, "", **counts, logprob_milli=7))
    (done,) = stage.sent("ada", Done)
    record = RESULT.decode(stage.entries(Kind.RESULT)[0].body)
    assert len(done.output.encode()) == limits.MAX_OUTPUT_BYTES
    assert (record.prompt_tokens, record.completion_tokens) == (0, 2**32 - 1)
    assert (record.elapsed_ms, record.logprob_milli, record.engine) == (0, 0, "unknown")


def beacon_of(stage, name, requirement=WANTED):
    call = UnitCall(unit_id(TASK, "step/0/s1"), requirement)
    return Beacon(b"b" * 16, TASK, stage.peers[name].id, (call,), 250)


def test_a_node_bids_with_every_agent_that_may_own_the_unit():
    stage = Stage(capability(), capability("planner", roles=("plan",)), peers="ada")
    stage.heard("ada", beacon_of(stage, "ada"))
    assert [bid.agent for bid in stage.sent("ada", Bids)[0].bids] == ["solver"]


@pytest.mark.parametrize(
    "changes", [{"role": "judge"}, {"context_tokens": 8193}, {"privacy": "local"}]
)
def test_a_node_that_may_not_own_a_unit_says_so_at_once(changes):
    stage = stage_with()
    stage.heard("ada", beacon_of(stage, "ada", replace(WANTED, **changes)))
    assert [bids.bids for bids in stage.sent("ada", Bids)] == [()]


def test_a_beacon_in_somebody_elses_name_is_rejected():
    stage = stage_with()
    stage.heard("bob", beacon_of(stage, "ada"))
    assert stage.of(Reject)
    assert not stage.sent("bob", Bids)


def test_a_bid_says_how_busy_the_agent_is():
    stage = stage_with(concurrency=1)
    for number in range(3):
        give(stage, "ada", work_for(stage, "ada", f"step/{number}/s1"))
    stage.heard("ada", beacon_of(stage, "ada"))
    (bid,) = stage.sent("ada", Bids)[0].bids
    assert (bid.free, bid.queued) == (0, 2)
