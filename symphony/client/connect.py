"""How both transports connect: options of the HTTP client, and one error for a lost gateway."""

from __future__ import annotations

import ssl
from typing import Any

import httpx2

from symphony.client import limits
from symphony.client.locate import Place
from symphony.errors import ConnectionError as Unreachable


def client_options(place: Place, timeout_s: float) -> dict[str, Any]:
    """Arguments for either client class.

    On the loopback no proxy of the environment is used: it would get to see key and prompts.
    Redirects are not followed for the same reason. A plain `http://` gateway gets a TLS context
    that trusts nobody: it is never used, and loading the certificate authorities takes 77 ms.
    """
    plain = place.url.startswith("http://")
    return {
        "base_url": place.url,
        "headers": {"Authorization": f"Bearer {place.api_key}"},
        "timeout": httpx2.Timeout(timeout_s, connect=min(timeout_s, limits.CONNECT_S)),
        "trust_env": not place.loopback,
        "follow_redirects": False,
        "verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if plain else True,
    }


def unreachable(place: Place, error: httpx2.TransportError) -> Unreachable:
    """What a broken connection is called here, with the likely reason."""
    if isinstance(error, httpx2.TimeoutException):
        said = f"no answer from {place.url} in time"
    else:
        said = f"{place.url} can't be reached: {str(error) or type(error).__name__}"
    if place.file is not None:
        hint = f"is the node still running? {place.file} may be left over from one that is gone"
    else:
        hint = "is that the gateway's URL, and is its node running?"
    return Unreachable(said, hint=hint)
