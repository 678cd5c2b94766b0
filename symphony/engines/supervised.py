"""An engine that owns its server: started on need, started again after its death, gone with us.

Theory of operation: the child process speaks OpenAI's protocol on a loopback port behind a
random key, and `OpenAIEngine` speaks to it; this file keeps the child alive. There is no
watcher: each use looks whether the child lives, and starts another one if not, after a pause
that grows with every start in a row that did not last. `health` is such a use, so an idle node
that asks for health brings its engine back as well. One that died in mid-answer is buried at once.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import trio

from symphony.capacity import Load
from symphony.engines import limits
from symphony.engines.base import Description, Event, Health, Request
from symphony.engines.child import Child
from symphony.engines.openai import OpenAIEngine
from symphony.engines.slots import within
from symphony.errors import EngineError, EngineUnavailable


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """How a server of ours is started and spoken to.

    `script` runs it, with the orders that `orders` makes for a key; `connect` makes the way to
    it from its URL and that key. `orders` raises `EngineUnavailable` where it can't run here.
    `start_seconds` is from spawning to ready, `dying_seconds` from a refused connection to the
    end of the child. `room`: its processes leave files about, and get a folder that goes with it.
    """

    description: Description
    script: Path
    orders: Callable[[str], dict[str, Any]]
    connect: Callable[[str, str], OpenAIEngine]
    start_seconds: float = limits.START_SECONDS
    dying_seconds: float = limits.DYING_SECONDS
    room: bool = False


class SupervisedEngine:
    """An engine behind a child process. `start` may be called early; the first use does it too."""

    def __init__(self, plan: ServerPlan) -> None:
        self._plan = plan
        self._child: Child | None = None
        self._client: OpenAIEngine | None = None
        self._lock = trio.Lock()
        self._key = ""
        self._failures = 0
        self._not_before = 0.0
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The child process, for those who measure it."""
        return self._child.pid if self._child else None

    def address(self) -> tuple[str, str]:
        """The URL of the running server and its key, for a second client on this machine."""
        if self._client is None:
            raise EngineUnavailable("the model server is not running", hint="start it first")
        return self._client.url, self._key

    async def start(self) -> None:
        """Return when the server answers. Raises `EngineUnavailable`."""
        await self._ensure()

    async def describe(self) -> Description:
        return self._plan.description

    def generate(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        return self._generate(request)

    def generate_as(
        self, model: str, request: Request
    ) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """A generation by another model of the same server: an adapter, under its name."""
        return self._generate(request, model)

    @asynccontextmanager
    async def _generate(
        self, request: Request, model: str | None = None
    ) -> AsyncIterator[AsyncIterator[Event]]:
        deadline = trio.current_time() + request.deadline_ms / 1000
        async with AsyncExitStack() as stack:
            stream = await self._enter(stack, request, model, deadline)
            try:
                yield stream
            except EngineUnavailable:
                await self._bury()
                raise

    async def _bury(self) -> None:
        """A server that died in mid-answer holds a place among the processes and some files until
        somebody looks: we do, for a moment. The next use starts another.
        """
        child = self._child
        with trio.CancelScope(shield=True):
            if child is None or not await child.dies_within(limits.BURY_SECONDS):
                return
            async with self._lock:
                if self._child is child:
                    self._note_death()
                    await self._drop()

    async def _enter(
        self, stack: AsyncExitStack, request: Request, model: str | None, deadline: float
    ) -> AsyncIterator[Event]:
        async def asked(client: OpenAIEngine) -> AsyncIterator[Event]:
            left_ms = max(1, int((deadline - trio.current_time()) * 1000))
            asking = client.generate(replace(request, deadline_ms=left_ms), model=model)
            return await stack.enter_async_context(asking)

        client, child = await self._living(deadline)
        try:
            return await asked(client)
        except EngineUnavailable:
            # A killed process closes its sockets a moment before it is seen to be dead.
            # Nothing was answered, so the request may go to its successor.
            if child is self._child and not await child.dies_within(self._plan.dying_seconds):
                raise
            client, _ = await self._living(deadline)
            return await asked(client)

    async def _living(self, deadline: float) -> tuple[OpenAIEngine, Child]:
        with within(deadline):
            client = await self._ensure()
        assert self._child is not None
        return client, self._child

    async def health(self) -> Health:
        try:
            with trio.fail_after(limits.HEALTH_SECONDS):
                client = await self._ensure()
        except trio.TooSlowError:
            return Health(ok=False, detail="the model server is starting")
        except EngineError as error:
            return Health(ok=False, detail=str(error))
        return await client.health()

    async def load(self) -> Load:
        """What the server is busy with, and the memory of its processes. Starts nothing."""
        client, child = self._client, self._child
        if client is None or child is None or not child.alive:
            return Load(waiting=0)
        return replace(await client.load(), memory_bytes=_memory_bytes(child.pid))

    async def aclose(self) -> None:
        self._closed = True
        with trio.CancelScope(shield=True):
            async with self._lock:
                await self._drop()

    async def _ensure(self) -> OpenAIEngine:
        """The way to a live server, started if there is none."""
        async with self._lock:
            if self._closed:
                raise EngineUnavailable("the engine was closed", hint="open it again")
            if self._child is None or not self._child.alive:
                self._note_death()
                await self._drop()
                await trio.sleep_until(self._not_before)
                self._key = secrets.token_urlsafe(24)
                orders = self._plan.orders(self._key)
                self._child = await Child.spawn(self._plan.script, orders, room=self._plan.room)
            if self._client is None:
                self._client = self._plan.connect(await self._ready(self._child), self._key)
            return self._client

    async def _ready(self, child: Child) -> str:
        try:
            return await child.ready(self._plan.start_seconds)
        except EngineUnavailable:
            self._back_off()
            await self._drop()
            raise

    def _note_death(self) -> None:
        if self._child is None:
            return
        lived_ms = (trio.current_time() - self._child.started_at) * 1000
        if lived_ms >= limits.STABLE_MS:
            self._failures = 0
        self._back_off()

    def _back_off(self) -> None:
        pauses = limits.RESTART_BACKOFF_MS
        pause_ms = pauses[min(self._failures, len(pauses) - 1)]
        self._failures += 1
        self._not_before = trio.current_time() + pause_ms / 1000

    async def _drop(self) -> None:
        client, self._client = self._client, None
        child, self._child = self._child, None
        if client is not None:
            await client.aclose()
        if child is not None:
            await child.stop()


def _memory_bytes(pid: int) -> int | None:
    """Resident memory of a process and all below it; None once it is gone."""
    try:
        root = psutil.Process(pid)
        return int(sum(one.memory_info().rss for one in (root, *root.children(recursive=True))))
    except psutil.Error:
        return None
