"""A judge's node asks its model twice, in both orders, and hands over two words."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
import trio

from symphony.core.effects import StartWork
from symphony.core.ids import Epoch, UnitId
from symphony.core.inputs import Input, WorkDone, WorkFailed
from symphony.core.votes.comparison import comparison_order
from symphony.engines.base import Choice, Chunk, Description, Event, Feature, Finished, Request
from symphony.manifests import load_manifest
from symphony.node.workshop import HostedAgent, Workshop

from .conftest import write_agent

UNIT = UnitId(bytes(16))
ORDER = comparison_order("Which is larger?", UNIT, "It is 41.", "It is 42.")


class Scripted:
    """An engine that says what it is told to, one text a request, and remembers what it was
    asked."""

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)
        self.asked: list[Request] = []

    @asynccontextmanager
    async def generate(self, request: Request) -> AsyncIterator[AsyncIterator[Event]]:
        self.asked.append(request)
        async with aclosing(self._said(self.texts[len(self.asked) - 1])) as stream:
            yield stream

    async def _said(self, text: str) -> AsyncGenerator[Event, None]:
        yield Chunk(text)
        yield Finished("stop", 10, 3, None, "m", "scripted")


async def outcome_of(engine: Scripted, folder: Path, *features: Feature) -> Input:
    agent = load_manifest(write_agent(folder))
    told = Description("scripted", "m", "m", 8192, 1, frozenset(features))
    send, receive = trio.open_memory_channel[Input](8)
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            workshop = Workshop(nursery, send.send, lambda: 1000)
            workshop.host({"solver": HostedAgent(agent, engine, told)})
            workshop.start(StartWork(UNIT, Epoch(1), "solver", ORDER, 20_000))
            return await receive.receive()
    raise AssertionError


async def test_both_orders_are_shown(tmp_path: Path):
    engine = Scripted("Answer: second", "Answer: first")
    done = await outcome_of(engine, tmp_path)
    assert isinstance(done, WorkDone)
    assert (done.output, done.prompt_tokens, done.completion_tokens) == ("second\nfirst", 20, 6)
    texts = [request.messages[-1].content for request in engine.asked]
    assert [text.index("41") < text.index("42") for text in texts] == [True, False]


async def test_an_engine_that_can_be_forced_is(tmp_path: Path):
    engine = Scripted("tie", "first")
    done = await outcome_of(engine, tmp_path, Feature.CHOICE)
    assert isinstance(done, WorkDone)
    assert done.output == "tie\nfirst"
    assert [request.constraint for request in engine.asked] == [Choice(ORDER.choices)] * 2


@pytest.mark.parametrize("second", ["Both have their merits.", "Answer: 42"])
async def test_a_model_that_does_not_say_which_has_failed(tmp_path: Path, second: str):
    failed = await outcome_of(Scripted("Answer: first", second), tmp_path)
    assert isinstance(failed, WorkFailed)
    assert failed.reason.startswith("constraint_violated: ")
