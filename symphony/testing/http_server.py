"""HTTP/1.1 for test servers: h11 for the protocol, trio for the sockets, and nothing between.

A test server shares its cores with the nodes that it serves, so what it costs itself looks like
their overhead. A web framework on a general server took 3.9 ms of a core per streamed call, as much
as a node spends on asking; this took 2.3 on the same machine.

A connection serves one request after the other. While an answer is being made, somebody reads on:
a client that leaves cancels the answer at once, as real model servers do. What a client sends
ahead of its turn waits in h11.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import h11
import trio

_READ_BYTES: Final = 65_536
_BODY_BYTES: Final = 4 * 1024 * 1024  # far more than any engine may send
_EVENT_STREAM: Final = "text/event-stream"


class BodyTooLong(Exception):
    """A request's body passes the limit."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, whole."""

    method: str
    path: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer that is there at once."""

    body: bytes
    status: int = HTTPStatus.OK
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value: object, status: int = HTTPStatus.OK, **headers: str) -> Whole:
        """A JSON body; names of headers are given with underscores."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls(json.dumps(value).encode(), status, headers=named)


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer in blocks, each sent when it comes. The head goes first, and alone."""

    blocks: AsyncGenerator[bytes]


Handler = Callable[[Asked], Awaitable[Whole | Streamed]]


async def serve_http(
    handle: Handler, *, host: str, port: int, task_status: Any = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve until cancelled; `task_status` gets the URL. Port 0 takes any free one."""
    async with trio.open_nursery() as nursery:
        serving = partial(trio.serve_tcp, partial(_serve, handle), port, host=host)
        listeners = await nursery.start(serving)
        bound = listeners[0].socket.getsockname()
        task_status.started(f"http://{host}:{bound[1]}")


async def _serve(handle: Handler, stream: trio.SocketStream) -> None:
    """One connection; an answer that fails half-way ends it, as a crash of the server would."""
    wire = _Wire(stream)
    async with stream:
        try:
            while (asked := await wire.next_request()) is not None:
                await _answer(handle, asked, wire)
                if not wire.again():
                    return
        except BodyTooLong:
            await wire.send_whole(
                Whole.of({"error": "too long"}, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            )
        except (trio.BrokenResourceError, h11.RemoteProtocolError, ConnectionAbortedError):
            return


async def _answer(handle: Handler, asked: Asked, wire: _Wire) -> None:
    """Answer while the client stays. Raises `ConnectionAbortedError` where it left, or where the
    handler did.
    """
    left: Exception | None = None
    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            nonlocal left
            await wire.read_on()
            left = ConnectionAbortedError("the client left")
            nursery.cancel_scope.cancel()

        nursery.start_soon(watch)
        try:
            answer = await handle(asked)
            if isinstance(answer, Whole):
                await wire.send_whole(answer)
            else:
                await wire.send_stream(answer)
        except (trio.BrokenResourceError, ConnectionAbortedError) as error:
            left = error
        nursery.cancel_scope.cancel()
    if left is not None:
        raise left


class _Wire:
    """h11's state of one connection, and the socket below it."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.SERVER)

    async def next_request(self) -> Asked | None:
        """The next whole request; None when the client is done."""
        head: h11.Request | None = None
        body = b""
        while True:
            event = self._http.next_event()
            match event:
                case h11.Request():
                    head = event
                case h11.Data(data=data):
                    body += data
                    if len(body) > _BODY_BYTES:
                        raise BodyTooLong
                case h11.EndOfMessage():
                    assert head is not None
                    path = head.target.decode("ascii").partition("?")[0]
                    return Asked(head.method.decode("ascii"), path, body)
                case h11.NEED_DATA:
                    self._http.receive_data(await self._stream.receive_some(_READ_BYTES))
                case _:  # the connection is over, or its client wants it to be
                    return None

    async def read_on(self) -> None:
        """Read until the client leaves; what it sends meanwhile is kept for its turn."""
        with suppress(trio.BrokenResourceError):
            while data := await self._stream.receive_some(_READ_BYTES):
                self._http.receive_data(data)

    def again(self) -> bool:
        """Is the connection fit for another request?"""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            return True
        return False

    async def send_whole(self, answer: Whole) -> None:
        length = str(len(answer.body))
        head = {"content-type": answer.kind, "content-length": length, **answer.headers}
        await self._send(_head(answer.status, head), h11.Data(answer.body), h11.EndOfMessage())

    async def send_stream(self, answer: Streamed) -> None:
        head = {"content-type": _EVENT_STREAM, "transfer-encoding": "chunked"}
        async with aclosing(answer.blocks) as blocks:
            await self._send(_head(HTTPStatus.OK, head))
            async for block in blocks:
                await self._send(h11.Data(block))
        await self._send(h11.EndOfMessage())

    async def _send(self, *events: h11.Event) -> None:
        await self._stream.send_all(b"".join(self._http.send(event) or b"" for event in events))


def _head(status: int, headers: Mapping[str, str]) -> h11.Response:
    return h11.Response(status_code=status, headers=list(headers.items()))
