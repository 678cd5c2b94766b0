"""What a node measures of its own model servers, and says in its capability records."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from symphony.core.inputs import AgentsChanged, Input
from symphony.core.records import CAPABILITY
from symphony.engines.base import Choice, Description, Event, Feature, Request
from symphony.engines.supervised import SupervisedEngine
from symphony.errors import ConstraintViolated
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
    async def _generate(self, request: Request) -> AsyncIterator[AsyncIterator[Event]]:
        self.asked += 1
        async with self.echo.generate(request) as stream:
            yield stream
        if isinstance(request.constraint, Choice):
            raise ConstraintViolated("the output is none of the options")


async def test_it_is_measured_once_when_nobody_works(
    tmp_path: Path, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    (tmp_path / "agent.yaml").write_text(MANIFEST)
    (tmp_path / "prompt.md").write_text("Answer.\n")
    engine, manifest = Ours(), load_manifest(tmp_path)
    agents = {"solver": HostedAgent(manifest, engine, await engine.describe())}
    plain = (capability(manifest, await engine.describe(), {}),)
    heard: list[Input] = []

    async def feed(happened: Input) -> None:
        heard.append(happened)

    workshop = Workshop(nursery, feed, lambda: 0)
    workshop.host(agents)
    tests = SelfTests(tmp_path, lambda: DAY)
    assert tests.added(plain, agents) == plain
    await measure_when_idle(tests, plain, workshop, feed, 0)
    assert not engine.asked, "0 never measures"
    began = trio.current_time()
    await measure_when_idle(tests, plain, workshop, feed, 60)
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
    await measure_when_idle(later, plain, workshop, feed, 60)
    assert engine.asked == asked
    weeks = SelfTests(tmp_path, lambda: DAY + limits.SELF_TEST_DAYS)
    assert weeks.added(plain, agents) == plain
    for junk in (b"", b"[1]", b'{"a": {"features": 3}}', b"{" * 10_000):
        (tmp_path / FILE).write_bytes(junk)
        assert SelfTests(tmp_path).added(plain, agents) == plain
    nursery.cancel_scope.cancel()
