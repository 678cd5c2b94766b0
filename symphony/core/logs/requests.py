"""Which entries this node has asked whom for: what is on its way, and what may come for free.

Two questions are answered from one record. A range that a peer was asked for a moment ago is not
asked for again. And entries that come in answer to our own request don't count against their
author's rate: a log of a year must come faster than it was written. Whether they are such an
answer is for us to know, not for the sender to say: a flood that calls itself an answer is judged
like any gossip.

Every number that was asked for is expected until other requests have taken its place, however
long the answer takes. That is no gift to the sender: each number is appended once. Ranges that
touch count as one, so what takes their place are requests elsewhere in the log.
"""

from __future__ import annotations

from dataclasses import dataclass

from symphony.core import limits
from symphony.core.ids import NodeId

_Range = tuple[int, int]
"""First and last number."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What one peer was asked for of one log."""

    expected: tuple[_Range, ...] = ()
    """No two of them touch; the one that grew last is the last."""
    flights: tuple[tuple[int, int, int], ...] = ()
    """First and last number, and until when the answer is thought to be on its way."""

    def and_for(self, first: int, last: int, until_ms: int) -> _Asked:
        """One request more."""
        flights = (*self.flights, (first, last, until_ms))
        apart = []
        for start, end in self.expected:
            if end + 1 < first or last + 1 < start:
                apart.append((start, end))
            else:
                first, last = min(first, start), max(last, end)
        expected = (*apart, (first, last))
        most = limits.RANGES_REMEMBERED
        return _Asked(expected[-most:], flights[-most:])


class Requests:
    """The last few ranges asked for, by peer and author; bounded."""

    def __init__(self) -> None:
        self._asked: dict[tuple[NodeId, bytes], _Asked] = {}

    def __len__(self) -> int:
        """Pairs of peer and author."""
        return len(self._asked)

    def ask(
        self, peer: NodeId, author: bytes, first: int, last: int, now_ms: int
    ) -> tuple[int, int] | None:
        """The part of a range that is to be asked for now, which is noted; None if all of it is
        on its way.
        """
        known = self._asked.pop((peer, author), _Asked())
        flights = tuple(flight for flight in known.flights if now_ms < flight[2])
        known = _Asked(known.expected, flights)
        for start, end, _ in sorted(flights):  # from below, one may lead to the next
            first = end + 1 if start <= first <= end else first
        for start, end, _ in sorted(flights, key=lambda flight: -flight[1]):
            last = start - 1 if start <= last <= end else last
        wanted = (first, last) if first <= last else None
        if wanted is not None:
            known = known.and_for(first, last, now_ms + limits.WANT_PATIENCE_MS)
        self._asked[peer, author] = known
        while len(self._asked) > limits.MAX_ASKED:
            del self._asked[next(iter(self._asked))]
        return wanted

    def expects(self, peer: NodeId, author: bytes, seq: int) -> bool:
        """Was this peer asked for this entry?"""
        known = self._asked.get((peer, author))
        return known is not None and any(first <= seq <= last for first, last in known.expected)

    def forget(self, peer: NodeId) -> None:
        """The connection is gone, and with it whatever was on its way."""
        for key in [key for key in self._asked if key[0] == peer]:
            del self._asked[key]
