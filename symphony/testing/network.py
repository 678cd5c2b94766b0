"""The simulated network: links with delay, loss, repetition, reordering, and partitions.

A link is a pair of nodes. Messages of one direction stay in order unless the run reorders them.
What travels when a link breaks is lost; both sides learn of the break later, after a detection
time of their own. The network draws everything from the run's generator and keeps no clock: it
says when a message arrives, and the world delivers it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log
from random import Random


@dataclass(frozen=True, slots=True)
class Weather:
    """How the links of a run behave while faults are on. Rates are per message."""

    delay_ms: int = 5
    jitter_ms: int = 3
    loss: float = 0.0
    repeats: float = 0.0
    reorders: bool = False


@dataclass(slots=True)
class Network:
    """Who can reach whom, and how long it takes."""

    random: Random
    weather: Weather
    blocked: set[tuple[int, int]] = field(default_factory=set)
    broken: set[tuple[int, int]] = field(default_factory=set)
    calm: bool = False
    sent: int = 0
    lost: int = 0
    repeated: int = 0
    overtaken: int = 0
    _last: dict[tuple[int, int], int] = field(default_factory=dict)
    _distance: dict[tuple[int, int], int] = field(default_factory=dict)

    def arrivals(self, source: int, target: int, now_ms: int) -> list[int]:
        """When copies of a message sent now arrive: usually one, none if it is lost."""
        self.sent += 1
        if not self.open(source, target):
            self.lost += 1
            return []
        if not self.calm and self.random.random() < self.weather.loss:
            self.lost += 1
            return []
        times = [self._arrival(source, target, now_ms)]
        if not self.calm and self.random.random() < self.weather.repeats:
            self.repeated += 1
            times.append(self._arrival(source, target, now_ms))
        return times

    def _arrival(self, source: int, target: int, now_ms: int) -> int:
        link = (source, target)
        jitter_ms = -log(1.0 - self.random.random()) * self.weather.jitter_ms
        base_ms = self._distance.get(link)
        if base_ms is None:
            base_ms = self._far(source, target)
        at_ms = now_ms + base_ms + round(jitter_ms)
        last_ms = self._last.get(link, 0)
        if self.weather.reorders and not self.calm:
            self.overtaken += at_ms < last_ms
        else:
            at_ms = max(at_ms, last_ms)
        self._last[link] = max(at_ms, last_ms)
        return at_ms

    def _far(self, one: int, other: int) -> int:
        """How far two are from each other, drawn when they first speak: the same both ways."""
        far_ms = 1 + self.random.randrange(2 * self.weather.delay_ms)
        self._distance[one, other] = self._distance[other, one] = far_ms
        return far_ms

    def open(self, source: int, target: int) -> bool:
        """Does anything travel from `source` to `target`?"""
        return (source, target) not in self.blocked

    def linked(self, one: int, other: int) -> bool:
        """Does a connection of the two stand? It may stand although nothing travels."""
        return (one, other) not in self.broken

    def cut(self, left: set[int], right: set[int], *, both_ways: bool, noticed: bool) -> None:
        """Separate two groups; where it is noticed, their connections break."""
        for a in left:
            for b in right:
                self.blocked.add((a, b))
                if both_ways:
                    self.blocked.add((b, a))
                if noticed:
                    self.broken |= {(a, b), (b, a)}

    def heal(self) -> None:
        self.blocked.clear()
        self.broken.clear()
