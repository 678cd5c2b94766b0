"""What the owner of a unit is told, and nothing more.

A planner sees the task's question. A step sees its own question, the outputs of its declared
needs, and the task's question as background: planners of the small models that this is for
leave out numbers that a step then can't know. In a task of privacy class `open` only a chain's
last step gets the background, because it answers the task; strangers see no more than their
own step. A judge sees the question and two final outputs, and not whose they are.

What steps and judges are told follows from what a receipt holds: its reader makes these orders once
more (`step_order`), and the owners' results commit to them.
"""

from __future__ import annotations

from symphony.core import limits
from symphony.core.ids import NodeId, UnitId, unit_id
from symphony.core.messages import Order, Quote
from symphony.core.spec import TaskSpec
from symphony.core.tasks.plan import Step
from symphony.core.tasks.task_run import TaskRun
from symphony.core.tasks.unit import Unit
from symphony.core.votes.comparison import comparison_order, pair_in


def order_for(run: TaskRun, unit: Unit) -> Order:
    """The order for `unit` as things stand now; the same state gives the same bytes."""
    spec = run.spec
    if unit.role == "plan":
        return Order(
            role="plan",
            question=spec.prompt,
            skills=run.skills,
            final=False,
            complaint=unit.complaint[:600],
            max_tokens=spec.max_tokens,
            seed=int.from_bytes(unit.id[:4], "big"),
        )
    if unit.role == "judge":
        first, second = (_final_text(run, chain) for chain in pair_in(unit.name))
        return comparison_order(spec.prompt, unit.id, first, second)
    assert unit.step is not None
    quotes = tuple(_quote(run, unit, need) for need in unit.step.needs)
    final = unit is run.chains[unit.chain].final
    return step_order(spec, unit.id, unit.step, quotes, final=final)


def step_order(
    spec: TaskSpec, unit: UnitId, step: Step, quotes: tuple[Quote, ...], *, final: bool
) -> Order:
    """What the owner of a step is told; `quotes` are the outputs that it needs, in their order."""
    planned = step.question != spec.prompt
    told = planned and (final or spec.privacy != "open")
    return Order(
        role="solve",
        question=step.question,
        quotes=quotes,
        goal=spec.prompt if told else "",
        final=final,
        answer_type=spec.answer_type if final else "text",
        choices=spec.choices if final else (),
        answer_schema=spec.answer_schema if final else "",
        max_tokens=spec.max_tokens,
        seed=int.from_bytes(unit[:4], "big"),
    )


def quote_of(step: Step, owner: NodeId, output: str) -> Quote:
    """The output of a step for those that need it."""
    text = output[: limits.MAX_INPUT_CHARS]  # more would not be read, nor fit a frame
    return Quote(step.id, step.question, owner, text)


def _final_text(run: TaskRun, chain: int) -> str:
    final = run.chains[chain].final
    assert final is not None
    return final.output


def _quote(run: TaskRun, unit: Unit, need: str) -> Quote:
    source = run.units[unit_id(run.task, f"step/{unit.chain}/{need}")]
    assert source.step is not None
    assert source.award is not None
    return quote_of(source.step, NodeId(source.award.owner), source.output)
