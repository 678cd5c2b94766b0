"""Addresses and errors of a dial: text in, typed errors out."""

from __future__ import annotations

from typing import Any

from libp2p.exceptions import BaseLibp2pError
from libp2p.peer.peerinfo import PeerInfo, info_from_p2p_addr
from multiaddr import Multiaddr

from symphony.core.peers.admission import Hello
from symphony.errors import (
    AdmissionDenied,
    ConnectionError,  # noqa: A004
    ProtocolMismatch,
    UsageError,
)
from symphony.net import guards, hello, identity, limits

_ADDRESS_TTL_S = 120


def parse_address(address: str) -> tuple[bytes, PeerInfo]:
    """The peer's key, and libp2p's form. Raises `UsageError`."""
    wrong = UsageError(
        f"not the full address of a node: {address[: limits.MAX_ADDRESS_CHARS]!r}",
        hint="it looks like /ip4/192.0.2.7/tcp/4001/p2p/12D3Koo…",
    )
    if len(address) > limits.MAX_ADDRESS_CHARS:
        raise wrong
    try:
        info = info_from_p2p_addr(Multiaddr(address))
    except Exception:  # noqa: BLE001  # the parser raises a dozen kinds for bad text
        raise wrong from None
    peer = identity.from_peer_id_bytes(info.peer_id.to_bytes())
    if peer is None:
        raise wrong
    return peer, info


def peer_of(address: str) -> bytes | None:
    """The key in a full address, or None where the text is not one."""
    try:
        return parse_address(address)[0]
    except UsageError:
        return None


def belonging_to(peer: bytes, theirs: Hello) -> tuple[str, ...]:
    """The addresses in a peer's hello that are really addresses of this peer."""
    return tuple(address for address in theirs.addresses if peer_of(address) == peer)


async def connect(host: Any, info: PeerInfo, address: str) -> list[Any]:
    """Connections to the peer: those there are, or a new one. Raises `ConnectionError`."""
    network = host.get_network()
    guards.forget_failed_dial(host, info.peer_id)
    host.get_peerstore().clear_addrs(info.peer_id)
    host.get_peerstore().add_addrs(info.peer_id, info.addrs, _ADDRESS_TTL_S)
    try:
        connections: list[Any] = await network.dial_peer(info.peer_id)
    except (BaseLibp2pError, OSError) as error:
        if "handshake failed" in str(error.__cause__):
            raise ConnectionError(
                f"something else than this node answers at {address}",
                hint="if it is the right machine, its node has a new key: ask for its address",
            ) from error
        raise no_answer(address) from error
    return connections


def no_answer(address: str) -> ConnectionError:
    return ConnectionError(
        f"no node answers at {address}", hint="check that it runs and that the port is reachable"
    )


def refusal(address: str, refused: hello.Refused | None) -> ConnectionError | AdmissionDenied:
    """The error that a refusal is for the one who dialled."""
    if refused is None:
        return no_answer(address)
    match refused.reason:
        case "version" | "swarm":
            return ProtocolMismatch(f"{address}: {refused.text}")
        case hello.BROKEN | hello.BUSY | hello.MALFORMED | hello.DUPLICATE:
            return ConnectionError(f"{address}: {refused.text}", hint="try again later")
        case _:
            return AdmissionDenied(
                f"{address}: {refused.text}", hint="the swarm's founder can: symphony invite create"
            )
