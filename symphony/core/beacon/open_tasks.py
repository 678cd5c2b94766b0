"""Who works on what, in the tasks of this node that have no verdict yet.

A verdict names chains, and the owners of their ballots; it does not name those who made the plan
and the steps before. So until it comes, the awards of a task are remembered here, by unit and
epoch. A unit is taken to be the work of whom its last award names. A chain's last step is the one
whose first award came last, since it needs all others; that one is the work of who cast the ballot,
which tells an owner from its rival.

The task entry opens one, the verdict closes it. When there are too many, the one that was opened
first is forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from symphony.core import limits
from symphony.core.ids import NodeId
from symphony.core.records import AnswerType, Award

AgentKey = tuple[NodeId, str]


@dataclass(frozen=True, slots=True)
class Given:
    """One award as it is remembered until its task ends. `number` counts our awards."""

    award: Award
    number: int

    @property
    def agent(self) -> AgentKey:
        return NodeId(self.award.owner), self.award.agent


@dataclass(slots=True)
class OpenTask:
    """A task without a verdict: its units by name, each with its awards by epoch."""

    answer_type: AnswerType = "text"
    units: dict[str, dict[int, Given]] = field(default_factory=dict)

    def give(self, given: Given) -> Given | None:
        """One more award; the one of the same unit before it, if there was one."""
        epochs, epoch = self.units.setdefault(given.award.name, {}), given.award.epoch
        before = epochs.get(max((e for e in epochs if e < epoch), default=0))
        epochs[epoch] = given
        return before

    def final(self, chain: int) -> str | None:
        """The name of the chain's last step."""
        names = [name for name in self.units if name.startswith(f"step/{chain}/")]
        return max(
            names, key=lambda name: min(g.number for g in self.units[name].values()), default=None
        )

    def last_of(self, chain: int) -> Given | None:
        """The last award of the chain's last step."""
        return self._last(self.final(chain) or "")

    def team(self, chain: int, caster: bytes) -> Iterator[tuple[Given, bool]]:
        """Everybody who worked for a chain that voted, and whether theirs is the last step: there
        it is who cast the ballot.
        """
        final = self.final(chain)
        for name in (f"plan/{chain}", *(n for n in self.units if n.startswith(f"step/{chain}/"))):
            given = self._last(name)
            if name == final:
                epochs = self.units[name].values()
                given = next((g for g in epochs if g.agent[0] == caster), given)
            if given is not None:
                yield given, name == final

    def _last(self, name: str) -> Given | None:
        epochs = self.units.get(name)
        return epochs[max(epochs)] if epochs else None


class OpenTasks:
    """All of them, within bounds."""

    def __init__(self) -> None:
        self._tasks: OrderedDict[bytes, OpenTask] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tasks)

    def get(self, task: bytes) -> OpenTask:
        """The task; it is opened with the first that is known of it."""
        found = self._tasks.get(task)
        if found is None:
            found = self._tasks[task] = OpenTask()
            if len(self._tasks) > limits.MAX_OPEN_TASKS:
                self._tasks.popitem(last=False)
        return found

    def close(self, task: bytes) -> OpenTask | None:
        """The task has its verdict."""
        return self._tasks.pop(task, None)
