"""What waits to be gossiped: proofs of forks first, then everything else in its order.

Gossip goes out one message after the other, and a batch of entries may take a while. A proof
that an author signed two histories stops others from electing that author, so it waits for
nothing but the message that is being sent. Both queues are bounded; gossip may lose what does
not fit, because entries are synced and a proof is an entry of our own log as well.
"""

from __future__ import annotations

from collections import deque

import trio

from symphony.node import limits


class Outgoing:
    """A bounded queue of (topic, message) with an urgent lane; one task takes them out."""

    def __init__(self) -> None:
        self._urgent: deque[tuple[str, bytes]] = deque()
        self._other: deque[tuple[str, bytes]] = deque()
        self._wake = trio.Event()

    def put(self, topic: str, data: bytes, *, urgent: bool) -> bool:
        """Queue a message; False when its lane is full."""
        lane, most = self._other, limits.OUTGOING_GOSSIP
        if urgent:
            lane, most = self._urgent, limits.OUTGOING_URGENT
        if len(lane) >= most:
            return False
        lane.append((topic, data))
        self._wake.set()
        return True

    async def take(self) -> tuple[str, bytes]:
        """The next message; waits for one."""
        while not self._urgent and not self._other:
            self._wake = trio.Event()
            await self._wake.wait()
        return (self._urgent or self._other).popleft()
