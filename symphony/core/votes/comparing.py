"""The judges of a running task: under the rule `ranked`, answers that differ are compared.

    all chains have ended, and answers differ ─► comparisons ─► weights ─► verdict

Judges are elected and paid like everybody else who works for a task. Nobody judges an answer that
its own node gave, nor the same pair twice; where nobody is left to judge, the vote stands as it is,
which is the plain majority. A comparison that fails is missed and nothing more.
"""

from __future__ import annotations

from symphony.core import limits
from symphony.core.beacon.calls import Calls
from symphony.core.owner.prompts import JUDGE_SKILL
from symphony.core.tasks.task_run import TaskRun
from symphony.core.tasks.unit import Unit
from symphony.core.votes.comparison import pair_in, pairs_to_compare, shown_to_judges, unit_name
from symphony.core.votes.judges import judges
from symphony.core.votes.settling import Settlement


def under_way(run: TaskRun, vote: Settlement, calls: Calls) -> bool:
    """Is there still a judge to wait for? The judges are called the first time it is asked."""
    if run.rule != "ranked" or run.outstanding:
        return False
    if not run.judging:
        run.judging = True
        units = _units(run, vote, calls)
        calls.call(run, units)
    return not run.ended and any(unit.state in ("calling", "working") for unit in judges(run))


def _units(run: TaskRun, vote: Settlement, calls: Calls) -> list[Unit]:
    """The comparisons to call for, as far as there are judges for them, each run by another one."""
    made: list[Unit] = []
    for shown in shown_to_judges(pairs_to_compare(vote.classes)):
        number = len(made)
        name = unit_name(number, shown)
        unit = Unit(run.task, name, limits.MAX_CHAINS + number, "judge", JUDGE_SKILL)
        able = calls.asking.able(run, unit)
        parties = {listing.capability.operator or listing.node for listing in able}
        same = sum(set(pair_in(other.name)) == set(shown) for other in made)
        if len(parties) > same:
            made.append(run.add_unit(unit))
    return made
