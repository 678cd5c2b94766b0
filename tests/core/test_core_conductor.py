"""The life of a task, as interaction scripts: what goes in, and every effect that comes out."""

from dataclasses import replace
from textwrap import dedent

import pytest
from core_stage import TASK, Stage, capability

from ledger import Kind
from symphony.core import limits
from symphony.core.effects import CancelWork, Reject, Send, StartWork
from symphony.core.events import ChainFailed, FailedOver, PlanMade, TaskEnded, UnitAwarded
from symphony.core.inputs import AgentsChanged, Cancel, PeerDown, WorkFailed
from symphony.core.messages import Beacon, Entries, Progress, Refused, Renewed, Stop, Work
from symphony.core.records import AWARD, VERDICT, Skill

PLANNER = capability("planner", roles=("plan",), skills=(Skill("planning", "plans"),))
LINE = (
    '{"steps": [{"id": "s1", "question": "How much is 2 x 3?", "needs": [], "skill": "math"},'
    ' {"id": "s2", "question": "Times seven?", "needs": ["s1"], "skill": "math"}]}'
)


def script(text):
    return dedent(text).strip()


def owner_of(stage):
    return next(name for name in stage.peers if stage.sent(name, Work))


def end_of(stage):
    (ended,) = stage.told(TaskEnded)
    return ended


def test_one_node_alone_answers():
    stage = Stage(capability())
    stage.submit()
    stage.finish("Answer: 42")
    assert (
        stage.play()
        == script("""
        append task
        timer DeadlineOver in 300000 ms
        tell task
        tell plan | 0 |\x20
        embed 1
        tell beacon | ('step/0/s1',) | 1
        timer WindowOver in 250 ms
        tell bid | 1
        append award
        tell award | step/0/s1 | 1 | 1
        timer LeaseOver in 11000 ms
        timer Renew in 3333 ms
        timer OwnerLetsGo in 9000 ms
        start solver epoch 1
        append result
        tell result | step/0/s1
        tell ballot | 0 | 42
        append verdict
        keep receipt
        tell verdict | answered | 42 | 1 of 1 chains voted |
    """)
        + "\x20"
    )


def test_a_dead_owner_is_replaced_at_once_from_the_bids_that_are_left():
    stage = Stage(peers="ada bob")
    stage.submit()
    stage.bid("ada")
    stage.bid("bob")
    first = owner_of(stage)
    second = {"ada": "bob", "bob": "ada"}[first]
    stage.play()
    stage.give(PeerDown(stage.peers[first].id))
    stage.done(second, "Answer: 42")
    assert (
        stage.play()
        == script(f"""
        tell peer
        tell failover | step/0/s1 | 1 | the owner's connection broke
        append award
        tell award | step/0/s1 | 2 | 2
        timer LeaseOver in 11000 ms
        send work epoch 2 to {second}
        append result
        tell result | step/0/s1
        tell ballot | 0 | 42
        append verdict
        keep receipt
        tell verdict | answered | 42 | 1 of 1 chains voted |
    """)
        + "\x20"
    )


def test_a_bad_plan_gets_one_retry_and_then_a_direct_step():
    stage = Stage(capability(), PLANNER)
    stage.submit(planning="auto")
    stage.finish("I would first think.")
    retried = stage.of(StartWork)[-1]
    assert retried.order.complaint == "the plan is not JSON"
    stage.finish("Let me see.")
    stage.finish("Answer: 42")
    lines = stage.play().splitlines()
    assert "tell failover | plan/0 | 1 | bad plan: the plan is not JSON" in lines
    assert "tell plan | 0 | no usable plan: the plan is not JSON" in lines
    assert end_of(stage).answer == "42"


