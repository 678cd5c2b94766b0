"""What a node may choose about its network, and the three named sets of timings.

The defaults are for one machine: nothing listens beyond loopback until somebody asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from symphony.net import limits


class Preset(StrEnum):
    """Where the peers are. It sets how long silence means absence, and nothing else."""

    LOCAL = "local"
    LAN = "lan"
    WAN = "wan"


@dataclass(frozen=True, slots=True)
class Timing:
    """Waits that depend on how far away the peers are."""

    ping_every_s: float
    ping_timeout_s: float
    dial_s: float
    heartbeat_s: float


TIMINGS = {
    # A frozen peer is noticed after 3.5 s at most. Not sooner: a node that loads a model may
    # keep its event loop waiting for a second or two, and is not dead.
    Preset.LOCAL: Timing(ping_every_s=1.0, ping_timeout_s=2.5, dial_s=5.0, heartbeat_s=1.0),
    Preset.LAN: Timing(ping_every_s=1.0, ping_timeout_s=2.5, dial_s=5.0, heartbeat_s=1.0),
    # Mobile links stall for seconds without being gone; memberlist's WAN preset waits 3 times
    # longer than its LAN one as well.
    Preset.WAN: Timing(ping_every_s=5.0, ping_timeout_s=8.0, dial_s=12.0, heartbeat_s=1.0),
}


@dataclass(frozen=True, slots=True)
class NetSettings:
    """The network's settings.

    `listen`: multiaddrs to bind; port 0 takes a free one. `bootstrap`: full multiaddrs
    (`…/p2p/…`) that are dialled for ever. `announce`: addresses to tell others in place of the
    bound ones (a port that was forwarded). `address_book`: a file that remembers peers, or None;
    `ports`: one that remembers what port 0 took.
    """

    listen: tuple[str, ...] = ("/ip4/127.0.0.1/tcp/0",)
    bootstrap: tuple[str, ...] = ()
    announce: tuple[str, ...] = ()
    max_peers: int = limits.MAX_PEERS
    target_peers: int = limits.TARGET_PEERS
    address_book: Path | None = None
    ports: Path | None = None
    preset: Preset = Preset.LOCAL

    @property
    def timing(self) -> Timing:
        return TIMINGS[self.preset]
