"""One ledger that all nodes of a large swarm begin with, and that none of them copies.

Ten thousand nodes with ten thousand logs each are 10^8 logs. In a swarm that has been up for a
while all nodes hold the same entries, so here they are held once: the roster, the directory and
the rows of the store are shared, and whoever changes one makes its own copy of that (or, in the
store, of that log). What a node can see is what it would see with a copy from the start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, overload

from ledger import Entry, Kind, MemoryStore, seal
from ledger.overlay import Overlay
from ledger.roster import Roster
from symphony.core import limits
from symphony.core.inputs import WallClock
from symphony.core.peers.directory import Directory
from symphony.core.records import CAPABILITY
from symphony.core.swarm import Swarm
from symphony.testing.disk import Disk

if TYPE_CHECKING:
    from ledger.memory import Log
    from symphony.testing.machine import Machine

AGE_MS = 3_600_000
"""How long ago the common ledger was written: capabilities live for a day."""


class CommonLedger:
    """What everybody knows from the start."""

    def __init__(self, swarm_id: bytes, machines: Iterable[Machine], wall_ms: int) -> None:
        self.store = MemoryStore(swarm_id)
        self.entries: list[Entry] = []
        for machine in machines:
            self.entries += _capabilities(swarm_id, machine, wall_ms - AGE_MS)
        self.store.append(self.entries)
        self.roster = Roster(self.store.heads())
        self.directory = Directory()
        for entry in self.entries:
            self.directory.add(entry)
        self._ids = frozenset(entry.id for entry in self.entries)

    def swarm(self, machine: Machine, chance: Random, now_ms: int, wall_ms: int) -> Swarm:
        """A core that was restored from this ledger."""
        world = machine.world
        swarm = Swarm(machine.signer, world.keys.verify, world.swarm_id, chance, self.roster)
        swarm.handle(now_ms, WallClock(wall_ms))
        swarm.directory.begin_as(self.directory)
        return swarm

    def news(self, directory: Directory) -> frozenset[bytes]:
        """In what a directory differs from the one that all began with: ids that only one of the
        two has.
        """
        mine = directory.changed()
        if mine is None:
            return frozenset(listing.id for listing in directory) ^ self._ids
        olds = (self.directory.get(listing.node, listing.capability.agent) for listing in mine)
        return frozenset(listing.id for listing in (*mine, *olds) if listing is not None)

    def disk(self, machine: Machine) -> Disk:
        """A disk that holds this ledger."""
        disk = Disk(machine.world.swarm_id, machine.id)
        disk.store = LayeredStore(machine.world.swarm_id, self.store)
        disk.mark = len(disk.store.ids(machine.id, 1, limits.MAX_AGENTS_PER_NODE))
        return disk


def _capabilities(swarm_id: bytes, machine: Machine, wall_ms: int) -> Iterator[Entry]:
    """The log of a node that did nothing yet but say what it hosts, to the byte as it would: else
    each of them would say it anew.
    """
    head = None
    box = machine.world.boxes.public(machine.box)
    for number, agent in enumerate(machine.agents()):
        capability = replace(agent, box=box, operator=machine.script.operator or None)
        hlc = (wall_ms << 16) + number
        entry = seal(
            machine.signer,
            swarm_id,
            head,
            kind=Kind.CAPABILITY,
            body=CAPABILITY.encode(capability),
            hlc=hlc,
            expires=hlc + (limits.CAPABILITY_LIFETIME_MS << 16),
        )
        head = entry.head
        yield entry


class _Logs(Overlay[bytes, "Log"]):
    """Logs of which those that change are copied first."""

    __slots__ = ()

    def setdefault(self, key: bytes, default: Log) -> Log:
        if key not in self.mine:
            common = self.get(key)
            self[key] = default if common is None else common.copy()
        return self.mine[key]


class _Rows(Sequence[tuple[bytes, int]]):
    """The rows of a store that goes on where another one ends."""

    __slots__ = ("_common", "_mine")

    def __init__(self, common: Sequence[tuple[bytes, int]]) -> None:
        self._common = common
        self._mine: list[tuple[bytes, int]] = []

    def append(self, row: tuple[bytes, int]) -> None:
        self._mine.append(row)

    def __len__(self) -> int:
        return len(self._common) + len(self._mine)

    @overload
    def __getitem__(self, at: int) -> tuple[bytes, int]: ...
    @overload
    def __getitem__(self, at: slice) -> list[tuple[bytes, int]]: ...
    def __getitem__(self, at: int | slice) -> tuple[bytes, int] | list[tuple[bytes, int]]:
        if isinstance(at, slice):
            return [*self._common, *self._mine][at]
        size = len(self._common)
        return self._common[at] if at < size else self._mine[at - size]


class LayeredStore(MemoryStore):
    """A store whose first rows are those of another one, which no longer changes."""

    def __init__(self, swarm_id: bytes, common: MemoryStore) -> None:
        super().__init__(swarm_id)
        self._rows = _Rows(common._rows)  # type: ignore[assignment]  # noqa: SLF001
        self._places = Overlay(common._places)  # type: ignore[assignment]  # noqa: SLF001
        self._logs = _Logs(common._logs)  # type: ignore[assignment]  # noqa: SLF001
