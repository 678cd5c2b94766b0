"""The life of a task at the node that it was submitted to.

    submit → [plans] → steps, as their needs are met → one vote per chain → verdict → receipt

The conductor's log is the lock service of its tasks: awards are entries in it, so one epoch has
one owner or there is a proof of cheating, and nobody needs a consensus. What fails is tried
elsewhere (next bid, next epoch) within bounds; a chain that fails never votes; a task always
ends, at its deadline at the latest, with a verdict entry that says how.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ledger import Kind
from symphony.core import limits
from symphony.core.answers import canonical, extract
from symphony.core.calls import Calls
from symphony.core.effects import Reject
from symphony.core.events import (
    BallotCast,
    ChainFailed,
    FailedOver,
    PlanMade,
    TaskAccepted,
    TaskEnded,
    TokensSeen,
    UnitDone,
)
from symphony.core.ids import EntryId, Epoch, NodeId, TaskId, UnitId
from symphony.core.inputs import Submit
from symphony.core.lease import conductor_until_ms
from symphony.core.match import match
from symphony.core.messages import Bids, Done, Order, Progress, Refused, Renewed, Stop
from symphony.core.orders import order_for
from symphony.core.plan import BadPlan, Plan, direct_plan, parse_plan
from symphony.core.prompts import DIRECT_SKILL, PLAN_SKILL
from symphony.core.records import TASK, Outcome
from symphony.core.results import checked
from symphony.core.submission import task_record
from symphony.core.surroundings import Surroundings
from symphony.core.task_run import Chain, Opened, TaskRun, Unit
from symphony.core.timers import CallAgain, CallAhead, DeadlineOver, LeaseOver, WindowOver
from symphony.core.verdict import conclude
from symphony.core.vote import Vote, decided, tally, weigh


class Conductor:
    """All tasks that this node conducts."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._out = around.out
        self._calls = Calls(around, self._order_for, self._unit_failed)
        self._runs: dict[TaskId, TaskRun] = {}

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def runs(self) -> Mapping[TaskId, TaskRun]:
        """The tasks under way, for inspection."""
        return self._runs

    # --- beginning ----------------------------------------------------------------------------

    def submit(self, submit: Submit) -> None:
        """Write the task down and call for its planners, or for its direct steps."""
        spec = submit.spec
        if len(self._runs) >= limits.MAX_TASKS:
            text = f"this node conducts {len(self._runs)} tasks already"
            self.refuse(submit.task, "overloaded", text)
            return
        record = task_record(submit)
        if isinstance(record, str):
            self.refuse(submit.task, "usage", record)
            return
        chains = [Chain(index) for index in range(spec.chains)]
        run = TaskRun(submit.task, submit.salt, spec, self._out.now_ms, chains)
        self._runs[run.task] = run
        run.entries.append(self._around.journal.write(Kind.TASK, TASK.encode(record)))
        self._out.timer(DeadlineOver(run.task), spec.deadline_ms)
        planned = spec.planning == "always" or (spec.planning == "auto" and self._has_planner(run))
        accepted = TaskAccepted(run.task, 0, spec.chains, spec.planning, spec.rule)
        self._out.tell(accepted)
        if planned:
            units = [
                run.add_unit(Unit(run.task, f"plan/{chain.index}", chain.index, "plan", PLAN_SKILL))
                for chain in chains
            ]
            self._calls.call(run, units)
        else:
            plan = direct_plan(spec.prompt, spec.skill or DIRECT_SKILL)
            ready = [unit for chain in chains for unit in self._adopt(run, chain, plan, "")]
            self._calls.call(run, ready)

    def _has_planner(self, run: TaskRun) -> bool:
        alive = self._around.alive()
        return any(
            listing.node in alive
            and "plan" in listing.capability.roles
            and run.spec.privacy in listing.capability.privacy
            for listing in self._around.directory
        )

    def refuse(self, task: TaskId, code: str, text: str) -> None:
        """Nothing is done about this task; `code` is one of `symphony.errors`."""
        empty: dict[str, int] = {}
        self._out.tell(TaskEnded(task, 0, "failed", "", (), text, code, text, 0, 0, b"", empty))

    def _adopt(self, run: TaskRun, chain: Chain, plan: Plan, fallback: str) -> list[Unit]:
        """Give a chain its plan. The units that are ready at once are returned."""
        chain.plan, chain.fallback = plan, fallback
        run.planned_ms = self._at(run)
        steps = tuple(step.question[:200] for step in plan.steps)
        self._out.tell(PlanMade(run.task, self._at(run), chain.index, steps, fallback))
        early = [run.units.pop(unit.id) for unit in list(self._steps(run, chain))]
        for step in plan.steps:
            unit = run.add_unit(self._calls.planned(run, chain.index, step, early))
            if step is plan.final:
                chain.final = unit
        return self._ready(run, chain)

    def _ready(self, run: TaskRun, chain: Chain) -> list[Unit]:
        """The chain's waiting steps whose needs are all done."""
        units = {u.step.id: u for u in self._steps(run, chain) if u.step is not None}
        return [
            unit
            for unit in units.values()
            if unit.state == "waiting"
            and unit.step is not None
            and all(units[need].state == "done" for need in unit.step.needs)
        ]

    @staticmethod
    def _steps(run: TaskRun, chain: Chain) -> Iterator[Unit]:
        return (u for u in run.units.values() if u.chain == chain.index and u.role == "solve")

    def _order_for(self, run: TaskRun, unit: Unit) -> Order:
        skills = self._around.directory.skill_names(self._around.alive())
        return order_for(run, unit, skills)

    # --- what comes in ------------------------------------------------------------------------

    def bids(self, peer: NodeId, bids: Bids) -> None:
        for run in list(self._runs.values()):
            if bids.beacon in run.calls:
                self._calls.bids(run, peer, bids)

    def embedded(self) -> None:
        for run in list(self._runs.values()):
            self._calls.unpark(run)

    def window_over(self, timer: WindowOver) -> None:
        if (run := self._runs.get(timer.task)) is not None:
            self._calls.window_over(run, timer.beacon)

    def call_again(self, timer: CallAgain) -> None:
        if (run := self._runs.get(timer.task)) is not None:
            units = [run.units[unit] for unit in timer.units]
            self._calls.call(run, [unit for unit in units if unit.state == "calling"])

    def call_ahead(self, timer: CallAhead) -> None:
        if (run := self._runs.get(timer.task)) is not None:
            self._calls.ahead(run)

    def progress(self, peer: NodeId, progress: Progress) -> None:
        """The owner is alive: answer, and wait for another lease."""
        found = self._owned(peer, UnitId(progress.unit), Epoch(progress.epoch))
        if found is None:
            self._out.send(peer, Stop(progress.unit, progress.epoch))
            return
        run, unit = found
        assert unit.award is not None
        if self._out.now_ms - unit.answered_ms >= limits.ACKNOWLEDGE_EVERY_MS:
            unit.answered_ms = self._out.now_ms
            unit.lease_until_ms = conductor_until_ms(self._out.now_ms, unit.award.lease_ms)
            self._out.send(peer, Renewed(progress.unit, progress.epoch, progress.number))
        if progress.text:
            seen = TokensSeen(run.task, self._at(run), unit.name, peer, progress.text)
            self._out.tell(seen)

    def done(self, peer: NodeId, done: Done) -> None:
        """A result: check it against the award and the owner's signed entry, then go on."""
        found = self._owned(peer, UnitId(done.unit), Epoch(done.epoch))
        entry = self._around.journal.take_signed(peer, done.entry)
        if found is None or entry is None:
            return
        run, unit = found
        record = checked(peer, unit, entry, done)
        if isinstance(record, str):
            self._out.do(Reject(peer, f"result: {record}"))
            self._fail_over(run, unit, record)
            return
        run.charge(unit, record.prompt_tokens + record.completion_tokens)
        run.entries.append(entry)
        if record.status == "failed":
            self._fail_over(run, unit, record.reason or "the owner's engine failed")
            return
        unit.output, unit.result, unit.record = done.output, entry, record
        self._unit_done(run, unit, peer)

    def refused(self, peer: NodeId, refused: Refused) -> None:
        found = self._owned(peer, UnitId(refused.unit), Epoch(refused.epoch))
        if found is not None:
            self._fail_over(*found, f"refused: {refused.reason}")

    def peer_down(self, peer: NodeId, why: str = "the owner's connection broke") -> None:
        """A peer is no owner any more: its units go to the next bidder at once."""
        for run in list(self._runs.values()):
            self._calls.gone(run, peer)
            for unit in list(run.units.values()):
                if not run.ended and unit.owner == peer:
                    self._fail_over(run, unit, why)

    def lease_over(self, timer: LeaseOver) -> None:
        run = self._runs.get(timer.task)
        unit = run.units.get(timer.unit) if run else None
        if run is None or unit is None or unit.state != "working" or unit.epoch != timer.epoch:
            return
        if self._out.now_ms < unit.lease_until_ms:
            self._out.timer(timer, unit.lease_until_ms - self._out.now_ms)
            return
        self._fail_over(run, unit, "the owner was silent for a lease")

    def deadline_over(self, timer: DeadlineOver) -> None:
        if (run := self._runs.get(timer.task)) is not None:
            outcome: Outcome = "not_certified" if run.votes else "expired"
            self._finish(run, outcome, "the deadline passed")

    def cancel(self, task: TaskId) -> None:
        if (run := self._runs.get(task)) is not None:
            self._finish(run, "cancelled", "cancelled by the client")

    def halt(self, why: str) -> None:
        """Our log can't be written to any more: every task ends here, without a verdict."""
        for run in list(self._runs.values()):
            run.ended = True
            self._stop_units(run, list(run.units.values()))
            del self._runs[run.task]
            self.refuse(run.task, "ledger_invalid", why)

    def _owned(self, peer: NodeId, unit_id: UnitId, epoch: Epoch) -> tuple[TaskRun, Unit] | None:
        """The unit, if this peer owns it in this very epoch."""
        for run in self._runs.values():
            unit = run.units.get(unit_id)
            if unit is not None and unit.owner == peer and unit.epoch == epoch:
                return run, unit
        return None

    # --- what follows -------------------------------------------------------------------------

    def _unit_done(self, run: TaskRun, unit: Unit, peer: NodeId) -> None:
        record, entry = unit.record, unit.result
        assert record is not None
        assert entry is not None
        tokens = record.completion_tokens
        self._out.tell(
            UnitDone(
                run.task,
                self._at(run),
                unit.name,
                peer,
                record.agent,
                record.model,
                unit.output,
                tokens,
                record.elapsed_ms,
            )
        )
        chain = run.chains[unit.chain]
        if unit.role == "plan":
            self._plan_done(run, chain, unit)
            return
        self._accept(run, unit)
        if unit is chain.final:
            self._vote(run, chain, unit)
        else:
            self._calls.call(run, self._ready(run, chain))

    @staticmethod
    def _accept(run: TaskRun, unit: Unit) -> None:
        """The unit is done: its result can be quoted, and opened in the receipt."""
        assert unit.result is not None
        unit.state = "done"
        run.opened[unit.name] = Opened(unit.name, unit.result, unit.salt, unit.output)

    def _plan_done(self, run: TaskRun, chain: Chain, unit: Unit) -> None:
        """A good plan starts its chain; a bad one gets one retry, then a direct step."""
        try:
            plan = parse_plan(unit.output)
        except BadPlan as error:
            if not unit.complaint:
                unit.complaint = str(error)
                self._told_failover(run, unit, f"bad plan: {error}")
                self._calls.again(run, unit, avoid_owner=False)
                return
            self._accept(run, unit)
            self._fall_back(run, chain, f"no usable plan: {error}")
            return
        self._accept(run, unit)
        self._calls.call(run, self._adopt(run, chain, plan, ""))

    def _fall_back(self, run: TaskRun, chain: Chain, why: str) -> None:
        plan = direct_plan(run.spec.prompt, run.spec.skill or DIRECT_SKILL)
        self._calls.call(run, self._adopt(run, chain, plan, why))

    def _vote(self, run: TaskRun, chain: Chain, unit: Unit) -> None:
        spec = run.spec
        cut = unit.record is not None and unit.record.cut
        answer = extract(unit.output, spec.answer_type, spec.choices, cut=cut)
        if answer is None:
            self._chain_failed(run, chain, "task_failed", "its output holds no answer")
            return
        scores = [self._match(run, step) for step in self._steps(run, chain)]
        weight = weigh(spec.rule, scores)
        chain.vote = Vote(chain.index, canonical(answer, spec.answer_type), answer, weight)
        assert unit.award is not None
        owner = NodeId(unit.award.owner)
        run.voted_ms = self._at(run)
        self._out.tell(BallotCast(run.task, self._at(run), chain.index, owner, answer, weight))
        self._maybe_finish(run)

    @staticmethod
    def _match(run: TaskRun, unit: Unit) -> int:
        """φ of a unit's owner, whatever rule elected it."""
        assert unit.award is not None
        listing = run.listings[EntryId(unit.award.capability)]
        return match(listing.capability, unit.award.requirement)

    def _fail_over(self, run: TaskRun, unit: Unit, reason: str) -> None:
        """Take the unit from its owner and give it to the next bidder."""
        assert unit.award is not None
        owner = NodeId(unit.award.owner)
        if owner in self._around.alive():
            self._out.send(owner, Stop(unit.id, unit.epoch))
        run.failovers += 1
        self._told_failover(run, unit, reason)
        self._calls.again(run, unit, avoid_owner=True)

    def _told_failover(self, run: TaskRun, unit: Unit, reason: str) -> None:
        assert unit.award is not None
        owner = NodeId(unit.award.owner)
        told = FailedOver(run.task, self._at(run), unit.name, unit.epoch, owner, reason[:300])
        self._out.tell(told)

    def _unit_failed(self, run: TaskRun, unit: Unit, code: str, text: str) -> None:
        """Nobody could be found, paid or trusted to do it."""
        unit.state = "failed"
        run.release(unit)
        chain = run.chains[unit.chain]
        planners_failed = code == "task_failed" or run.spec.planning == "auto"
        if unit.role == "plan" and planners_failed and code != "budget_exhausted":
            self._fall_back(run, chain, text)
        else:
            self._chain_failed(run, chain, code, text)

    def _chain_failed(self, run: TaskRun, chain: Chain, code: str, text: str) -> None:
        if chain.ended or run.ended:
            return
        chain.failure = (code, text)
        self._out.tell(ChainFailed(run.task, self._at(run), chain.index, text))
        self._stop_units(run, [u for u in run.units.values() if u.chain == chain.index])
        self._maybe_finish(run)

    def _maybe_finish(self, run: TaskRun) -> None:
        """End the task when the remaining ballots can't change the winner any more."""
        classes = tally(run.votes)
        if run.outstanding == 0:
            cast = len(run.votes)
            if classes:
                self._finish(run, "answered", f"{cast} of {len(run.chains)} chains voted")
            else:
                self._finish(run, "failed", "no chain ended in an answer")
        elif decided(classes, run.outstanding):
            text = f"exact: {run.outstanding} more ballots can't change the winner"
            self._finish(run, "answered", text)

    def _finish(self, run: TaskRun, outcome: Outcome, stop: str) -> None:
        run.ended = True
        self._stop_units(run, list(run.units.values()))
        conclude(run, outcome, stop, self._around.journal, self._out)
        del self._runs[run.task]

    def _stop_units(self, run: TaskRun, units: list[Unit]) -> None:
        """Nobody is to work on these any more; what they had reserved is free again."""
        for unit in units:
            run.release(unit)
            if unit.owner is not None:
                self._out.send(unit.owner, Stop(unit.id, unit.epoch))
            if unit.state in ("waiting", "calling", "working"):
                unit.state = "failed"

    def _at(self, run: TaskRun) -> int:
        return self._out.now_ms - run.started_ms
