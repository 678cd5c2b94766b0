"""What the owners of a receipt's steps were asked: their orders, made once more.

An owner's result commits to the order that it worked on. What a step is told follows from the
task's question and bounds, the plan of its chain, and the outputs that it needs (`owner.orders`),
and a receipt opens all of these. So a conductor can't show one question and ask another. What a
planner is told besides the question, the skills at hand and what was wrong with its first plan, is
not in a receipt; nor are the orders of those whose results did not count. Judges: `recount`.
"""

from __future__ import annotations

from symphony.core.beacon.election import chain_of
from symphony.core.ids import NodeId, UnitId, salted_digest
from symphony.core.messages import Quote, encode_order
from symphony.core.owner.orders import quote_of, step_order
from symphony.core.receipts.checked import Checked, refuse
from symphony.core.receipts.steps import plan_of
from symphony.core.records import TaskRecord
from symphony.core.spec import TaskSpec
from symphony.core.tasks.plan import Step


def as_ordered(checked: Checked, task: TaskRecord) -> None:
    """Raises `ReceiptInvalid` for a step whose result is for another order than the task's."""
    spec = TaskSpec(
        checked.prompt,
        answer_type=task.answer_type,
        choices=task.choices,
        answer_schema=checked.answer_schema,
        privacy=task.privacy,
        max_tokens=task.max_tokens,
    )
    for name, (result, _, award) in checked.texts.items():
        if not name.startswith("step/"):
            continue
        plan = plan_of(checked, chain_of(name))
        steps = {step.id: step for step in plan.steps}
        step = steps.get(name.rsplit("/", 1)[1])
        if step is None:
            refuse(f"{name} is no step of its chain's plan")
        needs = [steps[need] for need in step.needs]
        quotes = tuple(_quoted(checked, name, need) for need in needs)
        order = step_order(spec, UnitId(award.unit), step, quotes, final=step is plan.final)
        given = salted_digest("input", checked.salts[name], encode_order(order))
        if checked.results[result][1].input != given:
            refuse(f"the owner of {name} was asked something else")


def _quoted(checked: Checked, name: str, need: Step) -> Quote:
    found = checked.texts.get(f"step/{chain_of(name)}/{need.id}")
    if found is None:
        refuse(f"{name} has a result, but not the step {need.id} that it needs")
    _, text, award = found
    return quote_of(need, NodeId(award.owner), text)
