"""What the owner of a unit is told, and nothing more.

A planner sees the task's question. A step sees its own question and the outputs of its declared
needs. Only a chain's last step also sees the task's question, because it answers it.
"""

from __future__ import annotations

from symphony.core import limits
from symphony.core.ids import NodeId, unit_id
from symphony.core.messages import Order, Quote
from symphony.core.task_run import TaskRun, Unit


def order_for(run: TaskRun, unit: Unit, skills: tuple[str, ...]) -> Order:
    """The order for `unit` as things stand now; the same state gives the same bytes."""
    spec = run.spec
    seed = int.from_bytes(unit.id[:4], "big")
    if unit.role == "plan":
        return Order(
            role="plan",
            question=spec.prompt,
            skills=skills,
            final=False,
            complaint=unit.complaint[:600],
            max_tokens=spec.max_tokens,
            seed=seed,
        )
    assert unit.step is not None
    final = unit is run.chains[unit.chain].final
    planned = unit.step.question != spec.prompt
    return Order(
        role="solve",
        question=unit.step.question,
        quotes=tuple(_quote(run, unit, need) for need in unit.step.needs),
        goal=spec.prompt if final and planned else "",
        final=final,
        answer_type=spec.answer_type if final else "text",
        choices=spec.choices if final else (),
        answer_schema=spec.answer_schema if final else "",
        max_tokens=spec.max_tokens,
        seed=seed,
    )


def _quote(run: TaskRun, unit: Unit, need: str) -> Quote:
    source = run.units[unit_id(run.task, f"step/{unit.chain}/{need}")]
    assert source.step is not None
    assert source.award is not None
    text = source.output[: limits.MAX_INPUT_CHARS]  # more would not be read, nor fit a frame
    return Quote(need, source.step.question, NodeId(source.award.owner), text)
