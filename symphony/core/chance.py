"""Randomness as a thing that is handed in: the operating system's for a node, a seed's for the
simulator. The core draws task-internal salts, beacon ids and explorations from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Chance(Protocol):
    """The part of `random.Random` that the core uses."""

    def randbytes(self, n: int, /) -> bytes: ...

    def random(self) -> float: ...

    def sample(self, population: Sequence[T], k: int) -> list[T]: ...


def jittered(chance: Chance, period_ms: int) -> int:
    """`period_ms` ± 20 %, so that the nodes of a swarm don't fall into step."""
    return round(period_ms * (0.8 + 0.4 * chance.random()))
