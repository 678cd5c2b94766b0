"""The engines that the contract is checked against, each with a way to look behind it."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio

from symphony.engines import limits
from symphony.engines.base import Engine
from symphony.engines.llamacpp import LlamaCppEngine, LlamaCppOptions
from symphony.engines.openai import OpenAIEngine
from symphony.engines.registry import EngineSpec, open_engine
from symphony.engines.replay import open_recording
from symphony.engines.supervised import SupervisedEngine
from symphony.testing.echo import EchoEngine
from symphony.testing.echo_server import Echo, serve
from symphony.testing.engine_contract import Subject

from .recordings import MODEL, QUESTIONS, recorded

LATENCY_MS = 12
STORY = "SLOWLY. ANSWER: once upon a time a fox and a crow met under a tree and talked"


def queue_of(concurrency: int) -> int:
    return concurrency * (1 + limits.WAITING_PER_SLOT)


@asynccontextmanager
async def echo() -> AsyncIterator[Subject]:
    """In this process: no server, so nothing to kill and no other model."""
    engine = EchoEngine(latency_ms=LATENCY_MS, concurrency=2)

    async def busy() -> int:
        return engine.active

    yield Subject(engine, long=STORY, busy=busy, queue=queue_of(2))


@asynccontextmanager
async def echo_over_http() -> AsyncIterator[Subject]:
    state = Echo(latency_ms=LATENCY_MS)
    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()

        async def stage(task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
            with scope:
                await serve(state, task_status=task_status)

        url = await nursery.start(stage)
        engine = OpenAIEngine(url, model="echo", concurrency=2)

        async def busy() -> int:
            return state.stats.active

        async def kill() -> None:
            scope.cancel()

        async with closing(engine):
            yield Subject(
                engine,
                long=STORY,
                busy=busy,
                kill=kill,
                wrong_model=partial(other_model, url),
                queue=queue_of(2),
            )
        scope.cancel()


@asynccontextmanager
async def replay(folder: Path) -> AsyncIterator[Subject]:
    """What was said once: it has no server, is never busy, and says nothing else."""
    path = recorded(folder)
    longest = max(QUESTIONS.values(), key=len)
    yield Subject(
        open_recording(f"{path}#{MODEL}"),
        short=QUESTIONS["q/2"],
        long=longest,
        wrong_model=partial(open_engine, EngineSpec("replay", model=f"{path}#no-such-model")),
        recorded=True,
    )


@asynccontextmanager
async def llamacpp(weights: Path) -> AsyncIterator[Subject]:
    options = LlamaCppOptions(weights, "smollm2-135m", "smollm2", slots=2)
    async with closing(LlamaCppEngine(options)) as engine:
        await engine.start()
        yield of_ours(engine, slots=2)


@asynccontextmanager
async def llamacpp_by_url(weights: Path) -> AsyncIterator[Subject]:
    """The engine for any server, against llama.cpp's own."""
    options = LlamaCppOptions(weights, "smollm2-135m", "smollm2", slots=2)
    async with closing(LlamaCppEngine(options)) as owner:
        await owner.start()
        assert owner._client is not None
        url, key = str(owner._client._client.base_url), owner._key
        stranger = OpenAIEngine(url, model="smollm2-135m", concurrency=2, api_key=key)
        async with closing(stranger) as engine:
            yield replace(
                of_ours(owner, slots=2),
                engine=engine,
                wrong_model=partial(other_model, url, key),
                revives=False,
            )


def of_ours(engine: SupervisedEngine, *, slots: int) -> Subject:
    """An engine that owns its server: seen by the server's counters, killed by its pid."""

    async def busy() -> int:
        return (await engine.load()).running or 0

    return Subject(
        engine, busy=busy, kill=partial(kill_9, engine), revives=True, queue=queue_of(slots)
    )


async def kill_9(engine: SupervisedEngine) -> None:
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)


@asynccontextmanager
async def other_model(url: str, key: str | None = None) -> AsyncIterator[Engine]:
    async with closing(OpenAIEngine(url, model="no-such-model", api_key=key)) as engine:
        yield engine


E = TypeVar("E", bound=Engine)


@asynccontextmanager
async def closing(engine: E) -> AsyncIterator[E]:
    try:
        yield engine
    finally:
        await engine.aclose()
