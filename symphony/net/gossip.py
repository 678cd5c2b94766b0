"""GossipSub 1.1 for admitted peers only, with message ids that name the content.

A message id is the SHA-256 of topic, signer and data: the same bytes from the same author are
one message whatever their sequence number, and nobody can suppress another's message by sending
a copy under his own name. Stock libp2p takes such ids for what it has seen but advertises other
ones (signer and sequence number), so that every advertised message would be fetched again; the
cache below uses ours for both.

Not used, with the reason: version 1.2 (sends an IDONTWANT packet per message and peer), spam
protection (drops our own messages over 10/s), adaptive mode (turns a heartbeat of 1 s into one
of 60 s), peer exchange (ours happens in the hello, with admitted peers only).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable
from typing import Any, Protocol

from libp2p.pubsub.gossipsub import PROTOCOL_ID, PROTOCOL_ID_V11, GossipSub
from libp2p.pubsub.mcache import CacheEntry, MessageCache
from libp2p.pubsub.pubsub import Pubsub

from symphony.net import identity, limits
from symphony.net.settings import Timing

_WINDOW, _HISTORY = 3, 5  # heartbeats: how long a message is advertised, and kept


class Gate(Protocol):
    """Who may gossip. The network implements it; peer ids and connections are libp2p's."""

    def is_admitted(self, peer_id: Any) -> bool: ...

    def is_refused(self, peer_id: Any) -> bool: ...

    def wait_admitted(self, connection: Any) -> Awaitable[bool]: ...


def message_id(message: Any) -> bytes:
    """32 bytes that name a gossip message by topic, signer and data."""
    digest = hashlib.sha256()
    for part in (*(topic.encode() for topic in message.topicIDs), message.from_id):
        digest.update(len(part).to_bytes(2, "big") + part)
    digest.update(message.data)
    return digest.digest()


class ContentCache(MessageCache):  # type: ignore[misc]
    """The messages that are advertised to others, under their content's ids."""

    def put(self, msg: Any) -> None:
        name = message_id(msg)
        if name not in self.msgs:
            self.msgs[name] = msg
            self.history[0].append(CacheEntry(name, msg.topicIDs))


class Gossip(Pubsub):  # type: ignore[misc]
    """A Pubsub that neither hears nor tells anything before a peer is admitted."""

    def __init__(self, host: Any, router: GossipSub, gate: Gate, topics: tuple[str, ...]) -> None:
        self._gate = gate
        self._opening: set[Any] = set()
        super().__init__(
            host,
            router,
            strict_signing=True,
            seen_ttl=limits.SEEN_TTL_S,
            msg_id_constructor=message_id,
            max_inbound_rpc_size=limits.MAX_RPC_BYTES,
            max_subscriptions_per_rpc=len(topics),
            max_subscriptions_per_peer=len(topics),
            allowed_topics=frozenset(topics),
        )
        # The default counts seconds: a node that sends faster and restarts would repeat itself.
        self.counter = time.time_ns()
        for topic in topics:
            self.set_topic_validator(topic, _well_formed, is_async_validator=False)

    def is_peer_blacklisted(self, peer_id: Any) -> bool:
        return self._gate.is_refused(peer_id)

    async def stream_handler(self, stream: Any) -> None:
        """An inbound gossip stream waits, unread, until its peer is admitted."""
        if await self._gate.wait_admitted(stream.swarm_conn):
            await super().stream_handler(stream)
        else:
            await stream.reset()

    async def _handle_new_peer(self, peer_id: Any) -> None:
        """Open our stream to an admitted peer, once."""
        if peer_id in self._opening or not self._gate.is_admitted(peer_id):
            return
        self._opening.add(peer_id)
        try:
            await super()._handle_new_peer(peer_id)
        finally:
            self._opening.discard(peer_id)


def _well_formed(_forwarder: Any, message: Any) -> bool:
    """Within our sizes, on one topic, and signed by a node of ours."""
    return (
        len(message.data) <= limits.MAX_GOSSIP_BYTES
        and len(message.topicIDs) == 1
        and identity.from_peer_id_bytes(message.from_id) is not None
    )


def make_gossip(
    host: Any, gate: Gate, topics: tuple[str, ...], timing: Timing
) -> tuple[GossipSub, Gossip]:
    """The router and the service, not running yet."""
    router = GossipSub(
        protocols=[PROTOCOL_ID_V11, PROTOCOL_ID],
        degree=6,
        degree_low=4,
        degree_high=12,
        gossip_window=_WINDOW,
        gossip_history=_HISTORY,
        heartbeat_initial_delay=0.1,
        heartbeat_interval=timing.heartbeat_s,
        do_px=False,
        adaptive_gossip_enabled=False,
        spam_protection_enabled=False,
        eclipse_protection_enabled=False,
    )
    router.mcache = ContentCache(_WINDOW, _HISTORY)
    return router, Gossip(host, router, gate, topics)
