"""The way to the running node: its gateway's address and key, and plain JSON through it.

`gateway.json` lies in the home while a node runs (0600). `SYMPHONY_URL` and `SYMPHONY_API_KEY`
point to another node's gateway instead, from anywhere. Errors come back as the classes that
the node raised: their `code` is the word on the wire.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symphony import errors
from symphony.config import FILE_MODE, check_private
from symphony.errors import ConfigError, SymphonyError
from symphony.errors import ConnectionError as Unreachable

if TYPE_CHECKING:
    import httpx2

GATEWAY_NAME = "gateway.json"
MAX_DOOR_BYTES = 4096
MAX_EVENT_CHARS = 1024 * 1024  # a result event holds one output of at most 64 KiB
CONNECT_S = 5.0  # loopback answers in a millisecond; the rest is for a gateway far away
READ_S = 60.0  # an event stream sends a comment every few seconds


@dataclass(frozen=True, slots=True)
class Address:
    """Where a gateway listens, and the key it wants."""

    url: str
    api_key: str


def find(home: Path) -> Address | None:
    """The gateway of the node that runs in `home`, or the one the environment names."""
    url = os.environ.get("SYMPHONY_URL")
    if url:
        return Address(url.rstrip("/"), os.environ.get("SYMPHONY_API_KEY", ""))
    path = home / GATEWAY_NAME
    try:
        with path.open("rb") as file:
            check_private(path, FILE_MODE)
            data = json.loads(file.read(MAX_DOOR_BYTES))
        return Address(str(data["url"]).rstrip("/"), str(data["api_key"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise ConfigError(
            f"{path}: is damaged", hint="stop the node and start it again: symphony join"
        ) from None


class Door:
    """One connection to a gateway."""

    def __init__(self, client: httpx2.Client, address: Address) -> None:
        self._client = client
        self._address = address

    def get(self, path: str, **query: object) -> Any:
        return self._json("GET", path, query=query)

    def post(self, path: str, body: Mapping[str, object] | None = None, **query: object) -> Any:
        return self._json("POST", path, body=body or {}, query=query)

    def receipt(self, reference: str) -> bytes:
        """A receipt's bytes, by its digest or its task's id."""
        with self._faults():
            response = self._client.get(f"/api/receipts/{reference}")
            _raise_for(response.status_code, response.content)
            content: bytes = response.content
            return content

    def events(
        self, method: str, path: str, body: Mapping[str, object] | None = None, **query: object
    ) -> Iterator[dict[str, Any]]:
        """The events of a stream as plain dictionaries, until it ends."""
        with (
            self._faults(),
            self._client.stream(
                method,
                path,
                json=body,
                params=_query(query),
                headers={"Accept": "text/event-stream"},
            ) as response,
        ):
            if response.status_code >= 400:
                _raise_for(response.status_code, response.read())
            for line in response.iter_lines():
                if line.startswith("data: ") and len(line) <= MAX_EVENT_CHARS:
                    event = json.loads(line.removeprefix("data: "))
                    if "error" in event and "type" not in event:
                        raise _error(event["error"], 500)
                    yield event

    def _json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object],
        body: Mapping[str, object] | None = None,
    ) -> Any:
        with self._faults():
            response = self._client.request(method, path, json=body, params=_query(query))
            _raise_for(response.status_code, response.content)
            return response.json()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        import httpx2

        try:
            yield
        except httpx2.TransportError as error:
            why = str(error) or type(error).__name__
            raise Unreachable(
                f"the node at {self._address.url} does not answer: {why}",
                hint="is it still running? start it with: symphony join",
            ) from error


@contextmanager
def connected(home: Path) -> Iterator[Door]:
    """The door of the running node. Raises `ConnectionError` (exit 3) where none runs."""
    address = find(home)
    if address is None:
        raise Unreachable(f"no node is running in {home}", hint="start one: symphony join")
    with opened(address) as door:
        yield door


@contextmanager
def opened(address: Address) -> Iterator[Door]:
    """The door at a known address."""
    import httpx2

    with httpx2.Client(
        base_url=address.url,
        headers={"Authorization": f"Bearer {address.api_key}"},
        timeout=httpx2.Timeout(READ_S, connect=CONNECT_S),
        trust_env=False,  # a proxy has no business between a person and the local node
    ) as client:
        yield Door(client, address)


def error_for(code: str, message: str, hint: str = "") -> SymphonyError:
    """The error of that `code`, or the root of the tree for a word we do not know."""
    classes = (
        item
        for item in vars(errors).values()
        if isinstance(item, type) and issubclass(item, SymphonyError)
    )
    kind = next((item for item in classes if item.code == code), SymphonyError)
    return kind(message, hint=hint)


def _query(query: Mapping[str, object]) -> dict[str, str]:
    return {key: _text(value) for key, value in query.items() if value is not None}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _raise_for(status: int, content: bytes) -> None:
    if status < 400:
        return
    try:
        error = json.loads(content)["error"]
    except (ValueError, KeyError, TypeError):
        error = {"message": f"the gateway answered {status}"}
    raise _error(error, status)


def _error(error: Mapping[str, Any], status: int) -> SymphonyError:
    message = str(error.get("message", f"the gateway answered {status}"))
    return error_for(str(error.get("code", "")), message, str(error.get("hint", "")))
