"""What the engines of a run really do, against what their tasks allow.

- what all generations of a task may have cost together is within its budget, whoever they were cut
  off from: budgets are reserved before a call, and what a lost call cost is not forgotten;
- a task that names a number of nodes is worked on by no more;
- nobody works for a task that has ended: not longer than a lease, which needs an acknowledgement;
  and where nothing is lost, paused or cut off, not longer than a message takes to arrive.

An award counts once: an owner that was restarted as well may begin the same one again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from symphony.core import limits
from symphony.core.ids import Epoch, UnitId

if TYPE_CHECKING:
    from symphony.testing.checks import Watch
    from symphony.testing.machine import Machine
    from symphony.testing.sim import World

LINGER_MS = limits.LEASE_MS + 500
"""The lease, counted by a clock that is 4 % slow, from a renewal that was under way."""
PROMPT_MS = 400
"""Twice the longest way of a message in weather that loses nothing."""
UNRULY = frozenset({"loss", "crash", "partition", "one_way", "pause", "churn"})


class Effort:
    """The work of all engines, by task."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._awake_ms: dict[int, int] = {}

    def began(self, machine: Machine, unit: UnitId, epoch: Epoch, tokens: int) -> None:
        """An engine was started on an award; its generation may cost so much, until it is done."""
        world = self._world
        watch = self._watch(unit)
        if watch is None or watch.rolled_back or watch.conductors > 1:
            return  # of several conductors each knows its own owners
        if world.machines[watch.script.node].script.hostile:
            return
        spec, name = watch.script.spec, f"the task of {watch.script.at_ms} ms"
        watch.cost[unit, epoch] = tokens
        spent = sum(watch.cost.values())
        if spent > spec.budget_tokens:
            world.checks.violate(f"{name} may have cost {spent} tokens, more than its budget")
        if machine.index != watch.script.node:
            watch.workers.add(machine.index)
        if 0 < spec.max_nodes < len(watch.workers):
            world.checks.violate(f"{name} was worked on by nodes {sorted(watch.workers)}")
        if spec.max_nodes and len(watch.workers) == spec.max_nodes:
            world.checks.marks.add("as many nodes as may")

    def done(self, unit: UnitId, epoch: Epoch, tokens: int) -> None:
        """A generation came to its end, and says what it cost."""
        watch = self._watch(unit)
        if watch is not None and (unit, epoch) in watch.cost:
            watch.cost[unit, epoch] = tokens

    def look(self) -> None:
        """Does anybody work for a task that has ended?"""
        world = self._world
        for machine in world.machines:
            if machine.script.hostile:
                continue  # it is not heard any more, and may do with its engines what it likes
            if machine.paused_until_ms > world.now_ms - 1_000 or not machine.alive:
                self._awake_ms[machine.index] = world.now_ms + 1_000
                continue
            for unit, _ in machine.bench.running:
                self._lingers(machine, unit)

    def _lingers(self, machine: Machine, unit: UnitId) -> None:
        world, watch = self._world, self._watch(unit)
        if watch is None or not watch.ended or watch.conductors > 1:
            return  # of several conductors each knows its own owners
        since_ms = max(watch.ended_ms, self._awake_ms.get(machine.index, 0))
        calm = not UNRULY & world.scenario.kinds and not world.network.blocked
        most_ms = PROMPT_MS if calm else LINGER_MS
        if world.now_ms - since_ms > most_ms:
            late_ms = world.now_ms - watch.ended_ms
            text = f"node {machine.index} works for a task that ended {late_ms} ms ago"
            world.checks.violate(text)

    def _watch(self, unit: UnitId) -> Watch | None:
        task = self._world.checks.task_of.get(unit)
        return None if task is None else self._world.checks.tasks[task]
