"""A model that answers garbage, half a JSON, nothing or without end: the work fails by name."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs

from symphony import errors
from symphony.core.effects import StartWork
from symphony.core.ids import Epoch, UnitId
from symphony.core.inputs import Input, WorkDone, WorkFailed
from symphony.core.messages import Order
from symphony.engines.base import Description
from symphony.engines.dialect import Dialect
from symphony.engines.openai import OpenAIEngine
from symphony.errors import EngineError, SymphonyError
from symphony.manifests import load_manifest
from symphony.node.failures import told_reason
from symphony.node.workshop import HostedAgent, Workshop

from .conftest import EchoServer, write_agent

NAMED = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, SymphonyError)
}
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
    teller = echo.engine()
    described = await teller.describe()
    engine = echo.engine(model, dialect=teller._dialect)
    left_ms = 600 if model == "echo-hang" else 20_000
    outcome = await outcome_of(engine, described, order, tmp_path, left_ms)
    await teller.aclose()
    if code is None:
        assert isinstance(outcome, WorkDone)
        assert outcome.output == "", "the core makes a failure of it (tests/core/test_core_results)"
    else:
        assert isinstance(outcome, WorkFailed)
        assert outcome.reason == told_reason(NAMED[code]("a detail"))


async def outcome_of(
    engine: OpenAIEngine, described: Description, order: Order, folder: Path, left_ms: int
) -> WorkDone | WorkFailed:
    """What the workshop tells the core of one order; closes the engine."""
    manifest = load_manifest(write_agent(folder))
    send, receive = trio.open_memory_channel[Input](8)
    try:
        async with trio.open_nursery() as nursery:
            workshop = Workshop(nursery, send.send, lambda: round(trio.current_time() * 1000))
            workshop.host({"solver": HostedAgent(manifest, engine, described)})
            deadline_ms = round(trio.current_time() * 1000) + left_ms
            workshop.start(StartWork(UnitId(bytes(16)), Epoch(1), "solver", order, deadline_ms))
            with trio.fail_after(20):
                outcome = await receive.receive()
                while not isinstance(outcome, WorkDone | WorkFailed):
                    outcome = await receive.receive()
            nursery.cancel_scope.cancel()
    finally:
        await engine.aclose()
    return outcome


async def test_what_a_server_says_stays_on_the_node_that_asked_it(
    echo: EchoServer, tmp_path: Path, nursery: trio.Nursery
):
    async def repeat(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some(65_536)
            said = b"no: a private question"
            head = b"HTTP/1.1 400 No\r\ncontent-length: %d\r\n\r\n" % len(said)
            await stream.send_all(head + said)

    listeners = await nursery.start(partial(trio.serve_tcp, repeat, 0, host="127.0.0.1"))
    port = listeners[0].socket.getsockname()[1]
    teller = echo.engine()
    described = await teller.describe()
    await teller.aclose()
    url = f"http://me:pw-word@127.0.0.1:{port}"
    engine = OpenAIEngine(url, model="m", dialect=Dialect(frozenset()))
    question = Order("solve", "a private question")
    with capture_logs() as lines:
        outcome = await outcome_of(engine, described, question, tmp_path, 20_000)
    assert isinstance(outcome, WorkFailed)
    assert outcome.reason == told_reason(EngineError(""))
    (line,) = [line for line in lines if line["event"] == "work_failed"]
    assert (line["code"], line["log_level"]) == ("engine_failed", "warning")
    assert "HTTP 400: no: a private question" in line["reason"], (
        "the own user needs the server's word"
    )
    assert "pw-word" not in str(lines)
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("kind", [*NAMED.values(), ValueError, UnicodeDecodeError])
def test_no_detail_of_any_error_leaves_the_node(kind: type[Exception]):
    words = ("http://me:pw@h:1",)
    error = kind("utf-8", b"", 0, 1, *words) if kind is UnicodeDecodeError else kind(*words)
    reason = told_reason(error)
    assert "pw" not in reason
    assert len(reason) < 300
