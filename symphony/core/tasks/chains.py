"""What follows from a result: a chain's way from its plan to its ballot.

    planner's output → plan → steps, as their needs are met → the last output → a vote

A bad plan is retried once with the complaint; then, or if no planner is to be had, the chain falls
back to one direct step and says why. A chain that fails never votes. When the ballots that are out
can't change the winner any more, the task ends: that is the conductor's business (`end`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from symphony.core.beacon.ahead import Ahead
from symphony.core.beacon.calls import Calls
from symphony.core.events import BallotCast, ChainFailed, PlanMade, UnitDone
from symphony.core.ids import NodeId
from symphony.core.owner.orders import order_for
from symphony.core.owner.prompts import DIRECT_SKILL, PLAN_SKILL
from symphony.core.records import Outcome, Rule
from symphony.core.spec import TaskSpec
from symphony.core.surroundings import Surroundings
from symphony.core.tasks.notes import ChainTurned
from symphony.core.tasks.plan import BadPlan, Plan, direct_plan, parse_plan
from symphony.core.tasks.task_run import Chain, Opened, TaskRun
from symphony.core.tasks.unit import Unit
from symphony.core.votes.answers import fitting
from symphony.core.votes.comparing import under_way
from symphony.core.votes.evidence_book import EvidenceBook
from symphony.core.votes.in_words import in_words
from symphony.core.votes.judges import judges
from symphony.core.votes.settling import Settlement, is_answered, next_wave
from symphony.core.votes.voting import cast, known_ballots, resettle, rule_for

NO_ANSWER = "no answer of the wanted type is in what it wrote"


class Chains:
    """The chains of all tasks of one conductor. `end` is called when a task is decided."""

    def __init__(self, around: Surroundings, end: Callable[[TaskRun, Outcome, str], None]) -> None:
        self._around = around
        self._out = around.out
        self._end = end
        self.calls = Calls(around, order_for, self._unit_failed)
        self.ahead = Ahead(around, self.calls)

    def begin(self, run: TaskRun) -> None:
        """Call for the planners of the chains of the next wave, or for their direct steps; of all
        chains, where no level is to be reached.
        """
        count = next_wave(known_ballots(run), run.spec.alpha_ppm)
        spec = run.spec
        chains = [chain for chain in run.chains if not chain.begun][:count]
        for chain in chains:
            chain.begun = True
        if spec.planning == "always" or (spec.planning == "auto" and self._has_planner(run)):
            units = [
                run.add_unit(Unit(run.task, f"plan/{chain.index}", chain.index, "plan", PLAN_SKILL))
                for chain in chains
            ]
            self.calls.call(run, units)
        else:
            ready = [unit for chain in chains for unit in self.adopt_direct(run, chain)]
            self.calls.call(run, ready)

    def rule_for(self, spec: TaskSpec) -> Rule:
        """The rule of a task that is about to begin."""
        around = self._around
        alive = around.alive()
        live = (item for item in around.directory if item.node in alive)
        return rule_for(spec, live, around.evidence, self._out.wall_ms)

    def count(self, run: TaskRun, book: EvidenceBook | None = None) -> None:
        """After a restart: cast the ballots of the chains that had come to their end, and weigh
        them by what is known now, or by what is in this book.
        """
        cast_now: list[Chain] = []
        for chain in run.chains:
            final = chain.final
            if final is None or final.state != "done":
                continue
            if chain.ended:
                chain.blank = chain.cast is None  # else it would have voted
                continue
            if self._cast(run, chain, final):
                cast_now.append(chain)
            else:
                chain.failure = ("task_failed", NO_ANSWER)
        settlement = resettle(run, self._around.evidence if book is None else book)
        for chain in cast_now:
            self._told(run, chain, settlement)

    def go_on(self, run: TaskRun) -> None:
        """After a restart, and after the count: call for whatever is ready and has no owner."""
        at_work = {unit.chain for unit in run.units.values()}
        for chain in run.chains:
            chain.begun = chain.ended or chain.index in at_work
        ready = [unit for unit in judges(run) if unit.state == "calling"]
        run.judging = bool(judges(run))
        if self._over(run, resettle(run, self._around.evidence)):
            return
        for chain in run.chains:
            if not chain.ended:
                units = (unit for unit in run.units.values() if unit.chain == chain.index)
                ready += [unit for unit in units if unit.state == "calling"]
                ready += self._ready(run, chain)
        self.calls.call(run, ready)
        waits = not run.outstanding or (run.spec.alpha_ppm and self._under_way(run))
        if not run.ended and not waits:
            self.begin(run)

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
            unit = run.add_unit(self.ahead.planned(run, chain.index, step, early))
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
        if unit.role == "judge":
            self.accept(run, unit)
            self._go_on_or_end(run, resettle(run, self._around.evidence))
            return
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
        self._around.entrusting.keep(run, ChainTurned(chain.index, why[:300]))
        self.calls.call(run, self.adopt_direct(run, chain, why))

    def _vote(self, run: TaskRun, chain: Chain, unit: Unit) -> None:
        if not self._cast(run, chain, unit):
            self._chain_failed(run, chain, "task_failed", NO_ANSWER)
            return
        run.voted_ms = self._at(run)
        settlement = resettle(run, self._around.evidence)
        self._told(run, chain, settlement)
        self._go_on_or_end(run, settlement)

    def _cast(self, run: TaskRun, chain: Chain, unit: Unit) -> bool:
        """The chain's ballot; False if its last output holds no answer."""
        spec = run.spec
        answer = fitting(unit.output.strip(), spec.answer_type, spec.answer_schema)
        steps = list(self._steps(run, chain))
        chain.blank = answer is None or not cast(run, chain, unit, steps)
        return not chain.blank

    def _told(self, run: TaskRun, chain: Chain, settlement: Settlement) -> None:
        vote = next(vote for vote in settlement.votes if vote.chain == chain.index)
        assert chain.voter is not None
        owner, at_ms = chain.voter[0], self._at(run)
        self._out.tell(BallotCast(run.task, at_ms, chain.index, owner, vote.answer, vote.weight))

    def _unit_failed(self, run: TaskRun, unit: Unit, code: str, text: str) -> None:
        """Nobody could be found, paid or trusted to do it."""
        unit.state = "failed"
        run.release(unit)
        if unit.role == "judge":
            if not run.ended:  # its word is missed, and that is all
                self._go_on_or_end(run, resettle(run, self._around.evidence))
            return
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
        self._around.entrusting.keep(run, ChainTurned(chain.index, text[:300], code))
        self._out.tell(ChainFailed(run.task, self._at(run), chain.index, text))
        self.calls.stop(run, [u for u in run.units.values() if u.chain == chain.index])
        self._go_on_or_end(run, resettle(run, self._around.evidence))

    def _go_on_or_end(self, run: TaskRun, vote: Settlement) -> None:
        """End the task if the vote is over, else begin the next wave once this one has ended."""
        if not self._over(run, vote) and run.outstanding and not self._under_way(run):
            self.begin(run)

    @staticmethod
    def _under_way(run: TaskRun) -> bool:
        return any(chain.begun and not chain.ended for chain in run.chains)

    def _over(self, run: TaskRun, vote: Settlement) -> bool:
        """End the task if the vote is over; was it?"""
        if under_way(run, vote, self.calls):
            return run.ended
        if run.ended:
            return True
        text = in_words(vote, known_ballots(run), run.spec.alpha_ppm)
        if not run.outstanding and not vote.votes:
            self._end(run, "failed", text)
        elif is_answered(vote.state, run.spec.alpha_ppm):
            self._end(run, "answered", text)
        elif vote.state != "open":
            self._end(run, "not_certified", text)
        return run.ended

    def _at(self, run: TaskRun) -> int:
        return self._out.now_ms - run.started_ms
