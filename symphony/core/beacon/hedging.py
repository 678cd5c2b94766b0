"""A straggler gets a rival: a second owner of the same unit. The first result wins.

An owner is a straggler when it is past what was to be expected of it (`pace`), unless its text
shows that it will soon be there: what it has written, at the rate at which it writes, against what
it may write. It keeps its epoch and its lease; the rival gets the next epoch. Whoever is done first
is the owner that counts, and the other is told to stop, which aborts its model's generation. If
one of the two fails, the other goes on alone, and nothing is awarded anew.

It costs an award and a second generation, so: one rival for a unit, a few for a task, within the
attempts that a unit has, only with an agent that has a free slot, and only if the budget has room
for both calls at once. Theory: `pace`.
"""

from __future__ import annotations

from symphony.core import limits
from symphony.core.beacon.calls import Calls
from symphony.core.events import UnitHedged
from symphony.core.ids import NodeId
from symphony.core.surroundings import Surroundings
from symphony.core.tasks.task_run import TaskRun
from symphony.core.tasks.unit import Unit
from symphony.core.timers import StragglerDue


class Hedging:
    """Looks after owners that take long."""

    def __init__(self, around: Surroundings, calls: Calls) -> None:
        self._around = around
        self._out = around.out
        self._calls = calls

    def due(self, run: TaskRun, timer: StragglerDue) -> None:
        """The owner of this epoch should have been done by now."""
        unit = run.units.get(timer.unit)
        if unit is None or unit.owner is None or unit.epoch != timer.epoch:
            return
        soon_ms = self._soon_ms(run, unit)
        if soon_ms is not None and not timer.again:
            again = StragglerDue(timer.task, timer.unit, timer.epoch, again=True)
            self._out.timer(again, soon_ms)
            return
        if self._allowed(run, unit):
            self._hedge(run, unit)

    def _soon_ms(self, run: TaskRun, unit: Unit) -> int | None:
        """When the owner will be done if it goes on writing as it does; None if not soon."""
        took_ms = self._out.now_ms - unit.awarded_ms
        if not unit.seen_chars:
            return None
        left_chars = max(0, 3 * run.spec.max_tokens - unit.seen_chars)
        left_ms = left_chars * took_ms // unit.seen_chars
        return left_ms if left_ms < took_ms // 2 else None

    def _allowed(self, run: TaskRun, unit: Unit) -> bool:
        return (
            not unit.rival
            and not unit.unsure
            and run.hedges < limits.MAX_HEDGES_PER_TASK
            and unit.attempts < limits.MAX_ATTEMPTS
            and run.affordable(unit.reserved_tokens)
        )

    def _hedge(self, run: TaskRun, unit: Unit) -> None:
        """A second award from bids that are fresh, or else a call for some."""
        if self._out.now_ms > unit.bids_at_ms + limits.BID_LIFETIME_MS:
            if not unit.wants_rival:
                unit.wants_rival = True
                self._calls.for_rival(run, unit)
            return
        assert unit.award is not None
        straggler = NodeId(unit.award.owner)
        if self._calls.give_rival(run, unit):
            at_ms = self._out.now_ms - run.started_ms
            self._out.tell(UnitHedged(run.task, at_ms, unit.name, unit.epoch, straggler))
