"""The contract of an engine, over real HTTP against the scripted server."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from symphony.capacity import Load
from symphony.core.tasks.plan import parse_plan
from symphony.core.tasks.plan_forms import plan_schema
from symphony.engines import limits
from symphony.engines.base import Feature, Finished, Grammar, JsonSchema
from symphony.engines.load import read_counters
from symphony.engines.openai import OpenAIEngine
from symphony.engines.slots import Slots
from symphony.errors import (
    ConfigError,
    ConstraintViolated,
    EngineError,
    EngineOverloaded,
    EngineUnavailable,
    UsageError,
)
from symphony.testing.echo_server import FAULTS

from .conftest import EchoServer, ask, run


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("messages", (), "64 messages"),
        ("max_tokens", 0, "max_tokens"),
        ("temperature", 2.1, "temperature"),
        ("top_p", 0.0, "top_p"),
        ("deadline_ms", limits.DEADLINE_MS + 1, "deadline_ms"),
        ("stop", ("",), "stops"),
    ],
)
def test_a_request_outside_its_bounds_says_which(field: str, value: object, wanted: str):
    with pytest.raises(UsageError, match=wanted):
        replace(ask(), **{field: value})


async def test_a_whole_generation(echo: EchoServer):
    engine = echo.engine()
    text, end = await run(engine, ask("Say it. ANSWER: three blind mice"))
    assert text == "three blind mice"
    assert end == Finished("stop", 6, 3, None, "echo", "openai")
    await engine.aclose()


@pytest.mark.parametrize("text", ["é", "你好 world 😀", "tab\there", "e\u0301 \u200b."])
async def test_unicode_comes_back_as_it_went(echo: EchoServer, text: str):
    engine = echo.engine()
    assert (await run(engine, ask(f"ANSWER: {text}")))[0] == text
    await engine.aclose()


async def test_describe_measures_instead_of_trusting(echo: EchoServer):
    engine = echo.engine()
    found = await engine.describe()
    assert found.features == {Feature.JSON_SCHEMA, Feature.CHOICE}
    assert (found.model, found.context_tokens, found.engine) == ("echo", 8192, "openai")
    before = echo.echo.stats.calls
    await engine.describe()
    assert echo.echo.stats.calls == before, "the probes are run once"
    await engine.aclose()


async def test_the_first_model_is_taken_when_none_is_named(echo: EchoServer):
    engine = OpenAIEngine(echo.url + "/v1/")
    assert (await run(engine, ask()))[1].model == "echo"
    await engine.aclose()


async def test_a_plan_is_forced_by_its_schema(echo: EchoServer):
    engine = echo.engine()
    schema = JsonSchema(plan_schema(("math",)))
    text, _ = await run(engine, ask("What is 2 + 3?", constraint=schema))
    plan = parse_plan(text)
    assert [step.needs for step in plan.steps] == [(), ("s1",), ("s2",)]
    await engine.aclose()


async def test_what_the_server_ignores_is_refused(echo: EchoServer):
    engine = echo.engine()
    with pytest.raises(EngineError, match="does not honour a grammar"):
        await run(engine, ask(constraint=Grammar('root ::= "a"')))
    await engine.aclose()


BROKEN = {
    "echo-garbage": (EngineUnavailable, "finish reason"),
    "echo-huge": (EngineError, "longer than"),
    "echo-long-line": (EngineError, "line"),
    "echo-hang": (EngineError, "deadline"),
    "echo-stall": (EngineError, "deadline"),
    "echo-500": (EngineError, "HTTP 500: told to fail"),
    "echo-overload": (EngineOverloaded, "429"),
    "echo-die": (EngineUnavailable, "broke off"),
    "echo-mid-error": (EngineError, "told to fail"),
    "echo-unfinished": (EngineUnavailable, "finish reason"),
}


@pytest.mark.parametrize("model", BROKEN)
async def test_each_fault_ends_in_its_error(echo: EchoServer, model: str):
    kind, words = BROKEN[model]
    engine = echo.engine(model)
    with trio.fail_after(20), pytest.raises(kind, match=words) as caught:
        await run(engine, ask(deadline_ms=1000 if "deadline" in words else 20_000))
    assert type(caught.value) is kind
    if isinstance(caught.value, EngineOverloaded):
        assert caught.value.retry_after_ms == 2000
    healthy = echo.engine()
    assert (await run(healthy, ask()))[0] == "three blind mice", "the server goes on"
    await healthy.aclose()
    await engine.aclose()


def test_every_fault_is_tested():
    others = {"echo-half-json", "echo-empty", "echo-no-usage", "echo-cut"}
    assert set(FAULTS) == set(BROKEN) | others


async def test_half_json_does_not_pass_for_json(echo: EchoServer):
    from symphony.engines.dialect import LLAMACPP

    engine = echo.engine("echo-half-json", dialect=LLAMACPP)  # it claims to honour schemas
    with pytest.raises(ConstraintViolated, match="not JSON"):
        await run(engine, ask(constraint=JsonSchema(plan_schema(("math",)))))
    await engine.aclose()


async def test_an_empty_answer_is_an_answer(echo: EchoServer):
    engine = echo.engine("echo-empty")
    assert (await run(engine, ask()))[0] == ""
    await engine.aclose()


async def test_uncounted_tokens_are_marked_as_estimated(echo: EchoServer):
    engine = echo.engine("echo-no-usage")
    _, end = await run(engine, ask())
    assert (end.usage_estimated, end.completion_tokens) == (True, 3)
    await engine.aclose()


async def test_a_cut_answer_says_so(echo: EchoServer):
    engine = echo.engine("echo-cut")
    text, end = await run(engine, ask())
    assert (text, end.reason) == ("three", "length")
    await engine.aclose()


async def test_waiting_for_a_slot_is_under_the_deadline(echo: EchoServer):
    engine = echo.engine("echo-hang", concurrency=1)
    with pytest.raises(EngineError, match="deadline"):
        async with engine.generate(ask()):
            await run(engine, ask(deadline_ms=50))
    await engine.aclose()


async def test_nobody_there():
    engine = OpenAIEngine("http://127.0.0.1:9", model="x")
    assert not (await engine.health()).ok
    with pytest.raises(EngineUnavailable) as caught:
        await run(engine, ask())
    assert "start the model server" in caught.value.hint
    await engine.aclose()


def test_an_address_must_be_http():
    with pytest.raises(ConfigError):
        OpenAIEngine("localhost:8000")


async def test_five_nodes_at_once_keep_the_latency(echo: EchoServer):
    engines = [echo.engine(concurrency=8) for _ in range(5)]
    texts: list[str] = []

    async def one(engine: OpenAIEngine) -> None:
        texts.append((await run(engine, ask()))[0])

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            for engine in engines * 8:
                nursery.start_soon(one, engine)
    assert texts == ["three blind mice"] * 40
    assert echo.echo.stats.completed == 40
    for engine in engines:
        await engine.aclose()


async def test_the_owner_goes_first_and_the_swarm_is_not_starved(autojump_clock: MockClock):
    slots, order = Slots(1), []

    async def one(name: str, own: bool, started: trio.Event) -> None:
        async with slots.take(trio.current_time() + 60, own=own):
            started.set()
            order.append(name)
            await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        for name in ("s1", "s2", "s3", "o1", "o2", "o3", "o4", "o5"):
            nursery.start_soon(one, name, name.startswith("o"), started := trio.Event())
            if name == "s1":
                await started.wait()
            await trio.testing.wait_all_tasks_blocked()
        assert slots.waiting == 7
    assert order == ["s1", "o1", "o2", "o3", "s2", "o4", "o5", "s3"]


async def test_strangers_can_not_fill_the_queue_of_the_owner(autojump_clock: MockClock):
    slots = Slots(1)

    async def one(own: bool) -> None:
        async with slots.take(trio.current_time() + 60, own=own):
            await trio.sleep(5)

    async with trio.open_nursery() as nursery:
        for _ in range(1 + limits.WAITING_PER_SLOT):
            nursery.start_soon(one, False)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(EngineOverloaded):
            await one(False)
        await one(True)
        assert slots.waiting >= limits.WAITING_PER_SLOT - 1, "it went first"
        nursery.cancel_scope.cancel()
    assert slots.waiting == 0
    await one(False)  # no slot was lost by giving up


def test_counters_of_both_servers_are_read():
    page = (
        "# HELP nonsense\nllamacpp:requests_processing 2\nllamacpp:prompt_tokens_total 7\n"
        'vllm:kv_cache_usage_perc{engine="0"} 0.25\nvllm:num_requests_waiting{engine="0"} 1.0\n'
        'vllm:num_requests_waiting{engine="1"} 2.0\nllamacpp:tokens_predicted_total nan\nbroken'
    )
    assert read_counters(page, 3) == Load(3, 2, 3, 250_000, 7)
    for absurd in ("1e303", "1e309", "-1", "1e20", "9" * 400, "inf"):
        line = f"\nvllm:kv_cache_usage_perc {absurd}\nvllm:generation_tokens_total {absurd}"
        assert read_counters(page + line, 3) == Load(3, 2, 3, 250_000, 7), absurd
