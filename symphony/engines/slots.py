"""How many generations run at once, how many may wait, for how long, and who comes first.

A model server's own queue is out of our sight and often without a bound, so the bound is kept
here: `concurrency` run, a fixed number waits, the next is told to come back later. The rules:

- Nobody waits beyond the deadline of their own request.
- The owner's requests and those of the swarm wait in two queues with a bound each, so that
  strangers can't fill the one that the owner stands in.
- When a slot comes free the owner goes first; after `OWN_IN_A_ROW` of the owner's in a row
  somebody of the swarm does, because a lease runs out there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType

import trio

from symphony.engines import limits
from symphony.errors import EngineError, EngineOverloaded


class within:  # noqa: N801 - read as a word of the `with` statement
    """Let the block run until `deadline` (trio's clock), then raise `EngineError`.

    A class, since it is entered for each token: a generator costs twice as much.
    """

    __slots__ = ("_scope",)

    def __init__(self, deadline: float) -> None:
        self._scope = trio.CancelScope(deadline=deadline)

    def __enter__(self) -> None:
        self._scope.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        swallowed = bool(self._scope.__exit__(kind, error, trace))
        if self._scope.cancelled_caught:
            raise EngineError(
                "the model server did not finish before the request's deadline",
                hint="allow more time, ask for fewer tokens, or use a faster engine",
            ) from error
        return swallowed


class Slots:
    """A counting gate with two bounded queues: the owner's and the swarm's."""

    def __init__(self, concurrency: int) -> None:
        self._free = concurrency
        self._own: deque[trio.Event] = deque()
        self._swarm: deque[trio.Event] = deque()
        self._own_in_a_row = 0
        self._waiting_max = concurrency * limits.WAITING_PER_SLOT

    @property
    def waiting(self) -> int:
        """Requests that have no slot yet."""
        return len(self._own) + len(self._swarm)

    @asynccontextmanager
    async def take(self, deadline: float, *, own: bool = False) -> AsyncIterator[None]:
        """Hold one slot. Raises `EngineOverloaded` at once when the queue is full."""
        await trio.lowlevel.checkpoint()
        if self._free:
            self._free -= 1
        else:
            await self._queue(self._own if own else self._swarm, deadline)
        try:
            yield
        finally:
            self._pass_on()

    async def _queue(self, queue: deque[trio.Event], deadline: float) -> None:
        if len(queue) >= self._waiting_max:
            raise EngineOverloaded(
                f"{len(queue)} requests wait for this engine already",
                hint="come back later, or add an engine",
                retry_after_ms=limits.RETRY_AFTER_MS,
            )
        turn = trio.Event()
        queue.append(turn)
        try:
            with within(deadline):
                await turn.wait()
        except BaseException:
            if turn.is_set():  # the slot came in the moment in which we gave up
                self._pass_on()
            else:
                queue.remove(turn)
            raise

    def _pass_on(self) -> None:
        """Hand a slot to whoever is next."""
        own_first = self._own_in_a_row < limits.OWN_IN_A_ROW or not self._swarm
        if self._own and own_first:
            self._own_in_a_row += 1
            self._own.popleft().set()
        elif self._swarm:
            self._own_in_a_row = 0
            self._swarm.popleft().set()
        else:
            self._own_in_a_row = 0
            self._free += 1
