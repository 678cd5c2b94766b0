"""The ports that this node took where it could choose: a JSON file that only its owner can read.

Peers and invites name a port. Where a node listens on port 0, which takes a free one, it asks for
the one of its last run first; or all who knew it would look for it in vain after a restart.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from symphony.errors import ConfigError
from symphony.net import home_file, limits

_VERSION = 1
_FREE = re.compile(r"/tcp/0(?=/|$)")


class Ports:
    """The last port for each address to listen on that leaves it open."""

    def __init__(self, path: Path | None) -> None:
        """Raises `ConfigError` if the file is there but is not what `save` writes."""
        self._path = path
        self._last: dict[str, int] = {}
        if path is not None and path.exists():
            self._last = _load(path)

    def again(self, address: str) -> str | None:
        """`address` with the port that it had last; None if it has a fixed one, or had none."""
        port = self._last.get(address)
        if port is None or not _FREE.search(address):
            return None
        return _FREE.sub(f"/tcp/{port}", address)

    def keep(self, address: str, port: int) -> None:
        """Write down that `address` got this port. Raises `ConfigError`."""
        if self._path is None or not _FREE.search(address) or self._last.get(address) == port:
            return
        self._last.pop(address, None)
        self._last[address] = port
        while len(self._last) > limits.KNOWN_PORTS:
            del self._last[next(iter(self._last))]
        value = {"version": _VERSION, "ports": self._last}
        home_file.replace(self._path, value, "the port can't be written down")


def _load(path: Path) -> dict[str, int]:
    broken = ConfigError(f"{path} holds no ports", hint="delete it and start again")
    if path.stat().st_size > limits.PORTS_BYTES:
        raise broken
    try:
        data = json.loads(path.read_text())
        last = {str(address): int(port) for address, port in data["ports"].items()}
        if data["version"] != _VERSION or not all(0 < port < 65536 for port in last.values()):
            raise broken
    except (ValueError, KeyError, TypeError, AttributeError):
        raise broken from None
    return last
