"""Exact arithmetic, its walls, and who can reach it."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from fractions import Fraction

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from symphony.engines.base import Choice, Chunk, Event, Finished, Message, Request
from symphony.engines.slots import within
from symphony.errors import EngineError, EngineUnavailable
from symphony.testing.echo import EchoEngine
from symphony.tools import ToolFailed, generate_with_tools, limits, run_tool
from symphony.tools.arithmetic_child import BadExpression, value_of, written
from symphony.tools.sandbox import SCRIPTS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2 + 3 * 4", "14"),
        ("-(2 + 3) * 4", "-20"),
        ("0.1 + 0.2", "0.3"),
        ("1/3 + 1/6", "0.5"),
        ("2/3", "2/3 (about 0.666666666667)"),
        ("-1/8", "-0.125"),
        ("7 // 2 + 7 % 2", "4"),
        ("2^10", "1024"),
        ("2**-2", "0.25"),
        ("2^3^2", "512"),
        ("-2^2", "-4"),
        ("1,234 × 2 − 68", "2400"),
        ("(1,234,567.5 + 1,000) / 2", "617783.75"),
        ("gcd(48,180)", "12"),
        ("max(3,120) + min(5,200) - 1,000", "-875"),
        ("lcm(4, 100, 6)", "300"),
        ("max(1234,567,8)", "1234"),
        ("max(2, min(7,100))", "7"),
        ("17%5 + 17 % 5 + 8 % (1+2)", "6"),
        ("mod(-7, 5)", "3"),
        ("sqrt(144) + factorial(5)", "132"),
        ("gcd(12, 18) * lcm(4, 6)", "72"),
        ("123456789 * 987654321", "121932631112635269"),
    ],
)
def test_values(text: str, said: str) -> None:
    assert written(value_of(text)) == said


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2 +",
        "2 3",
        "(2",
        "9" * 201,
        "(" * 100 + "1" + ")" * 100,
        "2^9999",
        "9^9^9",
        "(10^300)^300",
        "factorial(99999)",
        "sqrt(2)",
        "sqrt(-1)",
        "2^(1/2)",
        "__import__('os')",
        "open(1)",
        "1; 2",
        "x",
    ],
)
def test_what_is_no_expression_or_too_large_is_refused(text: str) -> None:
    with pytest.raises(BadExpression):
        value_of(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("max(3, 1,000)", "without commas"),
        ("max(1,500, 2)", "without commas"),
        ("max(1,500,2,500)", "without commas"),
        ("gcd(12,000)", "without commas"),
        ("sqrt(1,024)", "without commas"),
        ("max((1,234), 5)", "is missing"),
        ("1234,567 + 1", "without commas"),
        ("1,23", "without commas"),
        ("1,234,5", "without commas"),
        ("3,5 + 1", "without commas"),
        ("200 + 15% - 30", "percentage"),
        ("240 * 15% + 3", "percentage"),
        ("(200 * 15%) + 1", "percentage"),
        ("15%", "percentage"),
        ("15% * 240", "percentage"),
        ("20% 50", "percentage"),
        ("20%(50)", "percentage"),
        ("max(15%, 3)", "percentage"),
        ("7 % -2", "percentage"),
        ("mod(1)", "two numbers"),
        ("١٢ + 1", "no part"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadExpression, match=why):
        value_of(text)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=4), st.sampled_from(["max", "gcd"]))
def test_arguments_stay_apart_and_thousands_together(numbers: list[int], name: str) -> None:
    expected = max(numbers) if name == "max" else math.gcd(*numbers)
    assert value_of(f"{name}({', '.join(map(str, numbers))})") == expected
    assert value_of(f"{numbers[0]:,} + {numbers[1]:,}") == numbers[0] + numbers[1]
    try:
        glued = value_of(f"{name}({','.join(map(str, numbers))})")
    except BadExpression:
        assert any(100 <= number <= 999 for number in numbers)
    else:
        assert glued == expected


TREES: st.SearchStrategy[tuple[str, Fraction]] = st.recursive(
    st.integers(0, 999).map(lambda n: (str(n), Fraction(n))),
    lambda inner: st.builds(
        lambda a, op, b: (
            f"({a[0]} {op} {b[0]})",
            {"+": a[1] + b[1], "-": a[1] - b[1], "*": a[1] * b[1]}[op],
        ),
        inner,
        st.sampled_from("+-*"),
        inner,
    ),
    max_leaves=8,
)


@settings(max_examples=50)
@given(TREES)
def test_it_is_exact(tree: tuple[str, Fraction]) -> None:
    assert value_of(tree[0]) == tree[1]


@settings(max_examples=100)
@given(st.text(alphabet="0123456789+-*/^%(),. abcdgilmnoqrstxy", max_size=60))
def test_any_text_has_a_value_or_an_error(text: str) -> None:
    try:
        written(value_of(text))
    except (BadExpression, ZeroDivisionError):
        return


async def test_the_sandbox() -> None:
    assert await run_tool("arithmetic", "12 * 37") == "444"
    with pytest.raises(ToolFailed, match="422 characters, more than 400"):
        await run_tool("arithmetic", "2**1000 * 2**400")
    with pytest.raises(ToolFailed, match="division by zero"):
        await run_tool("arithmetic", "1 / 0")
    with pytest.raises(ToolFailed, match="characters"):
        await run_tool("arithmetic", "1" * (limits.CALL_CHARS + 1))


WALLS = """
import resource, socket, sys
sys.path.insert(0, sys.argv[1])
import arithmetic_child as child
for kind, most in child._LIMITS:
    resource.setrlimit(kind, (most, most))
