"""Server-sent events, tied to the client that reads them.

An `EventStream` runs a producer while a helper attends to the client beside it: it sends a comment
every few seconds, so that no proxy and no client takes a thinking swarm for a dead one, and cancels
the producer when the client leaves. What a producer must undo when that happens, it undoes in its
own `finally`.

Format: the HTML standard, section "Server-sent events". Data is one line of JSON, so a stream
can't be broken by a newline in a model's output.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import trio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from symphony.errors import SymphonyError
from symphony.gateway import limits
from symphony.gateway.faults import error_body, respond

T = TypeVar("T")

encode_json = json.JSONEncoder(separators=(",", ":")).encode  # `json.dumps` makes one for each call

HELLO = b": symphony\n\n"  # sent at once, so that a client knows it has been heard

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


def frame(data: Any, *, name: str = "", event_id: int | None = None) -> bytes:
    """One event. `data` is JSON-ready, or a text that is sent as it is (`[DONE]`)."""
    lines = []
    if event_id is not None:
        lines.append(f"id: {event_id}")
    if name:
        lines.append(f"event: {name}")
    # ASCII only: U+2028 and friends end a line for some readers.
    text = data if isinstance(data, str) else encode_json(data)
    lines.append(f"data: {text}")
    return ("\n".join(lines) + "\n\n").encode()


class Writer:
    """The sending half of a stream. The answer starts with the first byte or comment."""

    def __init__(self, send: Send, headers: Mapping[str, str]) -> None:
        self._send = send
        more = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        self._headers = [*_HEADERS, *more]
        self._lock = trio.Lock()
        self.started = False

    async def write(self, data: bytes) -> None:
        # Waiting for a lock that is free is a turn through the scheduler, and this is per token.
        try:
            self._lock.acquire_nowait()
        except trio.WouldBlock:
            await self._lock.acquire()
        try:
            if not self.started:
                self.started = True
                start = {"type": "http.response.start", "status": 200, "headers": self._headers}
                await self._send(start)
            await self._send({"type": "http.response.body", "body": data, "more_body": True})
        finally:
            self._lock.release()

    async def event(self, data: Any, *, name: str = "", event_id: int | None = None) -> None:
        await self.write(frame(data, name=name, event_id=event_id))

    async def events(self, *several: Any) -> None:
        """Several events in one write: each write wakes the client, and costs us 0.2 ms."""
        await self.write(b"".join(map(frame, several)))

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


Producer = Callable[[Writer], Awaitable[object]]


class EventStream(Response):
    """A streamed answer.

    A `SymphonyError` that the producer raises before it has written becomes an ordinary error
    answer; a later one becomes the last event. The producer runs up to its first wait even if
    the client is gone already, so what it must undo, it can take hold of there.
    """

    def __init__(self, produce: Producer, headers: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._produce = produce
        self._more = headers or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        writer = Writer(send, self._more)
        fault: SymphonyError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_attend, receive, writer, nursery.cancel_scope)
            try:
                await self._produce(writer)
            except SymphonyError as error:
                # Raised here it would leave the nursery wrapped in a group.
                fault = error
            nursery.cancel_scope.cancel()
        path = scope["path"]
        if fault is not None and not writer.started:
            await respond(fault, path=path)(scope, receive, send)
            return
        if fault is not None:
            name = "" if path.startswith("/v1/") else "error"
            await writer.event(error_body(fault, path=path), name=name)
        await writer.end()


async def unless_gone(receive: Receive, work: Callable[[], Awaitable[T]]) -> T | None:
    """The result of `work`; None if the client left first, and then `work` was cancelled."""
    fault: SymphonyError | None = None
    result: T | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cancel_when_gone, receive, nursery.cancel_scope)
        try:
            result = await work()
        except SymphonyError as error:
            fault = error
        nursery.cancel_scope.cancel()
    if fault is not None:
        raise fault
    return result


async def _cancel_when_gone(receive: Receive, scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _attend(receive: Receive, writer: Writer, scope: trio.CancelScope) -> None:
    """Cancel `scope` when the client leaves. Until then a comment now and then, once the stream has
    begun: a first byte fixes the status.
    """
    while True:
        with trio.move_on_after(limits.KEEP_ALIVE_S) as quiet:
            await _cancel_when_gone(receive, scope)
        if not quiet.cancelled_caught:
            return
        if writer.started:
            await writer.write(b": waiting\n\n")
