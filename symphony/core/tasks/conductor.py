"""The life of a task at the node that it was submitted to.

    submit → [plans] → steps, as their needs are met → one vote per chain → verdict → receipt

The conductor's log is the lock service of its tasks: awards are entries in it, so one epoch has
one owner or there is a proof of cheating, and nobody needs a consensus. What fails is tried
elsewhere (next bid, next epoch) within bounds; a chain that fails never votes; a task always
ends, at its deadline at the latest, with a verdict entry that says how.

Here tasks begin and end. In between, `owners` hears who works on them, and `chains` says what
follows from a result. Tasks that began before a restart come by `resuming`, those that began at
another node by `stewarding`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from ledger import Kind
from symphony.core import limits
from symphony.core.beacon.hedging import Hedging
from symphony.core.beacon.probing import Probing
from symphony.core.effects import Forget
from symphony.core.events import TaskAccepted, TaskEnded, TaskSteppedBack
from symphony.core.ids import NodeId, TaskId
from symphony.core.inputs import Probe, Submit, TaskFound, Unsealed, Wanted
from symphony.core.messages import Bids
from symphony.core.records import TASK, Outcome
from symphony.core.stewards.line import Line, line_of
from symphony.core.stewards.stewarding import Stewarding
from symphony.core.surroundings import Surroundings
from symphony.core.tasks.chains import Chains
from symphony.core.tasks.going_on import GoingOn
from symphony.core.tasks.notes import TaskBegun
from symphony.core.tasks.owners import Owners
from symphony.core.tasks.remains import Remains
from symphony.core.tasks.resuming import Resuming
from symphony.core.tasks.submission import task_record
from symphony.core.tasks.task_run import Chain, TaskRun
from symphony.core.timers import (
    AskedOver,
    CallAgain,
    CallAhead,
    DeadlineOver,
    LeaseOver,
    LineTimer,
    SilenceOver,
    StragglerDue,
    TaskTimer,
    TendDue,
    WindowOver,
)
from symphony.core.votes.settling import is_answered
from symphony.core.votes.verdict import conclude
from symphony.core.votes.voting import resettle

NO_STEWARD = "no other node is here that could keep a durable task"


class Conductor:
    """All tasks that this node conducts."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._out = around.out
        self._chains = Chains(around, self._finish)
        self._calls = self._chains.calls
        self._hedging = Hedging(around, self._calls)
        self._runs: dict[TaskId, TaskRun] = {}
        self.probing = Probing(around.me, around.journal, around.out, around.experience)
        self._going_on = GoingOn(around, self._chains, self._runs, self.deadline_over)
        self.stewarding = Stewarding(around, self)
        ends = self._give_up, self.refuse
        begin = self.stewarding.begin
        self.resuming = Resuming(around, self._chains, self._going_on.go_on, *ends, begin)
        self.owners = Owners(around, self._chains, self._runs, self.resuming)

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def runs(self) -> Mapping[TaskId, TaskRun]:
        """The tasks under way, for inspection."""
        return self._runs

    # --- beginning ----------------------------------------------------------------------------

    def asked(self, happened: Submit | Probe) -> None:
        """A task of a user, or a question whose answer is known."""
        match happened:
            case Submit():
                self.submit(happened)
            case Probe():
                self.probe(happened)

    def submit(self, submit: Submit) -> None:
        """Write the task down and call for its planners, or for its direct steps."""
        spec = submit.spec
        if len(self._runs) >= limits.MAX_TASKS:
            text = f"this node conducts {len(self._runs)} tasks already"
            self.refuse(submit.task, "overloaded", text)
            return
        spec = replace(spec, rule=self._chains.rule_for(spec))
        submit = replace(submit, spec=spec)
        record = task_record(submit)
        if isinstance(record, str):
            self.refuse(submit.task, "usage", record)
            return
        stewards = self.stewarding.choose(submit, record) if spec.durable else ()
        if spec.durable and not stewards:
            self.refuse(submit.task, "no_bids", NO_STEWARD)
            return
        record = replace(record, stewards=tuple(node for node, _ in stewards))
        chains = [Chain(index) for index in range(spec.chains)]
        run = TaskRun(submit.task, submit.salt, spec, self._out.now_ms, chains)
        run.secret = self._around.chance.randbytes(16)
        if spec.planning != "never":
            run.skills = self._around.directory.skill_names(self._around.alive())
        self._runs[run.task] = run
        run.entries.append(self._around.journal.write(Kind.TASK, TASK.encode(record)))
        self._around.experience.begun(record)
        keys = (self._around.entrusting.box, *(key for _, key in stewards)) if stewards else ()
        if stewards:
            run.line = Line(line_of(self._around.me, record), keys, 0)
            run.nodes.update(node for node, _ in stewards)
        self.stewarding.begin(run)
        self._around.entrusting.begin(run)
        seq = run.entries[0].seq
        begun = TaskBegun(seq, run.salt, run.secret, spec, self._out.wall_ms, run.skills, keys)
        self._around.entrusting.keep(run, begun)
        self._out.timer(DeadlineOver(run.task), spec.deadline_ms)
        accepted = TaskAccepted(run.task, 0, spec.chains, spec.planning, run.rule)
        self._out.tell(accepted)
        self._chains.begin(run)

    def probe(self, probe: Probe) -> None:
        """Ask others what is known here, if nobody waits for anything better."""
        alive = self._around.alive()
        others = sum(
            item.node in alive and item.node != self._around.me and "solve" in item.capability.roles
            for item in self._around.directory
        )
        if self.probing.begin(probe, busy=bool(self._runs), others=others):
            self.submit(Submit(probe.task, probe.salt, probe.spec))
            if probe.task not in self._runs:
                self.probing.forget(probe.task)

    def peer_up(self, peer: NodeId) -> None:
        """A peer is here (again)."""
        self._going_on.peer_up(peer)
        self._around.entrusting.met(peer)
        self._around.evidence.meet(peer)

    # --- the line of a durable task -----------------------------------------------------------

    def conducts(self, task: TaskId) -> bool:
        return task in self._runs or self.resuming.asks(task)

    def has_room(self) -> bool:
        return self._around.may_append() and len(self._runs) < limits.MAX_TASKS

    def take_over(self, remains: Remains) -> None:
        self.resuming.inherit(remains)

    def step_back(self, task: TaskId, to: NodeId) -> None:
        """Somebody else of the line conducts the task, or has ended it: no verdict from here."""
        self._around.entrusting.drop(task)
        run = self._runs.pop(task, None) or self.resuming.give_way(task)
        if run is not None:
            run.ended = True
            self._calls.stop(run, list(run.units.values()))
            self._out.tell(TaskSteppedBack(task, self._at(run), to))

    def kept(self, happened: TaskFound | Unsealed | Wanted) -> None:
        """What was kept here of tasks, own or others'."""
        match happened:
            case TaskFound(task, notes):
                self.resuming.found(task, notes)
                self.stewarding.keeping.found(task, notes)
            case Unsealed():
                self.stewarding.unsealed(happened)
            case Wanted(task):
                self.stewarding.wanted(task)

    def _line_fired(self, timer: LineTimer) -> None:
        match timer:
            case TendDue():
                self._around.entrusting.due(timer)
            case SilenceOver():
                self.stewarding.fired(timer)
            case AskedOver(task):
                self.resuming.asked_enough(task)

    def _give_up(self, run: TaskRun, why: str) -> None:
        """Nothing can be done any more about a task that is in the log."""
        self._runs[run.task] = run
        for chain in run.chains:
            chain.failure = ("task_failed", why)
        self._finish(run, "failed", why)

    def refuse(self, task: TaskId, code: str, text: str) -> None:
        """Nothing is done about this task; `code` is one of `symphony.errors`."""
        empty: dict[str, int] = {}
        self._out.tell(TaskEnded(task, 0, "failed", "", (), text, code, text, 0, 0, b"", empty))

    # --- what comes in ------------------------------------------------------------------------

    def bids(self, peer: NodeId, bids: Bids) -> None:
        for run in list(self._runs.values()):
            if bids.beacon in run.calls:
                self._calls.bids(run, peer, bids)

    def embedded(self) -> None:
        for run in list(self._runs.values()):
            self._calls.unpark(run)

    def fired(self, timer: TaskTimer | LineTimer) -> None:
        """A timer of one of our tasks; of one that has ended it means nothing any more."""
        if isinstance(timer, LineTimer):
            self._line_fired(timer)
            return
        run = self._runs.get(timer.task)
        if run is None:
            return
        match timer:
            case WindowOver(_, beacon):
                self._calls.window_over(run, beacon)
            case CallAgain(_, ids):
                units = [run.units[unit] for unit in ids]
                self._calls.call(run, [unit for unit in units if unit.state == "calling"])
            case CallAhead():
                self._chains.ahead.due(run)
            case LeaseOver():
                self.owners.lease_over(timer)
            case StragglerDue():
                self._hedging.due(run, timer)
            case DeadlineOver():
                self.deadline_over(timer)
            case _:
                assert_never(timer)

    def peer_down(self, peer: NodeId, why: str = "the owner's connection broke") -> None:
        """A peer is gone, or is not to be worked with any more."""
        self.stewarding.peer_down(peer)
        self.owners.gone(peer, why)

    def deadline_over(self, timer: DeadlineOver) -> None:
        if (run := self._runs.get(timer.task)) is not None:
            outcome: Outcome = "expired"
            if run.voted:
                state = resettle(run, self._around.evidence).state
                answered = is_answered(
                    state, run.spec.alpha_ppm
                )  # a tie that judges were asked about
                outcome = "answered" if answered else "not_certified"
            self._finish(run, outcome, "the deadline passed")

    def cancel(self, task: TaskId) -> None:
        if (run := self._runs.get(task)) is not None:
            self._finish(run, "cancelled", "cancelled by the client")
        elif not self.resuming.asks(task):
            self.stewarding.cancel(task)

    def halt(self, why: str) -> None:
        """Our log can't be written to any more: every task ends here, without a verdict."""
        self.probing.halt()
        for run in list(self._runs.values()):
            run.ended = True
            self._calls.stop(run, list(run.units.values()))
            del self._runs[run.task]
            self.refuse(run.task, "ledger_invalid", why)
            self._around.entrusting.drop(run.task)
            self._out.do(Forget(run.task))

    def _finish(self, run: TaskRun, outcome: Outcome, stop: str) -> None:
        run.ended = True
        if run.voted:
            resettle(run, self._around.evidence)
        self._calls.stop(run, list(run.units.values()))
        keep = not self.probing.known(run)
        verdict = conclude(run, outcome, stop, self._around.journal, self._out, keep=keep)
        self.probing.ended(run)
        self._around.experience.judged(verdict)
        self._around.entrusting.verdict(run, run.entries[-1])
        self._around.entrusting.over(run.task)
        self.stewarding.ended(run.task)
        self._out.do(Forget(run.task))
        del self._runs[run.task]

    def _at(self, run: TaskRun) -> int:
        return self._out.now_ms - run.started_ms