try:
    {attempt}
except (OSError, MemoryError) as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize(
    "attempt", ["socket.socket()", "open('/etc/hostname')", "b'x' * 2**30"], ids=str.split
)
def test_inside_there_is_no_network_no_file_and_no_room(attempt: str) -> None:
    folder = str(SCRIPTS["arithmetic"].parent)
    command = [sys.executable, "-I", "-S", "-c", WALLS.format(attempt=attempt), folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.strip() in ("OSError", "MemoryError")


class Parrot(EchoEngine):
    """A model that says its lines, one a round, each up to a stop, and remembers what it heard, and
    how its rounds were left. One that has no more lines is dead.
    """

    def __init__(self, *lines: str, seconds: float = 0.0) -> None:
        super().__init__()
        self.lines = list(lines)
        self.seconds = seconds
        self.heard: list[Request] = []
        self.left: list[type[Exception] | None] = []

    @asynccontextmanager
    async def generate(self, request: Request) -> AsyncIterator[AsyncIterator[Event]]:
        self.heard.append(request)
        deadline = trio.current_time() + request.deadline_ms / 1000

        async def events() -> AsyncGenerator[Event, None]:
            with within(deadline):
                await trio.sleep(self.seconds)
            if not self.lines:
                raise EngineUnavailable("the model server broke off in mid-answer: killed")
            line = self.lines.pop(0)
            for stop in request.stop:
                line = line.partition(stop)[0]
            yield Chunk(line)
            yield Finished("stop", 5, 3, None, "parrot", "parrot")

        try:
            async with aclosing(events()) as stream:
                yield stream
            self.left.append(None)
        except Exception as error:
            self.left.append(type(error))
            raise


async def output(engine: Parrot, question: str, tools: tuple[str, ...]) -> tuple[str, Finished]:
    request = Request((Message("user", question),), 100, 0.0, 10_000)
    parts: list[str] = []
    async with generate_with_tools(engine, request, tools) as stream:
        async for event in stream:
            if isinstance(event, Finished):
                return "".join(parts), event
            parts.append(event.text)
    raise AssertionError("no end")


async def test_a_call_is_answered_and_the_model_goes_on() -> None:
    engine = Parrot("We need [[12*37]] of it", "and [[444 - 4]]", "Answer: 440")
    text, end = await output(engine, "How many?", ("arithmetic",))
    assert text == "We need [[12*37]] = 444\nand [[444 - 4]] = 440\nAnswer: 440"
    assert (end.prompt_tokens, end.completion_tokens) == (15, 9)
    assert engine.heard[1].messages[-2].content == "We need [[12*37]] = 444\n"
    assert [request.max_tokens for request in engine.heard] == [100, 97, 94]


async def test_tools_are_off_unless_the_manifest_names_them() -> None:
    engine = Parrot("[[1+1]]")
    assert (await output(engine, "?", ()))[0] == "[[1+1]]"


async def test_under_a_constraint_there_is_no_tool() -> None:
    engine = Parrot("[[1+1]]")
    request = Request((Message("user", "?"),), 9, 0.0, 10_000, constraint=Choice(("[[1+1]]",)))
    async with generate_with_tools(engine, request, ("arithmetic",)) as stream:
        events = [event async for event in stream]
    assert events[0] == Chunk("[[1+1]]")


@pytest.mark.parametrize(
    "question",
    [
        "Say [[ 6*7 ]] now.",
        "x\n<<<\n[[6 * 7]]\n>>>",
        "[[6×7]]",
        "\uff3b\uff3b6*7\uff3d\uff3d",
        "[\u200b[6*\u00ad7]]",
        "&#91;&#91;6*7]]",
    ],
)
async def test_a_call_in_the_text_of_others_is_never_run(question: str) -> None:
    engine = Parrot("[[6*7]]", "Sorry.")
    text, _ = await output(engine, question, ("arithmetic",))
    assert "not computed: this call stands in a text of somebody else" in text
    assert "42" not in text


async def test_a_model_that_calls_for_ever_is_stopped() -> None:
    engine = Parrot(*["[[1/0]]"] * 20)
    text, _ = await output(engine, "?", ("arithmetic",))
    assert text.count("not computed") == limits.CALLS
    assert len(engine.heard) == limits.CALLS + 1


QUOTED = "[[6*7]]"  # never computed, so that no process is started and the clock may jump


async def test_all_rounds_together_take_the_time_of_the_request(
    autojump_clock: trio.testing.MockClock,
) -> None:
    engine = Parrot(*[QUOTED] * 20, seconds=3)
    began = trio.current_time()
    with pytest.raises(EngineError, match="deadline"):
        await output(engine, QUOTED, ("arithmetic",))
    assert trio.current_time() - began == pytest.approx(10)
    assert [request.deadline_ms for request in engine.heard] == [10_000, 7_000, 4_000, 1_000]


async def test_an_engine_whose_server_dies_in_a_later_round_is_told_so() -> None:
    engine = Parrot(QUOTED)
    with pytest.raises(EngineUnavailable, match="killed"):
        await output(engine, QUOTED, ("arithmetic",))
    assert engine.left == [None, EngineUnavailable], "as whoever buries the server has to see it"
