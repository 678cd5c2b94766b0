"""The steps of a receipt's chains, by their plans, read again from what the planners said."""

from __future__ import annotations

from symphony.core.beacon.claims import LEAST_ALIKE
from symphony.core.beacon.election import chain_of
from symphony.core.beacon.match import cosine_ppm
from symphony.core.receipts.checked import Checked, refuse
from symphony.core.records import Award
from symphony.core.tasks.plan import BadPlan, Plan, Step, direct_plan, parse_plan


def steps_of(checked: Checked, chain: int) -> list[str]:
    """The names of a chain's steps, the last one last, all with an accepted result."""
    steps = {f"step/{chain}/{step.id}": step for step in plan_of(checked, chain).steps}
    if sorted(name for name in checked.texts if name.startswith(f"step/{chain}/")) != sorted(steps):
        refuse(f"chain {chain} voted without all steps of its plan")
    for name, step in steps.items():
        called_for(checked, checked.texts[name][2], step)
    return list(steps)


def called_for(checked: Checked, award: Award, step: Step) -> None:
    """Was a step called for as its plan says, or the task, if it is a direct one? Else whoever
    calls for each chain with another skill sets the weights that go by it.
    """
    needs = award.requirement
    if step.skill != needs.skill:
        whose = "the task" if _planned(checked, chain_of(award.name)) is None else "its plan"
        refuse(f"{award.name} was called for with another skill than {whose}'s")
    if needs.vector is not None and needs.encoder is not None:
        before = checked.vectors.setdefault((needs.skill, needs.encoder), needs.vector)
        if before != needs.vector and cosine_ppm(before, needs.vector) < LEAST_ALIKE:
            refuse(f"{award.name} was called for with another vector of the same skill")


def last_step(checked: Checked, chain: int) -> str:
    """The name of the step that answers, whether it has a result or not."""
    return f"step/{chain}/{plan_of(checked, chain).final.id}"


def plan_of(checked: Checked, chain: int) -> Plan:
    """A chain without a plan that can be used answers directly, in one step."""
    return _planned(checked, chain) or direct_plan(checked.prompt, checked.skill)


def _planned(checked: Checked, chain: int) -> Plan | None:
    if chain not in checked.plans:
        said = checked.texts.get(f"plan/{chain}")
        try:
            checked.plans[chain] = None if said is None else parse_plan(said[1])
        except BadPlan:
            checked.plans[chain] = None
    return checked.plans[chain]
