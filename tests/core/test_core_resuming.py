"""A conductor that was restarted goes on with its tasks, from its log and its notes alone."""

from dataclasses import replace
from random import Random

import pytest
from core_stage import SWARM, TASK, WALL_MS, Stage, capability
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import Kind, MemoryStore
from symphony.core import limits
from symphony.core.effects import Append, Forget, KeepReceipt, Note, Reject, StartWork
from symphony.core.events import FailedOver, TaskEnded, TaskResumed
from symphony.core.inputs import OwnLogMark, PeerUp, Started, TaskFound
from symphony.core.messages import HeadTold, Progress, Refused, Renewed, Stop, Work
from symphony.core.owner.prompts import DIRECT_SKILL
from symphony.core.receipts.receipt import verify_receipt
from symphony.core.records import AWARD, VERDICT, Capability, Skill
from symphony.core.spec import TaskSpec
from symphony.core.swarm import Swarm
from symphony.core.tasks.notes import NOTE, BiddersKept, ResultKept
from symphony.node.restoring import restore
from symphony.testing import NodeScript, Scenario, TaskScript, run_seed
from symphony.testing.engines import AgentScript
from symphony.testing.faults import Crash

PLANNER = capability("planner", roles=("plan",), skills=(Skill("planning", "plans"),))
PLAN = (
    '{"steps": [{"id": "s1", "question": "How much is 2 x 3?", "needs": [], "skill": "math"},'
    ' {"id": "s2", "question": "Times seven?", "needs": ["s1"], "skill": "math"}]}'
)


class Home(Stage):
    """A stage whose node has a disk: entries, and the notes of tasks that have not ended."""

    def __init__(self, *agents: Capability, peers="") -> None:
        self.store = MemoryStore(SWARM)
        self.notes = {}
        super().__init__(*agents, peers=peers)

    def _line(self, effect) -> str | None:
        match effect:
            case Append(entries):
                self.store.append(entries)
            case Note(task, note):
                self.notes.setdefault(task, []).append(NOTE.decode(NOTE.encode(note)))
            case Forget(task):
                self.notes.pop(task, None)
        return super()._line(effect)

    def restart(self, *agents: Capability, down_ms=0, known_peers=0):
        """The node dies, and starts again from its disk, with nobody connected yet."""
        self.now_ms += down_ms
        self.timers.clear()
        heads = self.store.heads()
        self.swarm = Swarm(self.signer, self.keys.verify, SWARM, Random(8), heads)
        tasks = [TaskFound(task, tuple(notes)) for task, notes in self.notes.items()]
        clock, wall = (lambda: self.now_ms), (lambda: WALL_MS + self.now_ms)
        restore(self.swarm, self.store, clock, wall, tasks)
        seq = next((head.seq for head in heads if head.author == self.me), 0)
        self.give(Started(tuple(agents), 2, own_log=OwnLogMark(seq, known_peers)))


def meet(stage, name):
    return stage.give(PeerUp(stage.peers[name].id, 2))


def working(peers="ada bob"):
    """A direct task whose one step `ada` or `bob` works on; and which of them."""
    stage = Home(peers=peers)
    stage.submit()
    for name in stage.peers:
        stage.bid(name)
    return stage, next(name for name in stage.peers if stage.sent(name, Work))


def ended(stage):
    return [event.outcome for event in stage.told(TaskEnded)]


def test_the_owner_is_asked_and_its_result_is_taken():
    stage, owner = working()
    first = stage.sent(owner, Work)[-1]
    stage.restart()
    assert [(e.done, e.running) for e in stage.told(TaskResumed)] == [(0, 1)]
    meet(stage, owner)
    again = stage.sent(owner, Work)[-1]
    assert (again.entry, again.order, again.salt) == (first.entry, first.order, first.salt)
    stage.done(owner, "Answer: 42")
    assert ended(stage) == ["answered"]
    report = verify_receipt(stage.of(KeepReceipt)[-1].receipt, verify=stage.keys.verify)
    assert report.answer == "42"
    assert not stage.told(FailedOver)
    assert not stage.notes


def test_an_owner_that_renews_is_left_alone():
    stage, owner = working()
    work = stage.sent(owner, Work)[-1]
    stage.restart(down_ms=3_000)
    meet(stage, owner)
    stage.wait(limits.ACKNOWLEDGE_EVERY_MS)
    stage.heard(owner, Progress(work.unit, work.epoch, 5, "Ans"))
    assert stage.sent(owner, Renewed)[-1].number == 5
    assert not stage.sent(owner, Stop)


