"""The units of a task: which names there are, and how they go with the way that it is planned."""

from __future__ import annotations

import re

from symphony.core import limits
from symphony.core.beacon.election import chain_of
from symphony.core.receipts.checked import Checked, refuse
from symphony.core.records import Award, Role, TaskRecord

_UNIT = re.compile(r"(plan|step)/(0|[1-9][0-9]?)(/[^\W_]{1,16})?")
_COMPARISON = re.compile(r"judge/([0-9])/(0|[1-9][0-9]?)-(0|[1-9][0-9]?)")


def role_of(name: str, chains: int) -> Role | None:
    """The role that a unit of this name needs; None if no task of so many chains has it."""
    compared = _COMPARISON.fullmatch(name)
    if compared is not None:
        number, *pair = (int(part) for part in compared.groups())
        fits = number < limits.MAX_COMPARISONS and max(pair) < chains and pair[0] != pair[1]
        return "judge" if fits else None
    found = _UNIT.fullmatch(name)
    if found is None or int(found[2]) >= chains or (found[1] == "step") != bool(found[3]):
        return None
    return "plan" if found[1] == "plan" else "solve"


def of_task(award: Award, task: TaskRecord) -> None:
    """Is it a unit of this task, asked for as the task says?"""
    role = role_of(award.name, task.chains)
    if role is None:
        refuse(f"{award.name[:40]!r} is no unit of the task")
    if award.requirement.role != role or award.requirement.privacy != task.privacy:
        refuse(f"{award.name} was called for with another role or privacy class")


def as_planned(checked: Checked, task: TaskRecord) -> None:
    """Were planners asked as the task says: never, or always before the steps of a chain?"""
    chains: dict[Role, set[int]] = {"plan": set(), "solve": set(), "judge": set()}
    for award in checked.awards.values():
        chains[award.requirement.role].add(chain_of(award.name))
    if task.planning == "never" and chains["plan"]:
        refuse("a planner was asked, and the task says never")
    if task.planning == "always" and chains["solve"] - chains["plan"]:
        refuse("a chain has steps without a planner, and the task says always")
