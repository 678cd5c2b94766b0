"""Who may talk to the gateway: a page in a browser may not, and nobody may without the key.

Listening on 127.0.0.1 does not keep web pages out: a page can make its own name resolve to
127.0.0.1 (DNS rebinding) and then read our answers as its own. Such a request carries the
page's name in `Host`. So the host must be an address or a name that the operator listed; an IP
address can't be rebound. There are no CORS headers, ever.

The key is compared in constant time, and comes before the path: an unknown path tells nothing
without it. `/healthz` alone is open, for supervisors.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from dataclasses import dataclass, field
from functools import lru_cache

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from symphony.errors import AuthError, SymphonyError
from symphony.gateway import limits
from symphony.gateway.faults import Refused, respond

OPEN_PATHS = frozenset({"/healthz"})


def new_api_key() -> str:
    """A fresh key of 256 random bits."""
    return "sym-" + secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class Access:
    """What a request must carry. `host` is the address that the gateway listens on."""

    api_key: str = field(repr=False)
    host: str = "127.0.0.1"
    allowed_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert len(self.api_key) >= 16, "a gateway without a real key is a bug of its caller"

    def knows_host(self, header: str) -> bool:
        """Whether a `Host` header names this machine as the operator meant it."""
        if not header or len(header) > limits.MAX_HOST_CHARS:
            return False
        name = _host_name(header)
        if name in self.allowed_hosts:
            return True
        if name == "localhost":
            return True
        return is_loopback(name) or (_is_address(name) and not is_loopback(self.host))

    def knows_key(self, header: str) -> bool:
        """Whether an `Authorization` header carries the key."""
        scheme, _, given = header.partition(" ")
        if scheme.lower() != "bearer" or len(given) > limits.MAX_KEY_CHARS:
            return False
        return hmac.compare_digest(given.strip().encode(), self.api_key.encode())


@lru_cache(limits.KNOWN_HOSTS)
def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache(limits.KNOWN_HOSTS)
def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _host_name(header: str) -> str:
    """The name of a `Host` header without its port, lower-case; `[::1]:80` gives `::1`."""
    lower = header.strip().lower()
    if lower.startswith("["):
        return lower[1:].partition("]")[0]
    return lower.rpartition(":")[0] if lower.count(":") == 1 else lower


class Guard:
    """ASGI middleware: host, key, and the number of requests in flight. No WebSockets."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        fault = self._fault(scope)
        if fault is not None:
            await respond(fault, path=scope["path"])(scope, receive, send)
            return
        self._in_flight += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_flight -= 1

    def _fault(self, scope: Scope) -> SymphonyError | None:
        headers = Headers(scope=scope)
        if not self._access.knows_host(headers.get("host", "")):
            return Refused(
                "this gateway does not go by that host name",
                hint="use the address it listens on, or list the name in `allowed_hosts`",
                status=421,
            )
        if self._in_flight >= limits.MAX_REQUESTS:
            return Refused("too many requests at once", hint="close some streams", status=503)
        if scope["path"] in OPEN_PATHS:
            return None
        if not self._access.knows_key(headers.get("authorization", "")):
            return AuthError(
                "the gateway's key is missing or wrong",
                hint="send `Authorization: Bearer KEY`; the key is in gateway.json of the node",
            )
        return None
