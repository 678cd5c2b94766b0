"""Finding the few who fit: agents that the ledger knows and this node is not connected to.

Every node has every capability record, so nobody needs to ask the swarm who can do what: gossip of
calls would tell nobody anything new, at a cost that grows with the swarm. What a node lacks
in a large swarm is the connection. It has some dozens, and a rare skill may be at none of
them. So when a unit is called for, the directory is looked at as a whole, at most once in half a
minute for each skill; and if agents out there would do better than the eighth of those that are
connected, or fewer than eight fit at all, the best of them are *sought* (`introducing`): a bounded
search that ends in a connection, or in nothing. The call itself does not wait. Who is found can bid
for what is called for next, or for this unit if nobody else did: then each further call seeks once
more.

Of equals those are sought that have the highest random weight for this conductor and skill (HRW,
Thaler and Ravishankar, 1998): conductors spread over them, and each comes back to its own.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence

from symphony.core import limits
from symphony.core.beacon.experience import Experience
from symphony.core.ids import NodeId
from symphony.core.outbox import Outbox
from symphony.core.peers.directory import Directory, Listing
from symphony.core.records import Requirement


class Seeking:
    """Looks for better agents than those at hand. `reach` seeks a connection to these nodes."""

    def __init__(
        self,
        out: Outbox,
        directory: Directory,
        experience: Experience,
        reach: Callable[[Sequence[NodeId], bool], None],
    ) -> None:
        self._out = out
        self._directory = directory
        self._experience = experience
        self._reach = reach
        self._looked: OrderedDict[tuple[str, str, str], tuple[int, tuple[NodeId, ...]]] = (
            OrderedDict()
        )
        """By role, skill and privacy class: when it was looked, and who was found."""

    def look(
        self,
        needs: Requirement,
        fitting: Sequence[tuple[int, Listing]],
        connected: Collection[NodeId],
    ) -> None:
        """`fitting` are the agents at hand with their φ, best first."""
        if self._directory.nodes <= len(connected):
            return  # everybody who has an agent is connected
        key = (needs.role, needs.skill, needs.privacy)
        looked_ms, found = self._looked.get(key, (None, ()))
        if looked_ms is None or self._out.now_ms - looked_ms >= limits.SEEK_EVERY_MS:
            found = tuple(self._better(needs, fitting, connected))
            self._looked[key] = (self._out.now_ms, found)
            self._looked.move_to_end(key)
            if len(self._looked) > limits.MAX_SKILLS_SOUGHT:
                self._looked.popitem(last=False)
        absent = [node for node in found if node not in connected]
        if absent:
            self._reach(absent, not fitting)

    def _better(
        self,
        needs: Requirement,
        fitting: Sequence[tuple[int, Listing]],
        connected: Collection[NodeId],
    ) -> list[NodeId]:
        """The nodes out there that are worth a connection, best first."""
        best: dict[NodeId, int] = {}
        for fit, listing in fitting:
            best.setdefault(listing.node, fit)
        at_hand = sorted(best.values(), reverse=True)[: limits.ASKED_BY_MATCH]
        enough = len(at_hand) == limits.ASKED_BY_MATCH
        least = at_hand[-1] + 1 if enough else max(at_hand, default=0) // 2
        worth: dict[NodeId, int] = {}
        for fit, listing in self._directory.beyond(needs, connected, self._out.wall_ms):
            agent = listing.capability.agent
            if fit < least or self._experience.state(listing.node, agent) == "excluded":
                continue
            worth[listing.node] = max(fit, worth.get(listing.node, 0))
        seed = b"symphony/seek/1\x00" + self._out.me + needs.skill.encode()

        def order(node: NodeId) -> tuple[int, bytes]:
            return worth[node], hashlib.sha256(seed + node).digest()

        return heapq.nlargest(limits.SOUGHT, worth, key=order)
