"""The contract of an engine, over real HTTP against the scripted server."""

from __future__ import annotations

import json

import httpx2
import pytest
import trio

from symphony.core.plan import parse_plan
from symphony.core.plan_forms import plan_schema
from symphony.engines import limits
from symphony.engines.base import Choice, Chunk, Feature, Finished, Grammar, JsonSchema
from symphony.engines.openai import OpenAIEngine
from symphony.errors import (
    ConfigError,
    ConstraintViolated,
    EngineError,
    EngineOverloaded,
    EngineUnavailable,
)
from symphony.testing.echo_server import FAULTS

from .conftest import EchoServer, ask, run, until


async def test_a_whole_generation(echo: EchoServer):
    engine = echo.engine()
    text, end = await run(engine, ask("Say it. ANSWER: three blind mice"))
    assert text == "three blind mice"
    assert end == Finished("stop", 6, 3, None, "echo", "openai")
    await engine.aclose()


async def test_it_streams(echo: EchoServer):
    engine = echo.engine()
    async with engine.generate(ask()) as stream:
        assert await anext(stream) == Chunk("three")
        assert echo.echo.stats.active == 1
    await engine.aclose()


@pytest.mark.parametrize("text", ["é", "你好 world 😀", "tab\there", "e\u0301 \u200b."])
async def test_unicode_comes_back_as_it_went(echo: EchoServer, text: str):
    engine = echo.engine()
    assert (await run(engine, ask(f"ANSWER: {text}")))[0] == text
    await engine.aclose()


async def test_the_empty_prompt_and_the_huge_one(echo: EchoServer):
    engine = echo.engine()
    assert (await run(engine, ask("")))[0] == "42"
    room = limits.PROMPT_BYTES
    assert (await run(engine, ask("x" * room)))[0] == "42"
    with pytest.raises(EngineError, match="prompt"):
        await run(engine, ask("x" * (room + 1)))
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


async def test_a_choice_is_forced(echo: EchoServer):
    engine = echo.engine()
    assert (await run(engine, ask("?", constraint=Choice(("B", "A")))))[0] == "B"
    assert (await run(engine, ask("ANSWER: A", constraint=Choice(("B", "A")))))[0] == "A"
    await engine.aclose()


async def test_what_the_server_ignores_is_refused(echo: EchoServer):
    engine = echo.engine()
    with pytest.raises(EngineError, match="does not honour a grammar"):
        await run(engine, ask(constraint=Grammar('root ::= "a"')))
    await engine.aclose()


async def test_leaving_aborts_in_the_server(echo: EchoServer):
    engine = echo.engine("echo-stall", dialect=None)

    async def aborted() -> bool:
        async with httpx2.AsyncClient() as client:
            counted = json.loads((await client.get(echo.url + "/stats")).content)
        return bool(counted["aborted"] == 1 and counted["active"] == 0)

    async with engine.generate(ask()) as stream:
        await anext(stream)
    await until(aborted)
    await engine.aclose()


async def test_cancelling_aborts_in_the_server(echo: EchoServer):
    engine = echo.engine("echo-hang")

    async def counted(name: str, wanted: int) -> bool:
        async with httpx2.AsyncClient() as client:
            stats = json.loads((await client.get(echo.url + "/stats")).content)
        return bool(stats[name] == wanted)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, engine, ask())
        await until(lambda: counted("active", 1))
        nursery.cancel_scope.cancel()
    await until(lambda: counted("aborted", 1))
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


async def test_the_queue_is_bounded(echo: EchoServer):
    engine = echo.engine("echo-hang", concurrency=1)
    refused = 0

    async def one() -> None:
        nonlocal refused
        try:
            await run(engine, ask())
        except EngineOverloaded as error:
            refused += error.retry_after_ms == limits.RETRY_AFTER_MS
            if refused == 3:
                nursery.cancel_scope.cancel()

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            for _ in range(1 + limits.WAITING_PER_SLOT + 3):
                nursery.start_soon(one)
    assert refused == 3
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


async def test_a_model_that_is_not_served_is_named(echo: EchoServer):
    engine = echo.engine("gpt-7")
    with pytest.raises(EngineUnavailable, match="gpt-7"):
        await engine.describe()
    await engine.aclose()


def test_an_address_must_be_http():
    with pytest.raises(ConfigError):
        OpenAIEngine("localhost:8000")


async def test_health(echo: EchoServer):
    engine = echo.engine()
    assert (await engine.health()).ok
    await engine.aclose()


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