def test_steps_run_when_their_needs_are_done_and_see_only_those():
    stage = Stage(capability(), PLANNER)
    stage.give(AgentsChanged((capability(), replace(PLANNER, privacy=("open",)))))
    stage.submit("What is 2 x 3 x 7?", planning="always", privacy="open")
    stage.finish(LINE)
    first = stage.of(StartWork)[-1].order
    assert (first.question, first.goal, first.quotes, first.final) == (
        "How much is 2 x 3?",
        "",
        (),
        False,
    )
    stage.finish("It is 6.")
    last = stage.of(StartWork)[-1].order
    assert (last.goal, last.final) == ("What is 2 x 3 x 7?", True)
    assert [quote.text for quote in last.quotes] == ["It is 6."]
    stage.finish("Answer: 42")
    assert end_of(stage).answer == "42"


def test_the_single_step_of_a_plan_still_sees_the_question():
    stage = Stage(capability(), PLANNER)
    stage.submit("What is 2 x 3 x 7?", planning="always")
    stage.finish('{"steps": [{"id": "s1", "question": "Multiply.", "needs": [], "skill": "m"}]}')
    assert stage.of(StartWork)[-1].order.goal == "What is 2 x 3 x 7?"


def test_nobody_fits_so_the_task_fails_with_no_bids():
    stage = Stage(peers="ada")
    stage.submit(privacy="open", planning="always")
    stage.wait(60_000)
    ended = end_of(stage)
    assert (ended.outcome, ended.error) == ("failed", "no_bids")
    assert "plan/0" in stage.told(ChainFailed)[0].reason


def test_without_planners_a_task_with_planning_auto_answers_directly():
    stage = Stage(capability(), capability("planner", roles=("plan",), privacy=("swarm",)))
    stage.submit(planning="auto", privacy="swarm")
    for _ in range(limits.MAX_ATTEMPTS):
        assert stage.of(StartWork)[-1].order.role == "plan"
        stage.fail("out of memory")
    assert stage.told(PlanMade)[0].fallback
    assert stage.of(StartWork)[-1].order.role == "solve"


def test_a_silent_swarm_is_called_again_with_growing_pauses():
    stage = Stage(peers="ada")
    stage.submit()
    start_ms = stage.now_ms
    times = []
    while not stage.told(TaskEnded):
        before = len(stage.sent("ada", Beacon))
        stage.wait(10)
        if len(stage.sent("ada", Beacon)) > before:
            times.append(stage.now_ms - start_ms)
    assert len(stage.sent("ada", Beacon)) == limits.MAX_CALLS_PER_UNIT
    gaps = [b - a for a, b in zip([0, *times], times, strict=False)]
    assert gaps == sorted(gaps)
    assert end_of(stage).error == "no_bids"


def test_the_deadline_ends_a_task_with_the_ballots_it_has():
    stage = Stage(capability(concurrency=1))
    stage.submit(chains=3, deadline_ms=5_000)
    stage.finish("Answer: 42")
    stage.wait(5_000)
    ended = end_of(stage)
    assert (ended.outcome, ended.answer, ended.error) == ("not_certified", "42", "not_certified")
    assert ended.at_ms == 5_000
    assert stage.of(CancelWork)


def test_the_deadline_ends_a_task_without_ballots_as_expired():
    stage = Stage(capability())
    stage.submit(deadline_ms=5_000)
    stage.wait(5_000)
    assert (end_of(stage).outcome, end_of(stage).answer) == ("expired", "")


def test_a_call_that_costs_more_than_the_budget_is_never_made():
    stage = Stage(capability())
    stage.submit(budget_tokens=100, max_tokens=64)
    assert not stage.of(StartWork)
    assert (end_of(stage).outcome, end_of(stage).error) == ("failed", "budget_exhausted")


