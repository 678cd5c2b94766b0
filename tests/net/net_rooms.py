"""Small builders for the network's tests: swarms, seeds, and open networks on loopback."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import trio

from ledger.keys import PrivateKey
from symphony.core.peers.admission import Membership, prove
from symphony.core.peers.genesis import Genesis
from symphony.core.peers.invite import Invite, make_invite
from symphony.net import NetEvent, NetSettings, PeerUp, open_network, topics
from symphony.net.network import Network

FOUNDER = PrivateKey.from_seed(b"f" * 32)
OPEN = Genesis("orchestra", "open", FOUNDER.public, b"g" * 16)
INVITE = Genesis("orchestra", "invite", FOUNDER.public, b"g" * 16)
TOPICS = topics(OPEN.swarm_id)
WAIT_S = 5.0
"""Bound of every wait in these tests; far more than any of them needs."""


def seed(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def key(name: str) -> bytes:
    return PrivateKey.from_seed(seed(name)).public


def network(
    name: str, membership: Membership | None = None, **settings: object
) -> AbstractAsyncContextManager[Network]:
    """An open network whose identity follows from `name`."""
    return open_network(
        NetSettings(**settings),
        seed=seed(name),
        membership=membership or Membership(OPEN),
        topics=TOPICS,
        agent_version=f"symphony/{name}",
    )


def invite(**fields: object) -> Invite:
    now_ms = time.time_ns() // 1_000_000
    given = {"secret": b"s" * 32, "issued_ms": now_ms, "expires_ms": now_ms + 3_600_000}
    return make_invite(INVITE, founder=FOUNDER, **(given | fields))


def member(name: str, made: Invite) -> Membership:
    return Membership(INVITE, prove(made, key(name)))


async def wait_for(net: Network, kind: type[NetEvent], **fields: object) -> NetEvent:
    """The next event of this kind whose fields have these values; others are dropped."""
    with trio.fail_after(WAIT_S):
        async for event in net.events:
            same = all(getattr(event, name, None) == value for name, value in fields.items())
            if isinstance(event, kind) and same:
                return event
    raise AssertionError("the events ended")


async def meet(dialer: Network, listener: Network) -> None:
    """Connect the two, and take both `PeerUp` events off their queues."""
    with trio.fail_after(WAIT_S):
        await dialer.dial(listener.addresses[0])
        await wait_for(dialer, PeerUp, peer=listener.node_id)
        await wait_for(listener, PeerUp, peer=dialer.node_id)


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that has no event of its own, with the usual bound."""
    with trio.fail_after(WAIT_S):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.005)
