"""Who is here. Connected peers are alive; presence messages say how busy they are.

Presence is gossip that lives for 30 s and is never stored. It also says where a node can be
dialled: that is how two that joined at the same moment, and were told of nobody, find each
other. Only direct contact makes a peer a candidate for work: being mentioned by others is not
being reachable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from symphony.core import limits
from symphony.core.effects import Meet, Publish
from symphony.core.ids import NodeId
from symphony.core.messages import Presence
from symphony.core.outbox import Outbox
from symphony.core.suspicion import Suspicion
from symphony.core.timers import PresenceSoon

MAX_MENTIONED = 20_000  # nodes of which a presence message is remembered


class Load(Protocol):
    """How busy this node is."""

    @property
    def running(self) -> int: ...
    @property
    def queued(self) -> int: ...
    @property
    def slots(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """The last presence message of a node, and when it came (monotonic ms)."""

    presence: Presence
    at_ms: int


class Members:
    """The connected peers and what they last said about themselves."""

    def __init__(self, me: NodeId, out: Outbox) -> None:
        self._me = me
        self._out = out
        self._connected: set[NodeId] = {me}
        self._alive: frozenset[NodeId] | None = None
        self._seen: dict[NodeId, Seen] = {}
        self._announced_soon = False
        self._suspicion = Suspicion()
        self.addresses: tuple[str, ...] = ()

    def alive(self) -> frozenset[NodeId]:
        """The connected peers, and this node: the same object until that changes."""
        if self._alive is None:
            self._alive = frozenset(self._connected)
        return self._alive

    def suspects(self) -> frozenset[NodeId]:
        """The connected peers that seem dead."""
        return self._suspicion.suspects(self._out.now_ms)

    def heard(self, peer: NodeId) -> None:
        """A peer spoke, whatever it said."""
        if peer in self._connected and peer != self._me:
            self._suspicion.heard(peer, self._out.now_ms)

    def up(self, peer: NodeId) -> None:
        self._connected.add(peer)
        self._suspicion.heard(peer, self._out.now_ms)
        self._alive = None
        if not self._announced_soon:
            self._announced_soon = True
            self._out.timer(PresenceSoon(), limits.PRESENCE_SOON_MS)

    def down(self, peer: NodeId) -> None:
        self._connected -= {peer} - {self._me}
        self._alive = None
        self._suspicion.gone(peer)
        self._seen.pop(peer, None)

    def presence(self, peer: NodeId, presence: Presence) -> None:
        """Keep the newest life's word; a node speaks for itself only."""
        if presence.node != peer or peer == self._me:
            return
        old = self._seen.pop(peer, None)
        if old is not None and old.presence.incarnation > presence.incarnation:
            self._seen[peer] = old
            return
        self._seen[peer] = Seen(presence, self._out.now_ms)
        moved = old is None or old.presence.addresses != presence.addresses
        if moved and presence.addresses and peer not in self._connected:
            self._out.do(Meet(peer, presence.addresses))
        while len(self._seen) > MAX_MENTIONED:
            del self._seen[next(iter(self._seen))]

    def present(self) -> dict[NodeId, Presence]:
        """Everybody heard of within the lifetime of a presence message."""
        oldest_ms = self._out.now_ms - limits.PRESENCE_LIFETIME_MS
        return {node: seen.presence for node, seen in self._seen.items() if seen.at_ms >= oldest_ms}

    def announce(self, load: Load, incarnation: int) -> None:
        self._announced_soon = False
        busy = (load.running, load.queued, load.slots)
        word = Presence(self._me, incarnation, *busy, self.addresses)
        self._out.do(Publish("presence", word))