def test_a_failed_chain_gives_its_reservation_back_to_the_others():
    two = (
        '{"steps": [{"id": "s1", "question": "First half?", "needs": [], "skill": "math"},'
        ' {"id": "s2", "question": "Second half?", "needs": [], "skill": "math"},'
        ' {"id": "s3", "question": "Both?", "needs": ["s1", "s2"], "skill": "math"}]}'
    )
    stage = Stage(capability(concurrency=4), PLANNER)
    stage.submit(planning="always", chains=2)
    stage.finish(two)
    stage.finish(LINE)
    run = stage.swarm.conductor.runs[TASK]
    victim = next(w for w in stage.of(StartWork) if w.order.question == "First half?")
    for _ in range(limits.MAX_ATTEMPTS):
        work = [w for w in stage.of(StartWork) if w.unit == victim.unit][-1]
        stage.give(WorkFailed(work.unit, work.epoch, "broken", 1))
    assert stage.told(ChainFailed)
    working = [unit for unit in run.units.values() if unit.state == "working"]
    assert [unit.chain for unit in working] == [1]
    assert run.tokens_reserved == sum(unit.reserved_tokens for unit in working)


def test_an_owner_cannot_charge_more_than_was_reserved_for_it():
    stage = Stage(capability())
    stage.submit(budget_tokens=1_000, max_tokens=64)
    stage.finish("Answer: 42", completion_tokens=2**31)
    assert end_of(stage).outcome == "answered"
    assert end_of(stage).tokens <= 1_000


def test_cancelling_reaches_the_owner_and_its_engine():
    stage = Stage(peers="ada")
    stage.submit()
    stage.bid("ada")
    stage.give(Cancel(TASK))
    assert stage.sent("ada", Stop)
    assert end_of(stage).outcome == "cancelled"
    alone = Stage(capability())
    alone.submit()
    alone.give(Cancel(TASK))
    assert alone.of(CancelWork)


def test_the_vote_stops_when_the_rest_cannot_change_it():
    stage = Stage(capability(concurrency=5))
    stage.submit(chains=5, rule="majority")
    for answer in ("42", "41", "42"):
        stage.finish(f"Answer: {answer}")
        assert not stage.told(TaskEnded)
    stage.finish("Answer: 42")
    ended = end_of(stage)
    assert (ended.outcome, ended.answer, len(ended.ballots)) == ("answered", "42", 4)
    assert ended.stop == "exact: 1 more ballot can't change the winner"
    assert len(stage.of(CancelWork)) == 1


def test_a_chain_without_an_answer_never_votes():
    stage = Stage(capability())
    stage.submit()
    stage.finish("I do not know.")
    ended = end_of(stage)
    assert (ended.outcome, ended.error, ended.ballots) == ("failed", "task_failed", ())


def test_a_silent_owner_loses_its_lease_after_eleven_seconds_and_not_before():
    stage = Stage(peers="ada bob")
    stage.submit()
    stage.bid("ada")
    stage.bid("bob")
    stage.wait(10_999)
    assert not stage.told(FailedOver)
    stage.wait(1)
    assert stage.told(FailedOver)[0].reason == "the owner was silent for a lease"


def test_progress_renews_the_lease():
    stage = Stage(peers="ada bob")
    stage.submit()
    stage.bid("ada")
    stage.bid("bob")
    owner = owner_of(stage)
    work = stage.sent(owner, Work)[0]
    stage.wait(8_000)
    stage.heard(owner, Progress(work.unit, 1, 1, "some text"))
    assert stage.sent(owner, Renewed) == [Renewed(work.unit, 1, 1)]
    stage.wait(10_999)
    assert not stage.told(FailedOver)
    stage.wait(1)
    assert stage.told(FailedOver)


def test_progress_of_an_old_epoch_is_told_to_stop():
    stage = Stage(peers="ada bob")
    stage.submit()
    stage.bid("ada")
    stage.bid("bob")
    first = owner_of(stage)
    work = stage.sent(first, Work)[0]
    stage.heard(first, Refused(work.unit, 1, "too busy"))
    stage.heard(first, Progress(work.unit, 1, 1, ""))
    assert stage.sent(first, Stop)[-1] == Stop(work.unit, 1)
    assert not stage.sent(first, Renewed)


