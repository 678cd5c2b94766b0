"""Plans: a task split into steps, as a directed acyclic graph.

A planner returns JSON that its engine was forced to shape (`plan_forms`); it is never fished
out of prose. What a schema can't say is checked here with the standard library's graphlib (a
plan has eight steps; a library for large graphs is 285 modules for every node to load): needs
that exist, no cycle, a final step that everything leads to, bounded depth. A plan that fails
says why, in words that go back to the planner for its one retry.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from heapq import heapify, heappop, heappush
from typing import Any

from symphony.core import limits

FIRST_STEP = "s1"
"""What every plan calls the step that it begins with, if it keeps to the forced form."""


class BadPlan(ValueError):
    """The planner's output is no usable plan; the text says what to mend."""


@dataclass(frozen=True, slots=True)
class Step:
    """One sub-task: it sees its own question and the outputs of its needs."""

    id: str
    question: str
    needs: tuple[str, ...]
    skill: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in an order in which they could be run; the last one answers the task."""

    steps: tuple[Step, ...]

    @property
    def final(self) -> Step:
        return self.steps[-1]

    def step(self, step_id: str) -> Step:
        return next(step for step in self.steps if step.id == step_id)


def direct_plan(question: str, skill: str) -> Plan:
    """The plan without planning: one step that answers the task as it stands."""
    return Plan((Step(FIRST_STEP, question, (), skill),))


def parse_plan(text: str) -> Plan:
    """Read a planner's output. Raises `BadPlan` with what to mend."""
    if len(text.encode()) > limits.MAX_PLAN_BYTES:
        raise BadPlan("the plan is too long")
    try:
        data = json.loads(text)
        json.dumps(data, ensure_ascii=False).encode()  # "\\ud800" is JSON, but no text
    except (ValueError, RecursionError):
        raise BadPlan("the plan is not JSON") from None
    if not isinstance(data, dict) or not isinstance(data.get("steps"), list):
        raise BadPlan('the plan is not {"steps": [...]}')
    steps = [_parse_step(item) for item in data["steps"]]
    if not 1 <= len(steps) <= limits.MAX_STEPS:
        raise BadPlan(f"a plan has 1 to {limits.MAX_STEPS} steps, this one has {len(steps)}")
    return _ordered(steps)


def _parse_step(item: Any) -> Step:
    if not isinstance(item, dict):
        raise BadPlan("a step is not an object")
    fields = (item.get("id"), item.get("question"), item.get("skill"))
    if not all(isinstance(field, str) and field.strip() for field in fields):
        raise BadPlan("a step lacks its id, question or skill")
    needs = item.get("needs")
    if not isinstance(needs, list) or not all(isinstance(need, str) for need in needs):
        raise BadPlan(f"step {item['id']}: needs is not a list of step ids")
    if len(item["question"]) > limits.MAX_QUESTION_CHARS:
        raise BadPlan(f"step {item['id']}: the question is too long")
    if len(item["id"]) > 16 or not item["id"].isalnum():
        raise BadPlan("a step id is up to 16 letters and digits")
    return Step(
        item["id"],
        item["question"].strip(),
        tuple(dict.fromkeys(needs)),
        item["skill"].strip()[: limits.MAX_SKILL_CHARS],
    )


def _ordered(steps: list[Step]) -> Plan:
    """Check the graph, and put the steps into a runnable order.

    The step that is written last answers the task; it also gets the results of steps that
    nobody else needs, so that no work is done in vain.
    """
    by_id = {step.id: step for step in steps}
    if len(by_id) != len(steps):
        raise BadPlan("two steps have the same id")
    for step in steps:
        for need in step.needs:
            if need not in by_id:
                raise BadPlan(f"step {step.id} needs {need}, which does not exist")
    order = _runnable(steps)
    needed = {need for step in steps for need in step.needs}
    final = steps[-1]
    if final.id in needed:
        raise BadPlan(f"the last step, {final.id}, gives the answer; no step may need it")
    loose = [step.id for step in steps[:-1] if step.id not in needed]
    by_id[final.id] = replace(final, needs=(*final.needs, *loose))
    order.remove(final.id)
    order.append(final.id)  # it needs the loose ones too, and nobody needs it
    depth: dict[str, int] = {}
    for node in order:
        depth[node] = 1 + max((depth[need] for need in by_id[node].needs), default=0)
    if max(depth.values()) > limits.MAX_DEPTH:
        raise BadPlan(f"the plan is deeper than {limits.MAX_DEPTH} steps")
    return Plan(tuple(by_id[node] for node in order))


def _runnable(steps: list[Step]) -> list[str]:
    """The ids in an order in which they could be run; of those that could be next, the one that
    was written first, so that the same plan is always run in the same order.
    """
    place = {step.id: index for index, step in enumerate(steps)}
    sorter = TopologicalSorter({step.id: step.needs for step in steps})
    try:
        sorter.prepare()
    except CycleError:
        raise BadPlan("the needs of the steps form a circle") from None
    free = [place[step_id] for step_id in sorter.get_ready()]
    heapify(free)
    order: list[str] = []
    while free:
        order.append(steps[heappop(free)].id)
        sorter.done(order[-1])
        for step_id in sorter.get_ready():
            heappush(free, place[step_id])
    return order
