"""Calling ahead: the owners of the next steps are found while models are still at work.

A model takes seconds, an election milliseconds. So 50 ms after an award all steps are called for
whose needs have owners by now: one beacon for all chains. If their plan is known, the owners are
elected at once, and `awards` writes that down ahead; when a result comes in, the work that waited
for it leaves without a call.

Even before there is a plan one thing is known of it: its first step is called `s1`, and somebody
who can solve things will do it. What the step needs, nobody knows yet. So it is called for only
where all who can solve anything are asked; the bids say who is free, and are scored once the plan
says what for. A first step that has needs, or a skill of which there is no vector yet, is a unit
like any other, without those bids.

Nothing here is waited for: what was not called for ahead is called for in its turn (`calls`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from symphony.core import limits
from symphony.core.beacon.calls import Calls
from symphony.core.effects import Embed
from symphony.core.ids import EntryId
from symphony.core.owner.prompts import DIRECT_SKILL
from symphony.core.records import Candidate
from symphony.core.surroundings import Surroundings
from symphony.core.tasks.plan import FIRST_STEP, Step
from symphony.core.tasks.task_run import TaskRun
from symphony.core.tasks.unit import Unit


class Ahead:
    """Finds owners before their turn, by the `calls` of a conductor."""

    def __init__(self, around: Surroundings, calls: Calls) -> None:
        self._around = around
        self._calls = calls
        self._asking = calls.asking

    def due(self, run: TaskRun) -> None:
        """Call for the steps whose needs are being worked on: while models think, the election of
        the next owners costs nobody any time. One beacon serves all chains.
        """
        run.looking_ahead = False
        following = [*run.following(), *self._first_steps(run)]
        following = [unit for unit in following if self._embedded(unit.skill)]
        for unit in following:
            unit.foreseen = True
        self._calls.beacons(run, following)

    def _first_steps(self, run: TaskRun) -> list[Unit]:
        """The first steps of the plans that are still being made, as far as they can be known:
        each is called `s1`. What it needs will be known with the plan, and its bids are scored
        anew then; so they are called for only where all who can solve anything are asked.
        """
        skill = run.spec.skill or DIRECT_SKILL
        units = [
            Unit(run.task, f"step/{chain.index}/{FIRST_STEP}", chain.index, "solve", skill)
            for chain in run.unplanned()
        ]
        if not units or not self._embedded(skill):
            return []
        solvers = self._asking.fitting(run, units[0], self._asking.requirement(run, units[0]))
        if len({listing.node for _, listing in solvers}) > limits.ASKED_BY_MATCH:
            return []
        return [run.add_unit(unit) for unit in units]

    def planned(self, run: TaskRun, chain: int, step: Step, early: Sequence[Unit]) -> Unit:
        """The unit for a step of a new plan. If it was called for before there was a plan, it
        keeps those bids, scored by what the step really needs.
        """
        name = f"step/{chain}/{step.id}"
        unit = next((unit for unit in early if unit.name == name), None)
        if unit is None or step.needs or self._around.vectors.missing([step.skill]):
            return Unit(run.task, name, chain, "solve", step.skill, step)
        unit.step, unit.skill = step, step.skill
        unit.requirement = self._asking.requirement(run, unit)
        unit.candidates = tuple(self._scored(run, unit, unit.candidates))
        for call in run.calls.values():
            if unit.id in call.bids:
                bids = call.bids[unit.id]
                bids[:] = self._scored(run, unit, bids)
        return unit

    def _scored(self, run: TaskRun, unit: Unit, bids: Iterable[Candidate]) -> list[Candidate]:
        """The bids once more, by what the unit needs now."""
        known = ((run.listings[EntryId(bid.capability)], bid.free) for bid in bids)
        fitting = ((listing, free) for listing, free in known if self._asking.hears(unit, listing))
        return [self._asking.candidate(run, unit, listing, free) for listing, free in fitting]

    def _embedded(self, skill: str) -> bool:
        """Is the vector of this skill here? If not, it is asked for, and will be next time."""
        missing = self._around.vectors.missing([skill])
        if missing:
            self._around.out.do(Embed(missing))
        return not missing
