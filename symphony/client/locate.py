"""Where the gateway is and which key opens it.

An argument wins over the environment (`SYMPHONY_URL`, `SYMPHONY_API_KEY`), which wins over
`gateway.json` in the home directory of the local node (`SYMPHONY_HOME`, or the platform's user
data directory). URL and key of the file go together: its key is never sent to another URL.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs

from symphony.errors import AuthError, ConfigError
from symphony.errors import ConnectionError as Unreachable

_FILE_NAME = "gateway.json"


@dataclass(frozen=True, slots=True)
class Place:
    """A gateway: base URL without a trailing slash, key, and the file that named it, if any."""

    url: str
    api_key: str = field(repr=False)
    file: Path | None = None

    @property
    def loopback(self) -> bool:
        """Whether it is this machine: then no proxy may ever see the key."""
        host = urlsplit(self.url).hostname or ""
        return host in ("localhost", "::1") or host.startswith("127.")


def locate(
    url: str | None = None,
    api_key: str | None = None,
    home: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Place:
    """Find the gateway.

    Raises `ConnectionError` if no local node runs, `AuthError` if a URL comes without a key,
    `ConfigError` if the URL or the file makes no sense.
    """
    env = os.environ if environ is None else environ
    if home is not None and url is None:
        return _from_file(Path(home))
    wanted = url or env.get("SYMPHONY_URL")
    if wanted is None:
        place = _from_file(Path(env.get("SYMPHONY_HOME") or platformdirs.user_data_dir("symphony")))
        return place if api_key is None else Place(place.url, api_key, place.file)
    key = api_key or env.get("SYMPHONY_API_KEY")
    if not key:
        raise AuthError(
            f"no key for {wanted}",
            hint="pass api_key=… or set SYMPHONY_API_KEY; it is in gateway.json of that node",
        )
    return Place(_checked(wanted), key)


def _from_file(home: Path) -> Place:
    path = home / _FILE_NAME
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Unreachable(
            f"no node runs here: there is no {path}",
            hint="start one with `symphony join`, or pass a URL and a key",
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} can't be read: {error}", hint="restart the node") from None
    match facts:
        case {"url": str(url), "api_key": str(key)} if key:
            return Place(_checked(url), key, path)
        case _:
            raise ConfigError(f"{path} names no gateway", hint="restart the node")


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"not a gateway's URL: {url!r}", hint="like http://127.0.0.1:8000")
    return url.rstrip("/")
