"""What a node measures of its own model servers, and says in its capability records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import trio
import trio.testing

from symphony.core.inputs import AgentsChanged, Input
from symphony.core.records import CAPABILITY, Capability, SelfTest
from symphony.core.wire import Codec
from symphony.engines.adapters import AdaptedEngine
from symphony.engines.base import Choice, Description, Engine, Event, Feature, Request
from symphony.engines.measuring import Measured
from symphony.engines.supervised import SupervisedEngine
from symphony.errors import ConstraintViolated, EngineUnavailable
from symphony.manifests import capability, load_manifest
from symphony.node import limits
from symphony.node.self_test import FILE, SelfTests, measure_when_idle
from symphony.node.workshop import HostedAgent, Workshop
from symphony.testing.echo import EchoEngine

MANIFEST = """\
apiVersion: symphony/v1alpha1
kind: Agent
metadata: {name: solver}
spec:
  skills: [{name: echo, description: "answers"}]
  engine: {kind: llamacpp, model: echo}
  instructions: prompt.md
"""
CLAIMED = frozenset({Feature.JSON_SCHEMA, Feature.CHOICE, Feature.LOGPROBS})
DAY = 20_000


class Ours(SupervisedEngine):
    """A server of ours that honours schemas, ignores choices and invents no log-probabilities."""

    def __init__(self) -> None:
        self.echo = EchoEngine(latency_ms=50, concurrency=4)
        self.asked = 0

    async def describe(self) -> Description:
        return Description("llamacpp", "echo", "echo", 8192, 4, CLAIMED)

    @asynccontextmanager
    async def _generate(
        self, request: Request, model: str | None = None
    ) -> AsyncIterator[AsyncIterator[Event]]:
        self.asked += 1
        async with self.echo.generate(request) as stream:
            yield stream
        if isinstance(request.constraint, Choice):
            raise ConstraintViolated("the output is none of the options")


class Hosted(NamedTuple):
    """An idle workshop with one agent: its record without a result, and what the core hears."""

    plain: tuple[Capability, ...]
    agents: dict[str, HostedAgent]
    workshop: Workshop
    feed: Callable[[Input], Awaitable[None]]
    heard: list[Input]


async def hosted(engine: Engine, folder: Path, nursery: trio.Nursery) -> Hosted:
    (folder / "agent.yaml").write_text(MANIFEST)
    (folder / "prompt.md").write_text("Answer.\n")
    manifest, described = load_manifest(folder), await engine.describe()
    agents = {"solver": HostedAgent(manifest, engine, described)}
    heard: list[Input] = []

    async def feed(happened: Input) -> None:
        heard.append(happened)

    workshop = Workshop(nursery, feed, lambda: 0)
    workshop.host(agents)
    return Hosted((capability(manifest, described, {}),), agents, workshop, feed, heard)


def test_whatever_was_measured_peers_can_read_it(tmp_path: Path) -> None:
    described = Description("llamacpp", "echo", "echo", 8192, 4)
    tests = SelfTests(tmp_path, lambda: DAY)
    tests.keep(described, Measured(10**12, 1e300, 1e9, 4, 8192, ()))
    found = tests.find(described)
    assert found is not None
    assert (found.first_token_ms, found.many_milli_tokens_per_s) == (2**32 - 1, 2**32 - 1)
    codec = Codec[SelfTest](SelfTest, max_bytes=1000)
    assert codec.decode(codec.encode(found)) == found


async def test_an_adapter_is_measured_for_itself(
    tmp_path: Path, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    adapted = AdaptedEngine(Ours(), "echo:poet")
    plain, _, workshop, feed, heard = await hosted(adapted, tmp_path, nursery)
    tests = SelfTests(tmp_path, lambda: DAY)
    await measure_when_idle(tests, lambda: plain, workshop, feed, 60)
    (changed,) = heard
    assert isinstance(changed, AgentsChanged)
    assert [(one.model, one.self_test is None) for one in changed.agents] == [("echo:poet", False)]
    assert tests.find(await adapted.server.describe()) is None


async def test_it_is_measured_once_when_nobody_works(
    tmp_path: Path, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    engine = Ours()
    plain, agents, workshop, feed, heard = await hosted(engine, tmp_path, nursery)
    tests = SelfTests(tmp_path, lambda: DAY)
    assert tests.added(plain, agents) == plain
    await measure_when_idle(tests, lambda: plain, workshop, feed, 0)
    assert not engine.asked, "0 never measures"
    began = trio.current_time()
    await measure_when_idle(tests, lambda: plain, workshop, feed, 60)
    assert trio.current_time() - began > 60
    (changed,) = heard
    assert isinstance(changed, AgentsChanged)
    (record,) = changed.agents
    assert CAPABILITY.decode(CAPABILITY.encode(record)) == record
    found = record.self_test
    assert found is not None
    assert (found.day, found.many, found.features) == (DAY, 4, ("json_schema",))
    assert found.first_token_ms == pytest.approx(50, abs=2)
    assert 0 < found.one_milli_tokens_per_s < found.many_milli_tokens_per_s

    asked = engine.asked
    later = SelfTests(tmp_path, lambda: DAY + limits.SELF_TEST_DAYS - 1)
    assert later.added(plain, agents) == changed.agents, "a start writes what is written already"
    await measure_when_idle(later, lambda: plain, workshop, feed, 60)
    assert engine.asked == asked
    weeks = SelfTests(tmp_path, lambda: DAY + limits.SELF_TEST_DAYS)
    assert weeks.added(plain, agents) == plain
    for junk in (b"", b"[1]", b'{"a": {"features": 3}}', b"{" * 10_000):
        (tmp_path / FILE).write_bytes(junk)
        assert SelfTests(tmp_path).added(plain, agents) == plain
    nursery.cancel_scope.cancel()


class Dies(Ours):
    """Its server is killed under the second request and each later one."""

    @asynccontextmanager
    async def _generate(self, request: Request) -> AsyncIterator[AsyncIterator[Event]]:
        async with super()._generate(request) as stream:
            yield stream
        if self.asked > 1:
            raise EngineUnavailable("the model server broke off in mid-answer: killed")


async def test_a_server_that_dies_while_it_is_measured_leaves_the_node_alone(
    tmp_path: Path, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    engine = Dies()
    plain, _, workshop, feed, heard = await hosted(engine, tmp_path, nursery)
    await measure_when_idle(SelfTests(tmp_path), lambda: plain, workshop, feed, 60)
    assert engine.asked == 2
    assert heard == [AgentsChanged(plain)], "it is announced without a result"
    nursery.cancel_scope.cancel()
