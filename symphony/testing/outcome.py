"""What comes of a simulated run: its report, and whoever looks on while it goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from symphony.core.effects import Effect
from symphony.core.inputs import Input


class Observer(Protocol):
    """Somebody who looks on."""

    def handled(
        self, now_ms: int, node: int, happened: Input, effects: Sequence[Effect], /
    ) -> None:
        """A node handled an input."""

    def noted(self, now_ms: int, text: str) -> None:
        """The world did something to its nodes."""


@dataclass(frozen=True, slots=True)
class Report:
    """One run: what was violated, which marks were hit, and what it measured."""

    seed: int
    violations: tuple[str, ...]
    marks: frozenset[str]
    counts: dict[str, int]
    award_ms: tuple[int, ...]
    events: int
    sim_ms: int
    digest: str