@pytest.mark.parametrize("lost", [True, False])
def test_an_owner_is_not_blamed_for_what_its_conductor_lost(lost):
    """The note of a plan is gone, as after a power cut: the order can't be made again."""
    stage = Home(PLANNER, peers="ada")
    stage.submit(planning="always")
    stage.finish(PLAN.replace('"math"', f'"{DIRECT_SKILL}"'))
    stage.bid("ada")
    given = stage.sent("ada", Work)[-1]
    if lost:
        stage.notes[TASK] = [note for note in stage.notes[TASK] if not isinstance(note, ResultKept)]
    award = stage.entries(Kind.AWARD)[-1].id
    done = stage.peers["ada"].result(given, "6" if lost else "7", award=award, now_ms=stage.now_ms)
    done = done if lost else replace(done, output="6")  # a lie, of which nothing was lost here
    stage.restart(PLANNER)
    meet(stage, "ada")
    again = stage.sent("ada", Work)[-1]
    assert (again.epoch, again.order == given.order) == (1, not lost)
    stage.heard("ada", done)
    assert bool(stage.of(Reject)) != lost
    stage.bid("ada")
    assert stage.sent("ada", Work)[-1].epoch == 2
    [award] = AWARD.decode(stage.entries(Kind.AWARD)[-1].body).awards
    assert award.lapse == ("lost" if lost else "junk")
    if lost:
        assert not award.avoided
        stage.done("ada", "Answer: 42")
        assert ended(stage) == ["answered"]
        verify_receipt(stage.of(KeepReceipt)[-1].receipt, verify=stage.keys.verify)


def test_an_award_for_the_skill_of_a_lost_plan_is_not_used_for_a_direct_step():
    """Its owner was elected for something else: a receipt would not hold."""
    stage = Home(PLANNER, peers="ada")
    stage.submit(planning="always")
    stage.finish(PLAN)
    stage.bid("ada")
    stage.notes[TASK] = [note for note in stage.notes[TASK] if not isinstance(note, ResultKept)]
    stage.restart(PLANNER)
    meet(stage, "ada")
    stage.wait(limits.CALL_BACKOFF_MS)
    stage.bid("ada")
    [award] = AWARD.decode(stage.entries(Kind.AWARD)[-1].body).awards
    assert (award.epoch, award.lapse, award.avoided) == (2, "lost", ())
    assert award.requirement.skill == DIRECT_SKILL
    stage.done("ada", "Answer: 42")
    assert ended(stage) == ["answered"]
    verify_receipt(stage.of(KeepReceipt)[-1].receipt, verify=stage.keys.verify)


def test_a_silent_owner_loses_the_unit_after_a_lease_and_not_before():
    stage, owner = working()
    other = {"ada": "bob", "bob": "ada"}[owner]
    stage.restart()
    meet(stage, other)
    lease_ms = limits.LEASE_MS * limits.CONDUCTOR_WAITS_PPM // 1_000_000
    stage.wait(lease_ms - 1)
    assert not stage.told(FailedOver)
    stage.wait(1)
    assert [event.epoch for event in stage.told(FailedOver)] == [1]
    stage.bid(other)
    assert stage.sent(other, Work)[-1].epoch == 2


def test_an_owner_that_let_go_says_so_at_once():
    stage, owner = working()
    work = stage.sent(owner, Work)[-1]
    stage.restart()
    meet(stage, owner)
    stage.heard(owner, Refused(work.unit, work.epoch, "this award was let go of"))
    assert [event.epoch for event in stage.told(FailedOver)] == [1]


def test_what_ran_in_the_process_that_died_is_given_away_at_once():
    stage = Home(capability())
    stage.submit()
    assert stage.of(StartWork)[-1].epoch == 1
    stage.restart(capability(), down_ms=500)
    stage.wait(limits.BID_WINDOW_MS)
    assert stage.of(StartWork)[-1].epoch == 2
    stage.finished.add((stage.of(StartWork)[0].unit, 1))
    stage.finish("Answer: 42")
    assert ended(stage) == ["answered"]


def test_done_steps_are_not_done_again():
    stage = Home(PLANNER, capability())
    stage.submit(planning="always")
    stage.finish(PLAN)
    stage.finish("6")
    stage.restart(PLANNER, capability())
    stage.wait(limits.BID_WINDOW_MS)
    again = stage.of(StartWork)[-1]
    assert [quote.text for quote in again.order.quotes] == ["6"]
    assert again.epoch == 2
    stage.finished.update((work.unit, work.epoch) for work in stage.of(StartWork)[:-1])
    stage.finish("Answer: 42")
    assert ended(stage) == ["answered"]
    verify_receipt(stage.of(KeepReceipt)[-1].receipt, verify=stage.keys.verify)


