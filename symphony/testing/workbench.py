"""The engines of a simulated machine: scripted agents that run what the core starts.

It also watches the core: nothing is started twice, and no agent runs more than its slots.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from symphony.core.effects import StartWork
from symphony.core.ids import Epoch, UnitId
from symphony.core.inputs import WorkDone, WorkFailed, WorkMoved
from symphony.core.messages import Order
from symphony.testing.engines import AgentScript, Attempt, attempt

if TYPE_CHECKING:
    from symphony.testing.machine import Machine


class Workbench:
    """What runs on one machine, by award."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.running: dict[tuple[UnitId, Epoch], str] = {}
        self.taken_ms: dict[tuple[UnitId, Epoch], int] = {}

    def cancel(self, unit: UnitId, epoch: Epoch) -> None:
        """The core no longer wants this."""
        if self.running.pop((unit, epoch), None) is not None:
            self._machine.world.checks.marks.add("work cancelled")

    def attempt(self, script: AgentScript, order: Order) -> Attempt:
        """What an agent makes of an order."""
        world = self._machine.world
        return world.rumours.made(self._machine, order, attempt(script, order, world.random))

    def start(self, work: StartWork) -> None:
        """Run a scripted agent: text on the way, then an output, a failure, or nothing."""
        machine, world = self._machine, self._machine.world
        checks, now_ms = world.checks, world.now_ms
        key = (work.unit, work.epoch)
        if key in self.running:
            checks.violate(f"node {machine.index} started one award twice")
        script = next(agent for agent in machine.hosted if agent.name == work.agent)
        self.running[key] = work.agent
        self.taken_ms[key] = now_ms
        if Counter(self.running.values())[work.agent] > script.concurrency:
            checks.violate(f"node {machine.index} runs more of {work.agent} than it has slots")
        coming = self.attempt(script, work.order)
        most = len(work.order.question) // 4 + work.order.max_tokens
        world.effort.began(machine, work.unit, work.epoch, most)
        end_ms = now_ms + coming.after_ms
        last_ms = max(now_ms, machine.world_ms(work.deadline_ms))
        if coming.hangs or end_ms > last_ms:
            checks.marks.add("engine hung")
            self._end(last_ms, WorkFailed(*key, "the engine ran out of time", last_ms - now_ms))
            return
        if coming.failure:
            checks.marks.add("engine failed")
            self._end(end_ms, WorkFailed(*key, coming.failure, coming.after_ms))
            return
        half = len(coming.output) // 2
        machine.later(now_ms + coming.after_ms // 2, WorkMoved(*key, coming.output[:half]))
        done = WorkDone(
            *key,
            output=coming.output,
            model=f"{script.lineage}-1b",
            engine="scripted",
            prompt_tokens=len(work.order.question) // 4,
            completion_tokens=len(coming.output) // 4 + 1,
            elapsed_ms=coming.after_ms,
        )
        self._end(end_ms, done)

    def _end(self, at_ms: int, result: WorkDone | WorkFailed) -> None:
        machine = self._machine
        machine.world.at(at_ms, partial(self._ended, machine.incarnation, result))

    def _ended(self, incarnation: int, result: WorkDone | WorkFailed) -> None:
        """The engine is done, unless it was cancelled or its machine crashed."""
        alive = incarnation == self._machine.incarnation and self._machine.alive
        if alive and self.running.pop((result.unit, result.epoch), None) is not None:
            if isinstance(result, WorkDone):
                tokens = result.prompt_tokens + result.completion_tokens
                self._machine.world.effort.done(result.unit, result.epoch, tokens)
            self._machine.give(result)
