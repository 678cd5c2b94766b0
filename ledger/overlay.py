"""A dictionary that begins as another one, without copying it.

In a large simulated swarm all nodes begin with one ledger; what each of them changes lies over
that, and costs as much as the changes do. The dictionary below must no longer change. Reading
costs one more look than a plain dictionary does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Overlay(MutableMapping[K, V]):
    """What was set here, over what is below and was not deleted here."""

    __slots__ = ("_added", "_below", "_gone", "mine")

    def __init__(self, below: Mapping[K, V]) -> None:
        self._below = below
        self._gone: set[K] = set()
        self._added = 0
        self.mine: dict[K, V] = {}
        """What was set here; only to be read."""

    def __getitem__(self, key: K) -> V:
        if key in self.mine:
            return self.mine[key]
        if key in self._gone:
            raise KeyError(key)
        return self._below[key]

    def __contains__(self, key: object) -> bool:
        return key in self.mine or (key in self._below and key not in self._gone)

    def __setitem__(self, key: K, value: V) -> None:
        if key not in self.mine and key not in self._below:
            self._added += 1
        self._gone.discard(key)
        self.mine[key] = value

    def __delitem__(self, key: K) -> None:
        if key not in self:
            raise KeyError(key)
        self.mine.pop(key, None)
        if key in self._below:
            self._gone.add(key)
        else:
            self._added -= 1

    def __len__(self) -> int:
        return len(self._below) + self._added - len(self._gone)

    def __iter__(self) -> Iterator[K]:
        """First what is below, then what was added here."""
        yield from (key for key in self._below if key not in self._gone)
        yield from (key for key in self.mine if key not in self._below)