def test_a_late_result_of_an_old_epoch_changes_nothing():
    stage = Stage(peers="ada bob")
    stage.submit()
    stage.bid("ada")
    stage.bid("bob")
    first = owner_of(stage)
    second = {"ada": "bob", "bob": "ada"}[first]
    stage.wait(11_000)
    stage.done(first, "Answer: 13")
    assert not stage.told(TaskEnded)
    stage.done(second, "Answer: 42")
    assert end_of(stage).answer == "42"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"award": bytes(32)}, "for another award"),
        ({"epoch": 7}, "for another award"),
        ({"task": bytes(16)}, "for another award"),
        ({"output": bytes(32)}, "does not commit to this output"),
        ({"input": bytes(32)}, "does not commit to this input"),
    ],
)
def test_a_result_that_does_not_fit_its_award_is_rejected_and_the_unit_given_away(changes, reason):
    stage = Stage(peers="ada bob")
    stage.submit()
    stage.bid("ada")
    stage.bid("bob")
    first = owner_of(stage)
    stage.done(first, "Answer: 42", **changes)
    assert stage.of(Reject)[-1].reason == f"result: {reason}"
    assert stage.told(UnitAwarded)[-1].epoch == 2


def test_a_known_entry_with_a_foreign_signature_is_no_result():
    """The book answers Duplicate by id alone; whoever acts on an entry checks its signature."""
    stage = Stage(peers="ada")
    stage.submit()
    stage.bid("ada")
    work = stage.sent("ada", Work)[0]
    award = stage.entries(Kind.AWARD)[0]
    done = stage.peers["ada"].result(work, "Answer: 42", award=award.id)
    stage.heard("ada", Entries((done.entry,)))
    forged = bytearray(done.entry)
    at = bytes(forged).index(b"\x58\x40") + 2  # the 64 bytes of the signature
    forged[at] ^= 1
    stage.heard("ada", replace(done, entry=bytes(forged)))
    assert not stage.told(TaskEnded)
    assert "signature" in stage.of(Reject)[-1].reason


def test_two_units_that_are_ready_together_share_beacon_and_award_entry():
    stage = Stage(peers="ada bob")
    stage.submit(chains=3)
    assert [len(b.calls) for b in stage.sent("ada", Beacon)] == [3]
    stage.bid("ada")
    stage.bid("bob")
    (entry,) = stage.entries(Kind.AWARD)
    assert len(AWARD.decode(entry.body).awards) == 3


def test_what_is_written_comes_before_what_is_said():
    stage = Stage(peers="ada")
    stage.submit()
    effects = stage.bid("ada")
    kinds = [type(effect).__name__ for effect in effects]
    assert kinds.index("Append") < kinds.index("Send")


def test_one_verdict_entry_says_how_the_task_ended():
    stage = Stage(capability())
    stage.submit()
    stage.finish("Answer: 42")
    (entry,) = stage.entries(Kind.VERDICT)
    verdict = VERDICT.decode(entry.body)
    assert (verdict.outcome, verdict.rule, len(verdict.ballots)) == ("answered", "majority", 1)
    stage.wait(400_000)
    assert len(stage.entries(Kind.VERDICT)) == 1
    assert len(stage.told(TaskEnded)) == 1


def test_local_tasks_ask_nobody_else_whatever_others_claim():
    stage = Stage(capability(), peers="ada")
    stage.submit(privacy="local")
    assert not [e for e in stage.of(Send) if e.peer == stage.peers["ada"].id]
    stage.finish("Answer: 42")
    assert end_of(stage).answer == "42"


def test_who_failed_once_is_asked_again_when_there_is_nobody_else():
    stage = Stage(capability())
    stage.submit()
    stage.fail("a hiccup")
    stage.finish("Answer: 42")
    assert end_of(stage).answer == "42"
    assert end_of(stage).owner_failovers == 1
