"""How often each peer may ask for something: so much at once, so much in the long run.

The buckets by peer, for one kind of question. Whoever keeps them forgets a peer that is gone, so
there are never more than there are connections.
"""

from __future__ import annotations

from ledger.log import TokenBucket
from symphony.core.ids import NodeId
from symphony.core.outbox import Outbox


class Turns(dict[NodeId, TokenBucket]):
    """At most `burst` at once and `rate_per_s` in the long run, for each peer by itself."""

    def __init__(self, out: Outbox, rate_per_s: int, burst: int) -> None:
        super().__init__()
        self._out = out
        self._rate_per_s = rate_per_s
        self._burst = burst

    def take(self, peer: NodeId) -> bool:
        """Is it this peer's turn? Then it is used up."""
        bucket = self.setdefault(peer, TokenBucket(self._rate_per_s, self._burst))
        if not bucket.has_token(self._out.now_ms):
            return False
        bucket.spend(self._out.now_ms)
        return True
