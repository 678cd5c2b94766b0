"""How many generations run at once, how many may wait, and for how long.

A model server's own queue is out of our sight and often without a bound, so the bound is kept
here: `concurrency` run, a fixed number waits, the next is told to come back later. The rule:
nobody waits beyond the deadline of their own request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import trio

from symphony.engines import limits
from symphony.errors import EngineError, EngineOverloaded


@contextmanager
def within(deadline: float) -> Iterator[None]:
    """Let the block run until `deadline` (trio's clock), then raise `EngineError`."""
    try:
        with trio.fail_at(deadline):
            yield
    except trio.TooSlowError as error:
        raise EngineError(
            "the model server did not finish before the request's deadline",
            hint="allow more time, ask for fewer tokens, or use a faster engine",
        ) from error


class Slots:
    """A counting gate with a bounded queue."""

    def __init__(self, concurrency: int) -> None:
        self._gate = trio.Semaphore(concurrency)
        self._waiting = 0
        self._waiting_max = concurrency * limits.WAITING_PER_SLOT

    @asynccontextmanager
    async def take(self, deadline: float) -> AsyncIterator[None]:
        """Hold one slot. Raises `EngineOverloaded` at once when the queue is full."""
        try:
            self._gate.acquire_nowait()
        except trio.WouldBlock:
            await self._queue(deadline)
        try:
            yield
        finally:
            self._gate.release()

    async def _queue(self, deadline: float) -> None:
        if self._waiting >= self._waiting_max:
            raise EngineOverloaded(
                f"{self._waiting} requests wait for this engine already",
                hint="come back later, or add an engine",
                retry_after_ms=limits.RETRY_AFTER_MS,
            )
        self._waiting += 1
        try:
            with within(deadline):
                await self._gate.acquire()
        finally:
            self._waiting -= 1
