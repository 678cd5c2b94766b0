"""A model that answers garbage, half a JSON, nothing or without end: the work fails by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from symphony.core.effects import StartWork
from symphony.core.ids import Epoch, UnitId
from symphony.core.inputs import Input, WorkDone, WorkFailed
from symphony.core.messages import Order
from symphony.manifests import load_manifest
from symphony.node.workshop import HostedAgent, Workshop

from .conftest import EchoServer

_MANIFEST = """\
apiVersion: symphony/v1alpha1
kind: Agent
metadata: {name: solver}
spec:
  skills: [{name: echo, description: "answers"}]
  engine: {kind: openai, model: echo}
  instructions: prompt.md
"""
PLAN = Order("plan", "How far is it?", skills=("math",))
SOLVE = Order("solve", "ANSWER: 42")
PROSE = Order("solve", "ANSWER: {1", answer_type="json")  # no schema forces the engine


@pytest.mark.parametrize(
    ("model", "order", "code"),
    [
        ("echo-garbage", SOLVE, "engine_unavailable"),
        ("echo-half-json", PLAN, "constraint_violated"),
        ("echo", PROSE, "constraint_violated"),
        ("echo-huge", SOLVE, "engine_failed"),
        ("echo-long-line", SOLVE, "engine_failed"),
        ("echo-die", SOLVE, "engine_unavailable"),
        ("echo-hang", SOLVE, "engine_failed"),
        ("echo-overload", SOLVE, "engine_overloaded"),
        ("echo-empty", SOLVE, None),
    ],
)
async def test_what_becomes_of_the_work(
    echo: EchoServer, tmp_path: Path, model: str, order: Order, code: str | None
):
    (tmp_path / "agent.yaml").write_text(_MANIFEST)
    (tmp_path / "prompt.md").write_text("Answer.\n")
    teller = echo.engine()
    described = await teller.describe()
    engine = echo.engine(model, dialect=teller._dialect)
    send, receive = trio.open_memory_channel[Input](8)
    try:
        async with trio.open_nursery() as nursery:
            workshop = Workshop(nursery, send.send, lambda: round(trio.current_time() * 1000))
            workshop.host({"solver": HostedAgent(load_manifest(tmp_path), engine, described)})
            deadline_ms = round(trio.current_time() * 1000) + (
                600 if model == "echo-hang" else 20_000
            )
            workshop.start(StartWork(UnitId(bytes(16)), Epoch(1), "solver", order, deadline_ms))
            with trio.fail_after(20):
                outcome = await receive.receive()
                while not isinstance(outcome, WorkDone | WorkFailed):
                    outcome = await receive.receive()
            nursery.cancel_scope.cancel()
    finally:
        await engine.aclose()
        await teller.aclose()
    if code is None:
        assert isinstance(outcome, WorkDone)
        assert outcome.output == "", "the core makes a failure of it (tests/core/test_core_results)"
    else:
        assert isinstance(outcome, WorkFailed)
        assert outcome.reason.startswith(f"{code}: ")
        assert len(outcome.reason) < 700
