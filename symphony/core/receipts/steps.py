"""The steps of a receipt's chains, by their plans, read again from what the planners said."""

from __future__ import annotations

from symphony.core.owner.prompts import DIRECT_SKILL
from symphony.core.receipts.checked import Checked, refuse
from symphony.core.tasks.plan import BadPlan, Plan, direct_plan, parse_plan


def steps_of(checked: Checked, chain: int) -> list[str]:
    """The names of a chain's steps, the last one last, all with an accepted result."""
    plan = _planned(checked, chain)
    steps = {f"step/{chain}/{step.id}": step for step in plan_of(checked, chain).steps}
    if sorted(name for name in checked.texts if name.startswith(f"step/{chain}/")) != sorted(steps):
        refuse(f"chain {chain} voted without all steps of its plan")
    for name, step in steps.items() if plan is not None else ():
        if step.skill != checked.texts[name][2].requirement.skill:
            refuse(f"{name} was called for with another skill than its plan's")
    return list(steps)


def last_step(checked: Checked, chain: int) -> str:
    """The name of the step that answers, whether it has a result or not."""
    return f"step/{chain}/{plan_of(checked, chain).final.id}"


def plan_of(checked: Checked, chain: int) -> Plan:
    """A chain without a plan that can be used answers directly, in one step."""
    return _planned(checked, chain) or direct_plan(checked.prompt, DIRECT_SKILL)


def _planned(checked: Checked, chain: int) -> Plan | None:
    if chain not in checked.plans:
        said = checked.texts.get(f"plan/{chain}")
        try:
            checked.plans[chain] = None if said is None else parse_plan(said[1])
        except BadPlan:
            checked.plans[chain] = None
    return checked.plans[chain]
