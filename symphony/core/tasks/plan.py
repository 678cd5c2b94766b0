"""Plans: a task split into steps, as a directed acyclic graph.

A planner returns JSON that its engine was forced to shape (`plan_forms`); it is never fished
out of prose. What a schema can't say is checked here with networkx: needs that exist, no
cycle, a final step that everything leads to, bounded depth. A plan that fails says why, in
words that go back to the planner for its one retry.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from symphony.core import limits
from symphony.core.json_shape import is_too_large

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
    if is_too_large(text):
        raise BadPlan("the plan is not JSON that a plan could be: too deep, or too many values")
    try:
        data = json.loads(text, parse_int=float)  # no limit of the interpreter on digits
        json.dumps(data, ensure_ascii=False).encode()  # "\\ud800" is JSON, but no text
    except ValueError:
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
    import networkx as nx  # noqa: PLC0415  # 285 modules: a node loads them once it is up

    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(by_id)
    for step in steps:
        for need in step.needs:
            if need not in by_id:
                raise BadPlan(f"step {step.id} needs {need}, which does not exist")
            graph.add_edge(need, step.id)
    place = {step.id: index for index, step in enumerate(steps)}
    try:
        order = list(nx.lexicographical_topological_sort(graph, key=lambda node: place[node]))
    except nx.NetworkXUnfeasible:
        raise BadPlan("the needs of the steps form a circle") from None
    final = steps[-1]
    if graph.out_degree(final.id) > 0:
        raise BadPlan(f"the last step, {final.id}, gives the answer; no step may need it")
    loose = [step.id for step in steps[:-1] if graph.out_degree(step.id) == 0]
    by_id[final.id] = replace(final, needs=(*final.needs, *loose))
    order.remove(final.id)
    order.append(final.id)  # it needs the loose ones too, and nobody needs it
    depth: dict[str, int] = {}
    for node in order:
        depth[node] = 1 + max((depth[need] for need in by_id[node].needs), default=0)
    if max(depth.values()) > limits.MAX_DEPTH:
        raise BadPlan(f"the plan is deeper than {limits.MAX_DEPTH} steps")
    return Plan(tuple(by_id[node] for node in order))
