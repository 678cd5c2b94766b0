"""What follows from a result: a chain's way from its plan to its ballot.

    planner's output → plan → steps, as their needs are met → the last output → a vote

A bad plan is retried once with the complaint; then, or if no planner is to be had, the chain falls
back to one direct step and says why. A chain that fails never votes. When the ballots that are out
can't change the winner any more, the task ends: that is the conductor's business (`end`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from symphony.core.answers import canonical, extract
from symphony.core.calls import Calls
from symphony.core.effects import Note
from symphony.core.events import BallotCast, ChainFailed, PlanMade, UnitDone
from symphony.core.ids import EntryId, NodeId
from symphony.core.match import match
from symphony.core.notes import ChainTurned
from symphony.core.orders import order_for
from symphony.core.plan import BadPlan, Plan, direct_plan, parse_plan
from symphony.core.prompts import DIRECT_SKILL, PLAN_SKILL
from symphony.core.records import Outcome
from symphony.core.surroundings import Surroundings
from symphony.core.task_run import Chain, Opened, TaskRun, Unit
from symphony.core.vote import Vote, decided, tally, weigh

NO_ANSWER = "its output holds no answer"


class Chains:
    """The chains of all tasks of one conductor. `end` is called when a task is decided."""

    def __init__(self, around: Surroundings, end: Callable[[TaskRun, Outcome, str], None]) -> None:
        self._around = around
        self._out = around.out
        self._end = end
        self.calls = Calls(around, order_for, self._unit_failed)

    def begin(self, run: TaskRun, chains: Sequence[Chain]) -> None:
        """Call for the planners of these chains, or for their direct steps."""
        spec = run.spec
        if spec.planning == "always" or (spec.planning == "auto" and self._has_planner(run)):
            units = [
                run.add_unit(Unit(run.task, f"plan/{chain.index}", chain.index, "plan", PLAN_SKILL))
                for chain in chains
            ]
            self.calls.call(run, units)
        else:
            ready = [unit for chain in chains for unit in self.adopt_direct(run, chain)]
            self.calls.call(run, ready)

    def go_on(self, run: TaskRun) -> None:
        """After a restart: call for whatever is ready and has no owner."""
        fresh: list[Chain] = []
        ready: list[Unit] = []
        for chain in run.chains:
            units = [unit for unit in run.units.values() if unit.chain == chain.index]
            if not chain.ended and not units:
                fresh.append(chain)
            elif not chain.ended:
                ready += [unit for unit in units if unit.state == "calling"]
                ready += self._ready(run, chain)
        self.calls.call(run, ready)
        if fresh and not run.ended:
            self.begin(run, fresh)

    def _has_planner(self, run: TaskRun) -> bool:
        alive = self._around.alive()
        return any(
            listing.node in alive
            and "plan" in listing.capability.roles
            and run.spec.privacy in listing.capability.privacy
            for listing in self._around.directory
        )

    def adopt_direct(self, run: TaskRun, chain: Chain, fallback: str = "") -> list[Unit]:
        """Let a chain answer directly, in one step."""
        plan = direct_plan(run.spec.prompt, run.spec.skill or DIRECT_SKILL)
        return self.adopt(run, chain, plan, fallback)

    def adopt(self, run: TaskRun, chain: Chain, plan: Plan, fallback: str = "") -> list[Unit]:
        """Give a chain its plan. The units that are ready at once are returned."""
        chain.plan, chain.fallback = plan, fallback
        run.planned_ms = self._at(run)
        steps = tuple(step.question[:200] for step in plan.steps)
        self._out.tell(PlanMade(run.task, self._at(run), chain.index, steps, fallback))
        early = [run.units.pop(unit.id) for unit in list(self._steps(run, chain))]
        for step in plan.steps:
            unit = run.add_unit(self.calls.planned(run, chain.index, step, early))
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

    def unit_done(self, run: TaskRun, unit: Unit, peer: NodeId) -> None:
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
        self.accept(run, unit)
        if unit is chain.final:
            self._vote(run, chain, unit)
        else:
            self.calls.call(run, self._ready(run, chain))

    @staticmethod
    def accept(run: TaskRun, unit: Unit) -> None:
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
                self.calls.again(run, unit, f"bad plan: {error}", "bad_plan", avoid_owner=False)
                return
            self.accept(run, unit)
            self._fall_back(run, chain, f"no usable plan: {error}")
            return
        self.accept(run, unit)
        self.calls.call(run, self.adopt(run, chain, plan))

    def _fall_back(self, run: TaskRun, chain: Chain, why: str) -> None:
        self._out.do(Note(run.task, ChainTurned(chain.index, why[:300])))
        self.calls.call(run, self.adopt_direct(run, chain, why))

    def _vote(self, run: TaskRun, chain: Chain, unit: Unit) -> None:
        if self._cast(run, chain, unit):
            self.maybe_end(run)
        else:
            self._chain_failed(run, chain, "task_failed", NO_ANSWER)

    def count(self, run: TaskRun) -> None:
        """After a restart: cast the ballots of the chains that had come to their end."""
        for chain in run.chains:
            final = chain.final
            if final is None or final.state != "done" or chain.ended:
                continue
            if not self._cast(run, chain, final):
                chain.failure = ("task_failed", NO_ANSWER)

    def _cast(self, run: TaskRun, chain: Chain, unit: Unit) -> bool:
        """The chain's ballot; False if its last output holds no answer."""
        spec = run.spec
        cut = unit.record is not None and unit.record.cut
        answer = extract(unit.output, spec.answer_type, spec.choices, cut=cut)
        if answer is None:
            chain.blank = True
            return False
        scores = [self._match(run, step) for step in self._steps(run, chain)]
        weight = weigh(spec.rule, scores)
        chain.vote = Vote(chain.index, canonical(answer, spec.answer_type), answer, weight)
        assert unit.award is not None
        owner = NodeId(unit.award.owner)
        run.voted_ms = self._at(run)
        self._out.tell(BallotCast(run.task, self._at(run), chain.index, owner, answer, weight))
        return True

    @staticmethod
    def _match(run: TaskRun, unit: Unit) -> int:
        """φ of a unit's owner, whatever rule elected it."""
        assert unit.award is not None
        listing = run.listings[EntryId(unit.award.capability)]
        return match(listing.capability, unit.award.requirement)

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
        self._out.do(Note(run.task, ChainTurned(chain.index, text[:300], code)))
        self._out.tell(ChainFailed(run.task, self._at(run), chain.index, text))
        self.calls.stop(run, [u for u in run.units.values() if u.chain == chain.index])
        self.maybe_end(run)

    def maybe_end(self, run: TaskRun) -> None:
        """End the task when the remaining ballots can't change the winner any more."""
        classes = tally(run.votes)
        if run.outstanding == 0:
            cast = len(run.votes)
            if classes:
                self._end(run, "answered", f"{cast} of {len(run.chains)} chains voted")
            else:
                self._end(run, "failed", "no chain ended in an answer")
        elif decided(classes, run.outstanding):
            text = f"exact: {run.outstanding} more ballots can't change the winner"
            self._end(run, "answered", text)

    def _at(self, run: TaskRun) -> int:
        return self._out.now_ms - run.started_ms
