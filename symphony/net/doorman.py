"""Who may even knock: caps on inbound connections, and bans. Pure; the caller brings the time.

Connectivity is not membership. Before a handshake is paid for, a connection is refused when its
address already has too many. (Strangers that wait for admission are counted by the network.)
"""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address

from symphony.net import limits


class Doorman:
    """Counts inbound connections per address, and remembers bans."""

    def __init__(self, *, per_address: int = limits.CONNECTIONS_PER_ADDRESS) -> None:
        self._per_address = per_address
        self._inbound: Counter[str] = Counter()
        self._bans: dict[bytes, float] = {}

    def enter(self, address: str) -> bool:
        """May a connection from `address` come in? If so it counts until `leave`."""
        if not _is_loopback(address) and self._inbound[address] >= self._per_address:
            return False
        self._inbound[address] += 1
        return True

    def leave(self, address: str) -> None:
        self._inbound[address] -= 1
        if self._inbound[address] <= 0:
            del self._inbound[address]

    def ban(self, peer: bytes, until_s: float) -> None:
        """Refuse `peer` until `until_s` on the caller's clock."""
        if peer not in self._bans and len(self._bans) >= limits.MAX_BANS:
            del self._bans[min(self._bans, key=lambda known: self._bans[known])]
        self._bans[peer] = until_s

    def is_banned(self, peer: bytes, now_s: float) -> bool:
        until_s = self._bans.get(peer)
        if until_s is None:
            return False
        if now_s >= until_s:
            del self._bans[peer]
            return False
        return True


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
