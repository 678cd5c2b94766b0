"""The two ways by which a chat request reaches a model server, behind one protocol.

A door takes the JSON of a request and gives an answer as soon as its head is here. The straight one
(`symphony.engines.straight`) costs least and speaks plain HTTP; the general client also knows TLS,
proxies and passwords in addresses. Both keep connections for the next call, and a call that is left
before its end closes its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Protocol, Self
from urllib.request import getproxies

import httpx2

from symphony.engines.bodies import Gathered, body_of, gathered, head_of
from symphony.engines.refusals import Head
from symphony.engines.straight import AnswerBegun, StraightDoor

_HERE = {"127.0.0.1", "localhost", "::1"}


class Answer(Protocol):
    """An answer whose head is here: an async iterator of blocks, to be entered and left."""

    @property
    def head(self) -> Head: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def hurry(self) -> None:
        """Hold no block back any more: what comes now is the end, and somebody waits for it."""
        ...

    async def run_out(self) -> None:
        """Wait a moment for the few bytes behind a complete answer: only a connection that was read
        to the end can serve again, and a new one costs both sides some 3 ms.
        """
        ...


class Door(Protocol):
    """The way to one server's chat endpoint."""

    async def ask(self, body: bytes, *, fresh: bool = False) -> Answer:
        """POST a JSON body. `fresh` takes no kept connection, where that can be told. Raises
        `httpx2.HTTPError`: `AnswerBegun` unless it is known that no byte of an answer came.
        """
        ...

    async def aclose(self) -> None: ...


def is_here(root: httpx2.URL) -> bool:
    """Whether a server is on this machine: reached directly, whatever the environment says."""
    return root.host in _HERE


def open_door(
    client: httpx2.AsyncClient, url: httpx2.URL, headers: dict[str, str], keep: int
) -> Door:
    """The cheapest way that can be gone. `client` goes all of them."""
    plain = url.scheme == "http" and not url.userinfo
    if plain and (is_here(url) or not getproxies()):
        return StraightDoor(url, headers, keep)
    return ClientDoor(client, url)


class ClientAnswer:
    """An answer through the general client, read ahead."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._stack: AsyncExitStack
        self._blocks: Gathered
        self.head = head_of(response)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            body = await stack.enter_async_context(body_of(self._response))
            self._blocks = await stack.enter_async_context(gathered(body))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._blocks

    def hurry(self) -> None:
        pass  # blocks are handed on as they come

    async def run_out(self) -> None:
        await self._blocks.run_out()


class ClientDoor:
    """The general client, which belongs to somebody else. It looks after its connections itself,
    and does not tell a server that said nothing from one that said half a head. So whatever breaks
    after the connection was made may be an answer that has begun.
    """

    def __init__(self, client: httpx2.AsyncClient, url: httpx2.URL) -> None:
        self._client = client
        self._url = url

    async def ask(self, body: bytes, *, fresh: bool = False) -> ClientAnswer:  # noqa: ARG002
        kind = {"content-type": "application/json"}
        request = self._client.build_request("POST", self._url, content=body, headers=kind)
        try:
            return ClientAnswer(await self._client.send(request, stream=True))
        except httpx2.ConnectError:
            raise
        except (httpx2.NetworkError, httpx2.RemoteProtocolError) as error:
            raise AnswerBegun(str(error)) from error

    async def aclose(self) -> None:
        pass
