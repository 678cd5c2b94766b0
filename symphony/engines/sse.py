"""Server-sent events out of a byte stream that nobody trusts.

Only what OpenAI-style servers send is understood: `data:` lines, each a whole event; comments
and other fields are skipped. The rule kept: not one byte beyond the limits is ever held, so a
server that never ends a line or an answer costs us a bounded amount of memory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import trio

from symphony.engines import limits
from symphony.errors import EngineError

_HINT = "the server floods or is no model server; check its address"


@asynccontextmanager
async def body_of(response: httpx2.Response) -> AsyncIterator[AsyncIterator[bytes]]:
    """The response's body in blocks; leaving closes the connection, cancelled or not.

    The client's body is a nest of async generators, and one that is dropped half-way gets
    finalised by the garbage collector at some later time. So after closing they are run dry:
    nothing can arrive any more, each ends by the error of reading from what is closed.
    """
    blocks = response.aiter_bytes()
    try:
        yield blocks
    finally:
        deadline = trio.current_time() + limits.STOP_SECONDS
        with trio.CancelScope(deadline=deadline, shield=True):
            await response.aclose()
            try:
                async for _ in blocks:
                    pass
            except (httpx2.HTTPError, httpx2.StreamError):
                pass


class Gathered:
    """The blocks of a body, and those that came while nobody looked joined to one.

    A server sends a block per token, and each costs a wake-up, an event and a write on its way
    through a node. Reading beside the work lets a node that falls behind take several at once,
    so what it spends per token falls as its load rises; one that keeps up delays nothing.
    """

    def __init__(self, blocks: AsyncIterator[bytes]) -> None:
        self._blocks = blocks
        self._fault: httpx2.HTTPError | None = None
        self._into, self._arrived = trio.open_memory_channel[bytes](limits.GATHERED_BLOCKS)
        self._ended = trio.Event()

    async def read(self) -> None:
        """Read to the end of the body, or to the fault that ends it."""
        try:
            async for block in self._blocks:
                try:
                    self._into.send_nowait(block)
                except trio.WouldBlock:
                    await self._into.send(block)
        except httpx2.HTTPError as error:
            self._fault = error
        finally:
            self._into.close()
            self._ended.set()

    async def run_out(self) -> None:
        """Wait for the few bytes behind a complete answer, so that the connection can serve
        again: a new one costs both sides some 3 ms. A server that has more to say loses it.
        """
        with trio.move_on_after(limits.RUN_OUT_SECONDS):
            await self._ended.wait()

    def __aiter__(self) -> Gathered:
        return self

    async def __anext__(self) -> bytes:
        try:
            block = await self._arrived.receive()
        except trio.EndOfChannel:
            if self._fault is not None:
                raise self._fault from None
            raise StopAsyncIteration from None
        waiting = self._arrived.statistics().current_buffer_used
        if not waiting:
            return block
        return b"".join((block, *(self._arrived.receive_nowait() for _ in range(waiting))))


@asynccontextmanager
async def gathered(blocks: AsyncIterator[bytes]) -> AsyncIterator[Gathered]:
    """Read `blocks` beside the work of the caller, until the caller leaves."""
    gathering = Gathered(blocks)
    fault: Exception | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gathering.read)
        try:
            yield gathering
        except Exception as error:  # noqa: BLE001 - raised in here it would leave in a group
            fault = error
        nursery.cancel_scope.cancel()
    if fault is not None:
        raise fault


async def read_capped(response: httpx2.Response, cap_bytes: int) -> bytes:
    """The whole body, and the connection closed. Raises `EngineError` beyond `cap_bytes`."""
    body = bytearray()
    async with body_of(response) as blocks:
        async for block in blocks:
            body += block
            if len(body) > cap_bytes:
                raise EngineError(f"the answer is longer than {cap_bytes} bytes", hint=_HINT)
    return bytes(body)


class EventReader:
    """Cuts bytes into the payloads of `data:` lines.

    `next_data` gives None at the end of the stream; a last line without its newline is dropped,
    since it may be half of one.
    """

    def __init__(self, blocks: AsyncIterator[bytes]) -> None:
        self._blocks = blocks
        self._buffer = bytearray()
        self._total_bytes = 0

    async def next_data(self) -> str | None:
        """The next payload, however long it takes."""
        while True:
            data = self.data_here()
            if data is not None:
                return data
            if len(self._buffer) > limits.LINE_BYTES:
                raise EngineError(f"a line is longer than {limits.LINE_BYTES} bytes", hint=_HINT)
            try:
                block = await anext(self._blocks)
            except StopAsyncIteration:
                return None
            self._total_bytes += len(block)
            if self._total_bytes > limits.RESPONSE_BYTES:
                raise EngineError(
                    f"the answer is longer than {limits.RESPONSE_BYTES} bytes", hint=_HINT
                )
            self._buffer += block

    def data_here(self) -> str | None:
        """The next payload if it is here already."""
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            # llama.cpp reports a failure in mid-stream under the name `error`.
            for name in (b"data:", b"error:"):
                if line.startswith(name):
                    return line[len(name) :].strip().decode("utf-8", errors="replace")
        return None
