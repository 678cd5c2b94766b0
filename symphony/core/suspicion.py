"""Who seems dead although the connection to it stands: a paused process, a vanished host.

A connection breaks late or never, so contact itself is watched: every node tells its peers
that it is here about every five seconds, and anything else that it says counts as well. A peer that
was not heard for four such periods is *suspected*: it is not asked for bids as long as others can
do the work, so an idle dead node is never ranked first. Only hearing from it clears it; what others
say of it means nothing. Suspicion costs no message and excludes nobody: the last who can work is
asked.

A node doubts itself first. If most of its peers fell silent at once, it is more likely that this
node was paused or cut off than that all of them were: then it suspects nobody.

After Lifeguard (Dadgar et al., 2018), which taught memberlist to suspect its own health.
"""

from __future__ import annotations

from symphony.core import limits
from symphony.core.ids import NodeId


class Suspicion:
    """When each connected peer was last heard, in monotonic ms."""

    def __init__(self) -> None:
        self._heard_ms: dict[NodeId, int] = {}
        self._looked_ms = 0
        self._suspects: frozenset[NodeId] = frozenset()

    def heard(self, peer: NodeId, now_ms: int) -> None:
        """A connected peer spoke, or was just connected."""
        self._heard_ms[peer] = now_ms
        if peer in self._suspects:
            self._suspects -= {peer}

    def gone(self, peer: NodeId) -> None:
        """The connection broke: there is nothing left to suspect."""
        self._heard_ms.pop(peer, None)
        self._suspects -= {peer}

    def suspects(self, now_ms: int) -> frozenset[NodeId]:
        """Who seems dead. Looked up at most once a second: it costs a walk over all peers."""
        if now_ms - self._looked_ms >= limits.SUSPECT_EVERY_MS:
            self._looked_ms = now_ms
            oldest_ms = now_ms - limits.SUSPECT_AFTER_MS
            silent = [peer for peer, heard_ms in self._heard_ms.items() if heard_ms < oldest_ms]
            doubt = 2 * len(silent) > len(self._heard_ms)
            self._suspects = frozenset() if doubt else frozenset(silent)
        return self._suspects
