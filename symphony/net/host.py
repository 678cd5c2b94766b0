"""One libp2p host, set up the way Symphony needs it: TCP, Noise and Yamux, and nothing else.

No QUIC listener (pure-Python QUIC is ten times slower, and dialers prefer it), no mDNS (it
multicasts on every interface), no plaintext (a peer id proves nothing there), no automatic
connector (our own address book decides whom to dial).
"""

from __future__ import annotations

import logging
import os
import socket
from ipaddress import ip_address
from typing import Any

import libp2p
import psutil  # type: ignore[import-untyped]  # no stubs are needed for one call
from libp2p.crypto.ed25519 import Ed25519PrivateKey
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.x25519 import create_new_key_pair as new_x25519_key_pair
from libp2p.network.config import ConnectionConfig
from libp2p.network.swarm import RetryConfig
from libp2p.rcmgr import ResourceManager
from libp2p.rcmgr.manager import ResourceLimits
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX
from libp2p.stream_muxer.yamux.yamux import Yamux
from multiaddr import Multiaddr

from symphony.errors import ConfigError
from symphony.net import guards, limits, tuning
from symphony.net.doorman import Doorman
from symphony.net.settings import NetSettings

REQUIRED_LIBP2P = "0.8.1"


def require_libp2p(version: str = libp2p.__version__) -> None:
    """Raises `ConfigError` unless libp2p is the very version that the guards were made for."""
    if version != REQUIRED_LIBP2P:
        raise ConfigError(
            f"libp2p {version} is installed, Symphony needs exactly {REQUIRED_LIBP2P}",
            hint=f"pip install 'libp2p=={REQUIRED_LIBP2P}'",
        )


def make_host(settings: NetSettings, seed: bytes, doorman: Doorman) -> Any:
    """A guarded host with the identity of the 32-byte Ed25519 `seed`. It is not running yet."""
    require_libp2p()
    _quieten()
    guards.install()
    tuning.install()
    private = Ed25519PrivateKey.from_bytes(seed)
    keys = KeyPair(private, private.get_public_key())
    host = libp2p.new_host(
        key_pair=keys,
        sec_opt={NOISE: NoiseTransport(keys, noise_privkey=new_x25519_key_pair().private_key)},
        muxer_opt={YAMUX: Yamux},
        connection_config=_connection_config(settings),
        resource_manager=_no_resource_manager(),
        disable_identify_address_discovery=True,
    )
    network = host.get_network()
    network.retry_config = RetryConfig(max_retries=0)  # the address book tries again
    guards.guard_host(host, doorman, settings.timing)
    return host


def _quieten() -> None:
    """libp2p logs as an error whatever a stranger or a closing peer provokes; the sessions and
    the guards report what matters. libp2p's own switch, LIBP2P_DEBUG, is respected.
    """
    if not os.environ.get("LIBP2P_DEBUG"):
        logging.getLogger("libp2p").setLevel(logging.CRITICAL)


def _connection_config(settings: NetSettings) -> ConnectionConfig:
    """Room for all peers and all strangers; nothing is dialled or pruned behind our back."""
    room = settings.max_peers + limits.QUARANTINE_CONNECTIONS
    return ConnectionConfig(
        min_connections=0,
        low_watermark=0,
        max_connections=room,
        high_watermark=room,
        # With the default of 3, a dial sleeps out 250 ms after it succeeded. Two connections
        # from simultaneous dials still occur; the session rule keeps one of them.
        max_connections_per_peer=1,
        inbound_upgrade_timeout=limits.UPGRADE_S,
        outbound_upgrade_timeout=limits.UPGRADE_S,
        inbound_stream_protocol_negotiation_timeout=limits.STREAM_OPEN_S,
        outbound_stream_protocol_negotiation_timeout=limits.STREAM_OPEN_S,
    )


def _no_resource_manager() -> ResourceManager:
    """Without one libp2p makes its own, whose rate limits drop honest peers. Ours is the
    doorman, the quarantine and the limit of streams per connection.
    """
    return ResourceManager(
        limits=ResourceLimits(
            max_connections=1_000_000, max_memory_mb=1_000_000, max_streams=1_000_000
        ),
        enable_rate_limiting=False,
        enable_circuit_breaker=False,
        enable_graceful_degradation=False,
        enable_connection_tracking=False,
    )


def listen_addresses(host: Any, settings: NetSettings) -> tuple[str, ...]:
    """The full multiaddrs at which this running host can be dialled."""
    suffix = f"/p2p/{host.get_id()}"
    if settings.announce:
        return tuple(
            address if "/p2p/" in address else address + suffix for address in settings.announce
        )
    found: list[str] = []
    for bound in host.get_transport_addrs():
        found += [f"{address}{suffix}" for address in _concrete(bound)]
    return tuple(found[: limits.MAX_ADDRESSES_PER_PEER])


def _concrete(bound: Multiaddr) -> list[str]:
    """A wildcard address as those of the interfaces; any other as it is. Loopback comes last: often
    only the first address is told to others, and on another machine that one is nobody's.
    """
    text = str(bound)
    for wildcard, family in (
        ("/ip4/0.0.0.0/", socket.AF_INET),
        ("/ip6/::/", socket.AF_INET6),
    ):
        if text.startswith(wildcard):
            start = wildcard.split("/")[1]
            rest = text[len(wildcard) :]
            found = [
                interface.address
                for addresses in psutil.net_if_addrs().values()
                for interface in addresses
                if interface.family == family and "%" not in interface.address
            ]
            found.sort(key=lambda address: ip_address(address).is_loopback)
            return [f"/{start}/{address}/{rest}" for address in found]
    return [text]