def test_nothing_is_done_before_the_log_is_open_and_nobody_is_told_to_stop():
    stage, owner = working()
    work = stage.sent(owner, Work)[-1]
    stage.restart(known_peers=1)
    meet(stage, owner)
    stage.heard(owner, Progress(work.unit, work.epoch, 5, ""))
    assert not stage.told(TaskResumed)
    assert not stage.sent(owner, Stop)
    head = stage.swarm.journal.book.head(stage.me)
    last = stage.store.get(stage.me, head.seq)
    stage.heard(owner, HeadTold(last.without_body().encode()))
    assert stage.told(TaskResumed)
    assert len(stage.sent(owner, Work)) == 2


def test_a_deadline_that_passed_meanwhile_ends_the_task():
    stage, _ = working()
    stage.restart(down_ms=400_000)
    stage.wait(1)
    assert ended(stage) == ["expired"]
    assert len(stage.entries(Kind.VERDICT)) == 1


def test_a_verdict_that_nobody_was_told_of_is_told_and_not_written_again():
    """The node dies between the commit of the verdict and the receipt."""
    stage, owner = working()
    notes = stage.notes[TASK]
    stage.done(owner, "Answer: 42")
    stage.notes[TASK] = notes
    stage.restart()
    assert ended(stage) == ["answered", "answered"]
    assert len(stage.entries(Kind.VERDICT)) == 1
    receipts = [effect.receipt for effect in stage.of(KeepReceipt)]
    assert receipts[0] == receipts[1]


def test_a_task_that_never_reached_the_log_is_refused():
    stage, _ = working()
    everything = stage.store.entries(limit=99)
    stage.store = MemoryStore(SWARM)
    stage.store.append([entry for _, entry in everything if entry.author != stage.me])
    stage.restart()
    (end,) = stage.told(TaskEnded)
    assert (end.outcome, end.error) == ("failed", "task_failed")
    assert not stage.notes


def test_a_task_whose_bidders_are_lost_ends_as_failed_with_a_receipt_that_holds():
    stage, _ = working()
    notes = stage.notes[TASK]
    notes[:] = [note for note in notes if not isinstance(note, BiddersKept)]
    stage.restart()
    assert ended(stage) == ["failed"]
    assert VERDICT.decode(stage.entries(Kind.VERDICT)[0].body).outcome == "failed"
    verify_receipt(stage.of(KeepReceipt)[-1].receipt, verify=stage.keys.verify)


NODES = (
    NodeScript((AgentScript("solver", ("solve",), ("math",), "smol", latency_ms=600, right=1.0),)),
    NodeScript((AgentScript("planner", ("plan",), ("planning",), "qwen", latency_ms=700),)),
    NodeScript((AgentScript("solver", ("solve",), ("math",), "qwen", latency_ms=900, right=1.0),)),
)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.integers(1_490, 6_000),
    st.sampled_from((20, 700, 4_000)),
    st.sampled_from(("always", "never")),
    st.booleans(),
)
def test_a_crash_at_any_time_costs_no_answer(at_ms, down_ms, planning, twice):
    spec = TaskSpec("What is 6 x 7?", chains=2, planning=planning, deadline_ms=60_000)
    crashes = [Crash(at_ms, 0, down_ms)]
    if twice:
        crashes.append(Crash(at_ms + down_ms + 900, 0, down_ms))
    task = TaskScript(1_500, 0, spec)
    script = Scenario(at_ms, NODES, (task,), actions=tuple(crashes), faults_ms=70_000)
    report = run_seed(script)
    assert report.violations == ()
    if at_ms > 1_500:
        assert report.counts["tasks answered"] == 1


@pytest.mark.parametrize("unit_epochs", [(1,), (1, 2)])
def test_salts_of_awards_are_known_again_and_never_the_same(unit_epochs):
    from symphony.core.ids import derived_salt, unit_id

    unit = unit_id(TASK, "step/0/s1")
    salts = {derived_salt(b"x" * 16, unit, epoch) for epoch in unit_epochs}
    assert len(salts) == len(unit_epochs)
    assert derived_salt(b"y" * 16, unit, 1) not in salts
