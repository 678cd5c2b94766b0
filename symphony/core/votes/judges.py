"""Who compares what in a running task, what they said, and who must not.

A judge's word on its own answer is worth nothing, and a second one on the same pair is not heard;
so neither is asked for (`barred`). The rule `ranked` would not count them either.
"""

from __future__ import annotations

from symphony.core.ids import NodeId
from symphony.core.tasks.task_run import TaskRun
from symphony.core.tasks.unit import Unit
from symphony.core.votes.comparison import comparisons_in, pair_in
from symphony.core.votes.grounds import agent_key
from symphony.core.weighing import Comparison


def judges(run: TaskRun) -> list[Unit]:
    """The comparisons of a task, done or not."""
    return [unit for unit in run.units.values() if unit.role == "judge"]


def comparisons(run: TaskRun) -> tuple[Comparison, ...]:
    """What the judges said so far, in the order of the units' names."""
    done = sorted((u for u in judges(run) if u.state == "done"), key=lambda unit: unit.name)
    found: list[Comparison] = []
    for unit in done:
        assert unit.award is not None
        owner = NodeId(unit.award.owner)
        key = agent_key(owner, unit.award.agent)
        found += comparisons_in(unit.name, unit.output, key, owner.hex())
    return tuple(found)


def barred(run: TaskRun, unit: Unit) -> frozenset[NodeId]:
    """Who must not do a comparison, whatever happens: those who gave one of the two answers, and
    those who compare the same pair already.
    """
    pair = pair_in(unit.name)
    keys = {chain.cast.ballot.key for at in pair if (chain := run.chains[at]).cast is not None}
    voters = {
        chain.voter[0]
        for chain in run.chains
        if chain.voter is not None and chain.cast is not None and chain.cast.ballot.key in keys
    }
    others = {
        NodeId(other.award.owner)
        for other in judges(run)
        if other is not unit
        and other.award is not None
        and other.state in ("calling", "working", "done")
        and set(pair_in(other.name)) == set(pair)
    }
    return frozenset(voters | others)
