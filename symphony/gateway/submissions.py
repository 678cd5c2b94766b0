"""Submitting once, and not longer than somebody cares.

Two rules live here. *Once*: a submit that carries an `Idempotency-Key` starts one task, however
often it is sent; the same key with another body is refused. The memory is a bounded LRU in this
process: it covers the retries of a client, not the restart of a node.

*Tied*: a task that somebody waits for is cancelled everywhere when that somebody leaves before
the verdict, unless it was submitted with `detach`.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from symphony.core.events import TaskEnded
from symphony.core.ids import TaskId
from symphony.core.spec import TaskSpec
from symphony.errors import ConnectionError as Unreachable
from symphony.gateway import limits
from symphony.gateway.faults import Refused
from symphony.gateway.port import NodePort


@dataclass(slots=True)
class _Submission:
    """What became of one key. `lock` holds back a retry while the first try is under way."""

    fingerprint: bytes
    lock: trio.Lock = field(default_factory=trio.Lock)
    task: TaskId | None = None


class Submissions:
    """The one door through which HTTP requests become tasks."""

    def __init__(self, port: NodePort) -> None:
        self._port = port
        self._known: OrderedDict[str, _Submission] = OrderedDict()

    async def submit(self, spec: TaskSpec, *, key: str | None, body: bytes) -> TaskId:
        """Start the task of `spec`, or find the one that `key` has started.

        Raises `Refused` (400, 409) for a bad or reused key, and what `NodePort.submit` raises.
        """
        if key is None:
            return await self._port.submit(spec)
        if not 1 <= len(key) <= limits.MAX_IDEMPOTENCY_CHARS or not key.isascii():
            raise Refused(f"Idempotency-Key has 1 to {limits.MAX_IDEMPOTENCY_CHARS} ASCII letters")
        known = self._entry(key, hashlib.sha256(body).digest())
        async with known.lock:
            if known.task is None:
                known.task = await self._port.submit(spec)
            return known.task

    def _entry(self, key: str, fingerprint: bytes) -> _Submission:
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _Submission(fingerprint)
            while len(self._known) > limits.MAX_IDEMPOTENCY_KEYS:
                self._known.popitem(last=False)
        elif known.fingerprint != fingerprint:
            raise Refused(
                "this Idempotency-Key was used for another request",
                hint="draw a new key for every new task",
                status=409,
            )
        self._known.move_to_end(key)
        return known


@dataclass(slots=True)
class Tie:
    """Set `ended` when the verdict is in: leaving is no longer giving up."""

    ended: bool = False


@asynccontextmanager
async def tied(port: NodePort, task: TaskId, *, detach: bool = False) -> AsyncIterator[Tie]:
    """Cancel `task` everywhere when the block is left before its verdict."""
    tie = Tie()
    try:
        yield tie
    finally:
        if not (tie.ended or detach):
            deadline = trio.current_time() + limits.CANCEL_S
            with trio.CancelScope(deadline=deadline, shield=True):
                await port.cancel(task)


async def verdict(port: NodePort, task: TaskId) -> TaskEnded:
    """Wait for the last event of a task. Raises `ConnectionError` if the node stops first."""
    async with port.watch(task) as events:
        async for event in events:
            if isinstance(event, TaskEnded):
                return event
    raise Unreachable("the node stopped before the task had ended", hint="look at its log")
