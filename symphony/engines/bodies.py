"""The body of an answer that came through the general client, and how one leaves it.

The client's body is a nest of async generators, and its connection is free only once they have
ended; here is how they are read, read ahead, capped and left. The rule kept: not one byte beyond a
limit is ever held. So bodies are taken as they come over the wire, and one that would have to be
unpacked first is refused: a few kilobytes can stand for any number of gigabytes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import trio

from symphony.engines import limits
from symphony.engines.refusals import Head, refusal, refuse_packed
from symphony.engines.sse import capped
from symphony.errors import EngineError


@asynccontextmanager
async def body_of(response: httpx2.Response) -> AsyncIterator[AsyncIterator[bytes]]:
    """The response's body in blocks; leaving closes the connection, cancelled or not.

    The client's body is a nest of async generators, and one that is dropped half-way gets
    finalised by the garbage collector at some later time. So after closing they are run dry:
    nothing can arrive any more, and behind what was read already, 64 KiB at most, each ends by the
    error of reading from what is closed.
    """
    blocks = response.aiter_raw()
    try:
        yield blocks
    finally:
        deadline = trio.current_time() + limits.STOP_SECONDS
        with trio.CancelScope(deadline=deadline, shield=True):
            await response.aclose()
            try:
                async for _ in blocks:
                    await trio.lowlevel.checkpoint()  # there may be thousands of tiny ones
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


def head_of(response: httpx2.Response) -> Head:
    """What its head says."""
    headers = response.headers
    return Head(
        response.status_code, headers.get("retry-after"), headers.get("content-encoding", "")
    )


async def read_capped(response: httpx2.Response, cap_bytes: int) -> bytes:
    """The whole body, and the connection closed. Raises `EngineError` beyond `cap_bytes`, and for
    a body that would have to be unpacked.
    """
    async with body_of(response) as blocks:
        refuse_packed(head_of(response))
        return await capped(blocks, cap_bytes)


async def refused(response: httpx2.Response) -> EngineError:
    """The error behind an answer other than 200; closes the response."""
    async with body_of(response) as blocks:
        return await refusal(head_of(response), blocks)
