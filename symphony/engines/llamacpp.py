"""The embedded engine: llama.cpp's own server in a child process, for every laptop.

Theory of operation: the child (`symphony.engines.llamacpp_child`) speaks OpenAI's protocol on a
loopback port behind a random key, and `OpenAIEngine` speaks to it; this file keeps the child
alive. There is no watcher: each use looks whether the child lives, and starts another one if
not, after a pause that grows with every start in a row that did not last. `health` is such a
use, so an idle node that asks for health brings its engine back as well.

The child's threads are this machine's cores divided by the nodes that share them: OpenMP teams
that outnumber the cores make co-located nodes ten times slower.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import trio

from symphony.engines import limits
from symphony.engines.base import Description, Event, Health, Request
from symphony.engines.child import Child
from symphony.engines.dialect import LLAMACPP
from symphony.engines.openai import OpenAIEngine
from symphony.engines.slots import within
from symphony.errors import EngineError, EngineUnavailable

KIND = "llamacpp"
_SCRIPT = Path(__file__).with_name("llamacpp_child.py")


def threads_for(nodes_on_machine: int) -> int:
    """The threads of one node's engine on a machine that `nodes_on_machine` nodes share."""
    return max(1, len(os.sched_getaffinity(0)) // max(1, nodes_on_machine))


def missing_package() -> str | None:
    """Why this engine can't run here; None when it can."""
    if importlib.util.find_spec("xllamacpp") is None:
        return "the package xllamacpp is not installed (pip install 'symphony-swarm[local]')"
    return None


@dataclass(frozen=True, slots=True)
class LlamaCppOptions:
    """How the server is run. `context_tokens` is per slot."""

    model_path: Path
    model: str
    lineage: str
    context_tokens: int = limits.CONTEXT_TOKENS
    slots: int = limits.PARALLEL_SLOTS
    threads: int = 1


class LlamaCppEngine:
    """An engine that owns its server. `start` may be called early; the first use does it too."""

    def __init__(self, options: LlamaCppOptions) -> None:
        self._options = options
        self._child: Child | None = None
        self._client: OpenAIEngine | None = None
        self._lock = trio.Lock()
        self._key = ""
        self._failures = 0
        self._not_before = 0.0
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The server's process, for those who measure it."""
        return self._child.pid if self._child else None

    async def start(self) -> None:
        """Return when the server answers. Raises `EngineUnavailable`."""
        await self._ensure()

    async def describe(self) -> Description:
        options = self._options
        return Description(
            engine=KIND,
            model=options.model,
            lineage=options.lineage,
            context_tokens=options.context_tokens,
            concurrency=options.slots,
            features=LLAMACPP.features,
        )

    def generate(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        return self._generate(request)

    @asynccontextmanager
    async def _generate(self, request: Request) -> AsyncIterator[AsyncIterator[Event]]:
        deadline = trio.current_time() + request.deadline_ms / 1000
        async with AsyncExitStack() as stack:
            try:
                stream = await self._enter(stack, request, deadline)
            except EngineUnavailable:
                # A killed process closes its sockets a moment before it is seen to be dead.
                # Nothing was answered, so the request may go to its successor.
                if self._child is None or not await self._child.dies_within(limits.DYING_SECONDS):
                    raise
                stream = await self._enter(stack, request, deadline)
            yield stream

    async def _enter(
        self, stack: AsyncExitStack, request: Request, deadline: float
    ) -> AsyncIterator[Event]:
        with within(deadline):
            client = await self._ensure()
        left_ms = max(1, int((deadline - trio.current_time()) * 1000))
        return await stack.enter_async_context(
            client.generate(replace(request, deadline_ms=left_ms))
        )

    async def health(self) -> Health:
        try:
            with trio.fail_after(limits.HEALTH_SECONDS):
                client = await self._ensure()
        except trio.TooSlowError:
            return Health(ok=False, detail="the model server is starting")
        except EngineError as error:
            return Health(ok=False, detail=str(error))
        return await client.health()

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
                self._child = await Child.spawn(_SCRIPT, self._orders())
            if self._client is None:
                self._client = self._connect(await self._ready(self._child))
            return self._client

    async def _ready(self, child: Child) -> str:
        try:
            return await child.ready()
        except EngineUnavailable:
            self._back_off()
            await self._drop()
            raise

    def _orders(self) -> dict[str, Any]:
        if missing := missing_package():
            raise EngineUnavailable(missing, hint="or set engine.url to a server you run")
        options = self._options
        return {
            "model": str(options.model_path),
            "alias": options.model,
            "key": self._key,
            "slots": options.slots,
            "context_tokens": options.context_tokens,
            "threads": options.threads,
            "http_threads": options.slots + limits.HTTP_THREADS,
            "cache_ram_mib": limits.CACHE_RAM_MIB,
        }

    def _connect(self, url: str) -> OpenAIEngine:
        options = self._options
        return OpenAIEngine(
            url,
            model=options.model,
            kind=KIND,
            lineage=options.lineage,
            context_tokens=options.context_tokens,
            concurrency=options.slots,
            dialect=LLAMACPP,
            health_path="/health",
            api_key=self._key,
        )

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
