"""Between the core's messages and the network's bytes, in both directions.

Bytes become typed messages here, once; what can't be parsed never reaches the core. Over gossip
only what is meant for everybody is accepted. A peer that keeps breaking rules is parted with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeVar

import structlog
import trio

from ledger import DecodeError, Store
from symphony.core import messages
from symphony.core.effects import Expel, Meet, Publish, Reject, Send, SendRange, SendSealed
from symphony.core.ids import NodeId
from symphony.core.inputs import Heard, Input, PeerDown, PeerUp
from symphony.core.messages import Beacon, Entries, Fork, Heads, Reconcile, Want
from symphony.net import Channel, FrameSeen, GossipSeen, NetEvent, Network, Topics
from symphony.net import PeerDown as NetDown
from symphony.net import PeerUp as NetUp
from symphony.node import limits
from symphony.node.boxes import seal_box
from symphony.node.outgoing import Outgoing
from symphony.node.ranges import Ranges

_log = structlog.get_logger("symphony.air")

T = TypeVar("T")


class Owner(Protocol):
    """What the air needs of the loop."""

    async def feed(self, happened: Input) -> None: ...

    async def on_disk(self, work: Callable[[], T]) -> T: ...


class NetworkAir:
    """Messages over libp2p."""

    def __init__(
        self, network: Network, topics: Topics, store: Store, loop: Owner, nursery: trio.Nursery
    ) -> None:
        self._network = network
        self._topics = topics
        self._loop = loop
        self._rejects: Counter[bytes] = Counter()
        self._last: tuple[messages.Message, bytes] | None = None
        self._ranges = Ranges(network, store, loop, nursery)
        self._outgoing = Outgoing()

    # --- out ----------------------------------------------------------------------------------

    def send(self, effect: Send) -> None:
        bulk = isinstance(effect.message, Heads | Reconcile | Want | Entries)
        channel = Channel.SYNC if bulk else Channel.DIRECT
        data = self._encoded(effect.message)
        if not self._network.send(effect.peer, data, channel=channel):
            _log.debug("not_sent", peer=effect.peer.hex()[:8], type=effect.message.type)

    def send_sealed(self, effect: SendSealed) -> None:
        """Seal what only the peer is to read, and send it in its turn."""
        box = seal_box(effect.key, effect.data, effect.message.about)
        if box is not None:  # its key is no key: so it never gets anything
            self.send(Send(effect.peer, replace(effect.message, box=box)))

    def _encoded(self, message: messages.Message) -> bytes:
        """A beacon or a word of presence goes to several nodes: it is encoded once."""
        if self._last is None or self._last[0] is not message:
            self._last = (message, messages.encode(message))
        return self._last[1]

    def publish(self, effect: Publish) -> None:
        topic, data = getattr(self._topics, effect.topic), messages.encode(effect.message)
        if not self._outgoing.put(topic, data, urgent=isinstance(effect.message, Fork)):
            _log.warning("gossip_queue_full", topic=effect.topic)

    def send_range(self, effect: SendRange) -> None:
        if not self._ranges.send(effect):
            self.reject(Reject(effect.peer, "want: more ranges than anybody needs at once"))

    def reject(self, effect: Reject) -> None:
        _log.warning("rejected", peer=effect.peer.hex()[:8], reason=effect.reason)
        self._count_reject(effect.peer)

    def meet(self, effect: Meet) -> None:
        self._network.heard_of(effect.peer, effect.addresses, wanted=effect.wanted)

    def expel(self, effect: Expel) -> None:
        _log.info("invite_revoked", invite=effect.invite.hex())
        self._network.revoke(effect.invite)

    def _count_reject(self, peer: bytes) -> None:
        self._rejects[peer] += 1
        if self._rejects[peer] >= limits.REJECTS_BEFORE_BAN:
            del self._rejects[peer]
            _log.warning("banned", peer=peer.hex()[:8], seconds=limits.BAN_S)
            self._network.ban(peer, limits.BAN_S)

    async def run_gossip(self) -> None:
        """Publish what is queued, one message after the other, proofs of forks first."""
        while True:
            topic, data = await self._outgoing.take()
            await self._network.publish(topic, data)

    async def forget_rejects(self) -> None:
        """A minute of good behaviour is a clean slate."""
        while True:
            await trio.sleep(60)
            self._rejects.clear()

    # --- in -----------------------------------------------------------------------------------

    async def listen(self) -> None:
        """Turn network events into inputs, in order, until the network closes."""
        async for event in self._network.events:
            happened = self._parse(event)
            if happened is not None:
                await self._loop.feed(happened)

    def _parse(self, event: NetEvent) -> Input | None:
        match event:
            case NetUp(peer, _, rtt_ms, operator, observer):
                return PeerUp(NodeId(peer), rtt_ms, operator, observer)
            case NetDown(peer, reason):
                _log.info("peer_down", peer=peer.hex()[:8], reason=reason)
                self._rejects.pop(peer, None)
                return PeerDown(NodeId(peer))
            case FrameSeen(peer, _, data):
                return self._heard(peer, data, gossip=False)
            case GossipSeen(_, author, data):
                return self._heard(author, data, gossip=True)

    def _heard(self, peer: bytes, data: bytes, *, gossip: bool) -> Heard | None:
        try:
            message = messages.decode(data)
        except DecodeError as error:
            _log.warning("unreadable", peer=peer.hex()[:8], reason=str(error))
            self._count_reject(peer)
            return None
        if gossip and not isinstance(message, Entries | Beacon | Fork):
            _log.warning("not_for_gossip", peer=peer.hex()[:8], type=message.type)
            self._count_reject(peer)
            return None
        return Heard(NodeId(peer), message)
