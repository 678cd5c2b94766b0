"""Gossip of own entries: soon, in batches, and never faster than others take it in.

A lone entry leaves after 50 ms, a stream of them every 2 s: a 16 KB message costs hardly more than
a 512 B one. Every book takes in so many entries of an author a second and calls a peer that says
more a rule-breaker (`ledger.limits`). A conductor that gets a hundred tasks at once writes faster
than that. So what is gossiped keeps to three quarters of that rate, for clocks that drift; a book
has room for all of it that is held up on the way for a minute. What waits is meanwhile handed over
with work and results, and fetched by whoever compares ledgers. If too much waits, the oldest is
left to those.
"""

from __future__ import annotations

from collections import deque

from ledger.log import TokenBucket
from symphony.core import limits
from symphony.core.effects import Publish
from symphony.core.messages import Entries
from symphony.core.outbox import Outbox
from symphony.core.timers import PublishDue


class Publishing:
    """The own entries that were not gossiped yet, oldest first."""

    def __init__(self, out: Outbox) -> None:
        self._out = out
        self._waiting: deque[bytes] = deque(maxlen=limits.MAX_UNPUBLISHED)
        self._published_ms = -limits.PUBLISH_EVERY_MS
        self._pace = TokenBucket(limits.PUBLISH_PER_S, limits.PUBLISH_BURST)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, raw: bytes) -> None:
        """A new entry in its wire form."""
        if not self._waiting:
            rest_ms = self._published_ms + limits.PUBLISH_EVERY_MS - self._out.now_ms
            self._out.timer(PublishDue(), max(limits.PUBLISH_AFTER_MS, rest_ms))
        self._waiting.append(raw)

    def due(self) -> None:
        """Gossip what has gathered, as much as may go now; the rest has its turn later."""
        now_ms = self._published_ms = self._out.now_ms
        batch: list[bytes] = []
        size_bytes = 0
        while self._waiting and self._pace.has_token(now_ms):
            self._pace.spend(now_ms)
            raw = self._waiting.popleft()
            if batch and size_bytes + len(raw) > limits.MAX_GOSSIP_BATCH_BYTES:
                self._out.do(Publish("entries", Entries(tuple(batch))))
                batch, size_bytes = [], 0
            batch.append(raw)
            size_bytes += len(raw)
        if batch:
            self._out.do(Publish("entries", Entries(tuple(batch))))
        if self._waiting:
            self._out.timer(PublishDue(), limits.PUBLISH_EVERY_MS)
