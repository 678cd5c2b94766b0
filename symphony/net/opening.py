"""Opening and closing a network, in order, inside one nursery.

Shutdown: sessions first (all at once, since libp2p closes each with fixed pauses), then gossip,
then the host, shielded, because libp2p otherwise leaves the sockets of live connections open and
the peers would not see us go.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
import trio
from libp2p.custom_types import TProtocol
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

from symphony.core.peers.admission import Membership
from symphony.errors import ConfigError
from symphony.net import hello, limits
from symphony.net.events import Channel, GossipSeen
from symphony.net.host import listen_addresses
from symphony.net.identity import from_peer_id_bytes
from symphony.net.network import Network
from symphony.net.ports import Ports
from symphony.net.settings import NetSettings
from symphony.net.streams import Stream

_log = structlog.get_logger("symphony.net")


@asynccontextmanager
async def open_network(
    settings: NetSettings,
    *,
    seed: bytes,
    membership: Membership,
    topics: tuple[str, ...],
    agent_version: str,
) -> AsyncIterator[Network]:
    """A running network: listening, dialling its bootstrap peers, subscribed to `topics`.

    `seed` is the node's 32-byte Ed25519 secret. Raises `ConfigError` when an address can't be
    bound or libp2p has another version, `UsageError` for a malformed bootstrap address. An error
    from the caller's block passes through as it is, after an orderly shutdown.
    """
    network = Network(settings, seed, membership, topics, agent_version)
    failure: Exception | None = None
    async with network.host.run(listen_addrs=[]):
        try:
            try:
                await _listen(network)
                async with (
                    background_trio_service(network.gossip),
                    background_trio_service(network.router),
                    trio.open_nursery() as nursery,
                ):
                    await network.gossip.wait_until_ready()
                    await _start(network, nursery)
                    try:
                        yield network
                    except Exception as error:  # noqa: BLE001  # raised below, not in a group
                        failure = error
                    network.closing = True
                    nursery.cancel_scope.cancel()
            except ConfigError as error:
                failure = error
        finally:
            with trio.CancelScope(deadline=trio.current_time() + limits.CLOSE_S, shield=True):
                await network.host.close()
    if failure is not None:
        raise failure


async def _listen(network: Network) -> None:
    """Bind before anything else, with errors that say which address."""
    ports = Ports(network.settings.ports)
    for text in network.settings.listen:
        again = ports.again(text)
        port = None if again is None else await _bound_port(network, again)
        if port is None:
            port = await _bound_port(network, text)
            if port is None:
                raise _cannot_listen(text)
            if again is not None:
                next_step = "make new invites: those of before name the other port"
                _log.warning("port_taken", wanted=again, got=port, next=next_step)
        ports.keep(text, port)
    network.addresses = listen_addresses(network.host, network.settings)


async def _bound_port(network: Network, address: str) -> int | None:
    """Listen there, and say on which port; None where that can't be."""
    swarm = network.host.get_network()
    try:
        where = Multiaddr(address)
        if not await swarm.listen(where):
            return None
    except Exception as error:
        raise _cannot_listen(address) from error
    bound, *_ = swarm.listeners[str(where)].get_addrs()
    return int(bound.value_for_protocol("tcp"))


def free_port(address: str) -> str:
    """The same address with port 0, which takes a free one."""
    return re.sub(r"/tcp/\d+", "/tcp/0", address)


def _cannot_listen(address: str) -> ConfigError:
    """Mostly another node has the port. libp2p keeps the system's reason to itself."""
    return ConfigError(
        f"can't listen on {address}: another node or program has the port, or no interface of "
        "this machine has the address",
        hint=f"take a free port: --listen {free_port(address)}",
    )


async def _start(network: Network, nursery: trio.Nursery) -> None:
    """Handlers first, so that the first stranger finds them; then the tasks."""
    network.nursery = nursery
    host = network.host

    async def on_hello(stream: Any) -> None:
        session = network.session_of(stream.swarm_conn)
        if session is None:
            await stream.reset()
        else:
            await session.hear(Stream(stream))

    host.set_stream_handler(TProtocol(hello.PROTOCOL), on_hello)
    for channel in Channel:
        host.set_stream_handler(TProtocol(channel), _channel_handler(network, channel))
    host.get_network().register_notifee(_Arrivals(network))
    for topic in network.topics:
        nursery.start_soon(_listen_to_gossip, network, await network.gossip.subscribe(topic))
    nursery.start_soon(network.reconnect.run)


def _channel_handler(network: Network, channel: Channel) -> Any:
    async def on_stream(stream: Any) -> None:
        session = network.session_of(stream.swarm_conn)
        if session is None:
            await stream.reset()
        else:
            await session.receive(channel, Stream(stream))

    return on_stream


async def _listen_to_gossip(network: Network, subscription: Any) -> None:
    """Gossip of one topic, except our own. While the event queue is full, this waits."""
    while True:
        message = await subscription.get()
        author = from_peer_id_bytes(message.from_id)
        if author is not None and author != network.node_id:
            await network.emit(GossipSeen(message.topicIDs[0], author, message.data))


class _Arrivals:
    """libp2p's announcement of connections. It waits for us, so we only take note."""

    def __init__(self, network: Network) -> None:
        self._network = network

    async def connected(self, _swarm: Any, connection: Any) -> None:
        self._network.session_of(connection)

    async def disconnected(self, _swarm: Any, _connection: Any) -> None: ...

    async def opened_stream(self, _swarm: Any, _stream: Any) -> None: ...

    async def closed_stream(self, _swarm: Any, _stream: Any) -> None: ...

    async def listen(self, _swarm: Any, _address: Any) -> None: ...

    async def listen_close(self, _swarm: Any, _address: Any) -> None: ...
