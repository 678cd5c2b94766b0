"""Which entries this node has asked whom for: what is on its way, and what may come for free.

Two questions are answered from one record. A range that a peer was asked for a moment ago is not
asked for again. And entries that come in answer to our own request don't count against their
author's rate: a log of a year must come faster than it was written. Whether they are such an
answer is for us to know, not for the sender to say: a flood that calls itself an answer is judged
like any gossip.

Every number that was asked for is expected until other requests have taken its place, however
long the answer takes. That is no gift to the sender: each number is appended once.
"""

from __future__ import annotations

from symphony.core import limits
from symphony.core.ids import NodeId

_Range = tuple[int, int, int]
"""First and last number, and until when the answer is thought to be on its way."""


class Requests:
    """The last few ranges asked for, by peer and author; bounded."""

    def __init__(self) -> None:
        self._ranges: dict[tuple[NodeId, bytes], tuple[_Range, ...]] = {}

    def __len__(self) -> int:
        """Pairs of peer and author."""
        return len(self._ranges)

    def ask(
        self, peer: NodeId, author: bytes, first: int, last: int, now_ms: int
    ) -> tuple[int, int] | None:
        """The part of a range that is to be asked for now, which is noted; None if all of it is
        on its way.
        """
        known = self._ranges.pop((peer, author), ())
        for start, end, until_ms in known:
            if now_ms < until_ms:
                first = end + 1 if start <= first <= end else first
                last = start - 1 if start <= last <= end else last
        wanted = (first, last) if first <= last else None
        if wanted is not None:
            known = (*known, (first, last, now_ms + limits.WANT_PATIENCE_MS))
        self._ranges[peer, author] = known[-limits.RANGES_REMEMBERED :]
        while len(self._ranges) > limits.MAX_ASKED:
            del self._ranges[next(iter(self._ranges))]
        return wanted

    def expects(self, peer: NodeId, author: bytes, seq: int) -> bool:
        """Was this peer asked for this entry?"""
        known = self._ranges.get((peer, author), ())
        return any(first <= seq <= last for first, last, _ in known)

    def forget(self, peer: NodeId) -> None:
        """The connection is gone, and with it whatever was on its way."""
        for key in [key for key in self._ranges if key[0] == peer]:
            del self._ranges[key]
