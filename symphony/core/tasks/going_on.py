"""Going on with a run that was rebuilt: after a restart of this node, or in place of another.

What has its result counts at once. Of each unit that somebody may still be at work on, the owner is
sent the same work again, to the byte: it answers with its result, goes on, or says that it let go.
What ran in a process that is known to be dead is given away at once. After a restart that is what
this very node was doing; a steward takes over only when all owners must have let go, so that it
need not wait for those that can't be reached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from symphony.core import limits
from symphony.core.events import TaskResumed, TaskTakenOver
from symphony.core.ids import NodeId, TaskId
from symphony.core.surroundings import Surroundings
from symphony.core.tasks.chains import Chains
from symphony.core.tasks.task_run import TaskRun
from symphony.core.tasks.unit import Unit
from symphony.core.timers import DeadlineOver, LeaseOver


@dataclass(frozen=True, slots=True)
class GoingOn:
    """Part of a conductor, whose `runs` these are; `deadline_over` ends one."""

    around: Surroundings
    chains: Chains
    runs: dict[TaskId, TaskRun]
    deadline_over: Callable[[DeadlineOver], None]

    def go_on(self, run: TaskRun, *, taken_over: bool = False) -> None:
        """A run that was rebuilt; `taken_over`: somebody else had conducted it."""
        out = self.around.out
        self.runs[run.task] = run
        units = list(run.units.values())
        done = sum(unit.state == "done" for unit in units)
        running = sum(unit.unsure for unit in units)
        told = TaskTakenOver if taken_over else TaskResumed
        out.tell(told(run.task, out.now_ms - run.started_ms, done, running))
        left_ms = run.started_ms + run.spec.deadline_ms - out.now_ms
        out.timer(DeadlineOver(run.task), max(0, left_ms))
        run.patient_until_ms = out.now_ms + (0 if taken_over else limits.PATIENCE_MS)
        self.chains.count(run)
        if left_ms <= 0:
            self.deadline_over(DeadlineOver(run.task))
            return
        self.chains.go_on(run)
        for unit in units:
            if unit.unsure and not run.ended:
                self._owned(run, unit, taken_over=taken_over)

    def _owned(self, run: TaskRun, unit: Unit, *, taken_over: bool) -> None:
        """A unit that may be at work somewhere."""
        owner, calls, alive = unit.owner, self.chains.calls, self.around.alive()
        if owner is None:
            return
        if owner == self.around.me and not taken_over:
            calls.again(run, unit, "its node was restarted", "gone", avoid_owner=False)
        elif taken_over and owner not in alive:
            calls.again(run, unit, "it is gone, as its conductor is", "gone", avoid_owner=True)
        else:
            lease = LeaseOver(run.task, unit.id, unit.epoch)
            self.around.out.timer(lease, unit.lease_until_ms - self.around.out.now_ms)
            self._ask_owner(run, unit, alive)

    def _ask_owner(self, run: TaskRun, unit: Unit, alive: frozenset[NodeId]) -> None:
        """Send the work of an unsure unit again, if its owner can be reached."""
        if unit.unsure and unit.owner in alive:
            unit.unsure = False
            self.chains.calls.awards.send_again(run, unit)

    def peer_up(self, peer: NodeId) -> None:
        """A peer is here (again): what it had to do before our restart?"""
        for run in list(self.runs.values()):
            for unit in list(run.units.values()):
                if unit.owner == peer:
                    self._ask_owner(run, unit, frozenset({peer}))
