"""Who compares what in a running task, what they said, and who must not.

A judge's word on its own answer is worth nothing, and a second one on the same pair is not heard;
so neither is asked for (`barred`), nor is another node of the same operator. The rule `ranked`
would not count them either.
"""

from __future__ import annotations

from dataclasses import dataclass

from symphony.core.ids import EntryId, NodeId
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
        operator = run.listings[EntryId(unit.award.capability)].capability.operator
        found += comparisons_in(unit.name, unit.output, key, owner.hex(), operator or "")
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Barred:
    """Who must not do a comparison: these nodes, and whoever else is run by these."""

    nodes: frozenset[NodeId] = frozenset()
    operators: frozenset[str] = frozenset()

    def bars(self, node: NodeId, operator: str | None) -> bool:
        return node in self.nodes or operator in self.operators


def barred(run: TaskRun, unit: Unit) -> Barred:
    """Who must not do a comparison, whatever happens: those who gave one of the two answers, those
    who compare the same pair already, and all nodes of their operators. Other units bar nobody.
    """
    if unit.role != "judge":
        return Barred()
    pair = pair_in(unit.name)
    keys = {chain.cast.ballot.key for at in pair if (chain := run.chains[at]).cast is not None}
    finals = [
        chain.final
        for chain in run.chains
        if chain.final is not None and chain.cast is not None and chain.cast.ballot.key in keys
    ]
    others = [
        other
        for other in judges(run)
        if other is not unit
        and other.state in ("calling", "working", "done")
        and set(pair_in(other.name)) == set(pair)
    ]
    awards = [of.award for of in (*finals, *others) if of.award is not None]
    operators = (run.listings[EntryId(one.capability)].capability.operator for one in awards)
    return Barred(
        frozenset(NodeId(award.owner) for award in awards),
        frozenset(name for name in operators if name),
    )
