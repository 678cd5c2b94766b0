"""Where a model server is: how its address and its key are read, and how it is named to others.

An address may hold a password (`http://me:word@host`), and a path or a query may hold a token. So
a server is named by scheme, host and port wherever it is named: in errors, logs, `symphony doctor`.
What can't be read is not repeated at all: half of it may be a secret.
"""

from __future__ import annotations

import httpx2

from symphony.errors import ConfigError

_PORTS = range(1, 65_536)
_NO_HOST = frozenset(" %\\")
"""What a host has when it was none: the client quotes blanks and the like instead of refusing."""


def read_address(url: str) -> httpx2.URL:
    """The root of a server, without its `/v1`. Raises `ConfigError`."""
    try:
        root = httpx2.URL(url.rstrip("/").removesuffix("/v1"))
    except (httpx2.InvalidURL, ValueError):
        raise _unreadable("is no address") from None  # its words may hold a part of a password
    if root.scheme not in ("http", "https"):
        raise _unreadable("is no HTTP address")
    if not root.host or _NO_HOST & set(root.host):
        raise _unreadable("names no host")
    if root.port is not None and root.port not in _PORTS:
        raise _unreadable("names no port")
    if root.query or root.fragment:
        raise _unreadable("goes on behind its path")
    return root


def shown_address(url: str | httpx2.URL) -> str:
    """A server by scheme, host and port; for whoever may read it. Never raises."""
    try:
        root = read_address(str(url))
    except ConfigError:
        return "an address that can't be read"
    return f"{root.scheme}://{root.netloc.decode('ascii')}"


def key_headers(api_key: str | None) -> dict[str, str]:
    """The header that carries a server's key. Raises `ConfigError` for a key that none can hold."""
    if not api_key:
        return {}
    if not all("!" <= char <= "~" for char in api_key):
        raise ConfigError(
            "the engine's key holds a blank or a letter that no HTTP header can carry",
            hint="copy the key again: it is ASCII without spaces",
        )
    return {"Authorization": f"Bearer {api_key}"}


def _unreadable(why: str) -> ConfigError:
    return ConfigError(f"the engine's url {why}", hint="write http://host:port")
