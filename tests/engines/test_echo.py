"""The scripted engine: inside the process, and as the program that others start."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from symphony.core.tasks.plan import parse_plan
from symphony.core.tasks.plan_forms import plan_schema
from symphony.engines.base import Choice, JsonSchema, Message, NoConstraint, Regex
from symphony.engines.constraints import check_output
from symphony.engines.openai import OpenAIEngine
from symphony.errors import EngineError
from symphony.testing.echo import EchoEngine, Script, pieces

from .conftest import ask, run


def reply(text: str, constraint: object = NoConstraint()) -> str:
    return Script().reply([Message("user", text)], constraint)  # type: ignore[arg-type]


def test_the_script():
    assert reply("What is 6 x 7?") == "42"
    assert reply("Go.\nANSWER: blue whale \nbye") == "blue whale"
    assert reply("ANSWER: b", Choice(("a", "b"))) == "b"
    with pytest.raises(EngineError):
        reply("x", Regex("a"))


@pytest.mark.parametrize("skills", [(), ("math", "logic")])
def test_plans_have_three_sequential_steps(skills: tuple[str, ...]):
    schema = JsonSchema(plan_schema(skills))
    text = reply("How far is it? " * 50, schema)
    check_output(schema, text)
    assert [step.needs for step in parse_plan(text).steps] == [(), ("s1",), ("s2",)]


def test_a_plan_with_one_schema_for_all_steps():
    item = {
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "task": {"type": "string", "maxLength": 12},
            "depends_on": {"type": "array", "items": {"type": "integer"}},
        },
    }
    schema = {"type": "object", "properties": {"steps": {"type": "array", "items": item}}}
    steps = json.loads(reply("Go", JsonSchema(schema)))["steps"]
    assert [step["depends_on"] for step in steps] == [[], [1], [2]]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "minimum": 50},
        {"type": "boolean"},
        {"type": "null"},
        {"const": [1]},
        {"enum": ["a", "b"]},
        {"type": "string", "minLength": 5, "maxLength": 5},
        {"type": "array", "items": {"type": "number"}, "minItems": 2},
        {
            "type": "object",
            "properties": {"answer": {"type": "string"}, "other": {"type": "integer"}},
            "required": ["answer"],
            "additionalProperties": False,
        },
    ],
)
def test_other_schemas_are_satisfied(schema: dict[str, object]):
    check_output(JsonSchema(schema), reply("?", JsonSchema(schema)))


@given(st.text())
def test_pieces_lose_nothing_that_is_said(text: str):
    assert "".join(pieces(text)) == text


async def test_the_engine_in_the_process(autojump_clock: trio.testing.MockClock):
    engine = EchoEngine(latency_ms=200)
    before = trio.current_time()
    text, end = await run(engine, ask())
    assert (text, end.reason, end.engine) == ("three blind mice", "stop", "echo")
    assert trio.current_time() - before == pytest.approx(0.2)
    with pytest.raises(EngineError, match="deadline"):
        await run(engine, ask(deadline_ms=100))
    async with engine.generate(ask()) as stream:
        await anext(stream)
    assert (engine.active, engine.aborted) == (0, 2)


def test_the_program():
    command = [sys.executable, "-m", "symphony.testing.echo_server", "--latency-ms", "5"]
    command += ["--until-stdin-closes", "--answer", "7"]

    async def talk(url: str) -> None:
        engine = OpenAIEngine(url, model="echo")
        assert (await run(engine, ask("How many days?")))[0] == "7"
        assert "echo-hang" in json.dumps(await engine.list_models())
        await engine.aclose()

    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        word, url = server.stdout.readline().split()
        assert word == "ready"
        trio.run(talk, url)
        assert server.stdin is not None
        server.stdin.close()
        assert server.wait(10) == 0
