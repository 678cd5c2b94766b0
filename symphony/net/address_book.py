"""Where peers were found before: a JSON file that only its owner can read.

libp2p forgets an address after two minutes. This book keeps a few per peer, those that worked
most recently first, so that a node finds its swarm again when its bootstrap nodes are gone.
Addresses are hints and never trusted: the handshake proves who answers there.

A peer that is started again may come back elsewhere, often several times. So what it says of itself
is kept before what is older, but for the address that worked last; and what others say of it has
the last place only, or they could make us forget where it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from symphony.errors import ConfigError
from symphony.net import home_file, limits

_VERSION = 1


@dataclass(slots=True)
class _Known:
    addresses: list[str]
    good_ms: int = 0


class AddressBook:
    """Peers and their addresses, in memory and, where a path is given, on disk."""

    def __init__(self, path: Path | None = None) -> None:
        """Raises `ConfigError` if the file is there but is not an address book."""
        self._path = path
        self._known: dict[bytes, _Known] = {}
        self.changed = False
        if path is not None and path.exists():
            self._load(path)

    def addresses(self) -> dict[bytes, tuple[str, ...]]:
        """All known addresses; peers that were good most recently come first."""
        order = sorted(self._known.items(), key=lambda item: -item[1].good_ms)
        return {peer: tuple(known.addresses) for peer, known in order}

    def said(self, peer: bytes, addresses: Iterable[str]) -> None:
        """`peer` said of itself that it can be dialled there."""
        known = self._known.setdefault(peer, _Known([]))
        own = [address for address in addresses if len(address) <= limits.MAX_ADDRESS_CHARS]
        best = known.addresses[:1] if known.good_ms else []
        merged = list(dict.fromkeys([*best, *own, *known.addresses]))[: limits.KNOWN_ADDRESSES]
        self.changed |= merged != known.addresses
        known.addresses = merged
        self._make_room()

    def heard(self, peer: bytes, address: str) -> None:
        """Somebody else said that `peer` can be dialled there."""
        known = self._known.setdefault(peer, _Known([]))
        if address not in known.addresses and len(address) <= limits.MAX_ADDRESS_CHARS:
            known.addresses[limits.KNOWN_ADDRESSES - 1 :] = [address]
            self.changed = True
        self._make_room()

    def good(self, peer: bytes, address: str, now_ms: int) -> None:
        """`peer` answered there."""
        known = self._known.setdefault(peer, _Known([]))
        if address in known.addresses:
            known.addresses.remove(address)
        known.addresses.insert(0, address)
        del known.addresses[limits.KNOWN_ADDRESSES :]
        known.good_ms = now_ms
        self.changed = True
        self._make_room()

    def save(self) -> None:
        """Write the file, whole or not at all, mode 0600. Raises `ConfigError`."""
        self.changed = False
        if self._path is None:
            return
        peers = {
            peer.hex(): {"addresses": known.addresses, "good_ms": known.good_ms}
            for peer, known in self._known.items()
        }
        value = {"version": _VERSION, "peers": dict(sorted(peers.items()))}
        home_file.replace(self._path, value, "the address book can't be written")

    def _make_room(self) -> None:
        while len(self._known) > limits.KNOWN_PEERS:
            del self._known[min(self._known, key=lambda peer: self._known[peer].good_ms)]

    def _load(self, path: Path) -> None:
        broken = ConfigError(f"{path} is not an address book", hint="delete it and start again")
        if path.stat().st_size > limits.BOOK_BYTES:
            raise broken
        try:
            data = json.loads(path.read_text())
            if data["version"] != _VERSION:
                raise broken
            for peer, known in data["peers"].items():
                addresses = [str(address) for address in known["addresses"]]
                self._known[bytes.fromhex(peer)] = _Known(addresses, int(known["good_ms"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise broken from None
        self._make_room()
