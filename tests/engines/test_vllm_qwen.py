"""The converted qwen2.5-coder-1.5b behind vLLM: that model, not only something that talks.

What it is asked only real weights get right, all of them in their places: exact sums, values that
fit a schema *and* the question, its own words told from those of others.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from symphony.engines import EngineSpec, open_engine
from symphony.engines.base import Choice, Feature, JsonSchema, Message, Regex, Request
from symphony.engines.constraints import check_output
from symphony.engines.vllm_server import VllmEngine
from symphony.testing.engine_contract import said

from .vllm_stage import PATIENCE_MS

pytestmark = [pytest.mark.real, pytest.mark.slow]

SHELF = "A shelf has 3 rows with 24 books each. 15 books are taken away. How many books remain?"
ORDER = (
    "Anna Novak from Prague paid 12 dollars for 4 notebooks and 10 dollars for 2 pens. Write it as "
    "JSON: customer, city, number_of_notebooks, price_of_notebooks, number_of_pens, price_of_pens."
)
BOUGHT = {
    "customer": "Anna Novak",
    "city": "Prague",
    "number_of_notebooks": 4,
    "price_of_notebooks": 12,
    "number_of_pens": 2,
    "price_of_pens": 10,
}
BILL = JsonSchema(
    {
        "type": "object",
        "properties": {
            name: {"type": "string", "maxLength": 20}
            if isinstance(value, str)
            else {"type": "integer"}
            for name, value in BOUGHT.items()
        },
        "required": list(BOUGHT),
        "additionalProperties": False,
    }
)


def asking(text: str, max_tokens: int = 40) -> Request:
    return Request((Message("user", text),), max_tokens, 0.0, PATIENCE_MS)


@asynccontextmanager
async def served() -> AsyncIterator[VllmEngine]:
    """As a node opens it: by its name."""
    with trio.fail_after(PATIENCE_MS / 1000):
        async with open_engine(EngineSpec("vllm", model="qwen2.5-coder-1.5b")) as engine:
            assert isinstance(engine, VllmEngine)
            yield engine


async def test_the_larger_model(qwen_for_vllm: Path) -> None:
    del qwen_for_vllm
    async with served() as engine:
        described = await engine.describe()
        assert (described.model, described.lineage) == ("qwen2.5-coder-1.5b", "qwen2.5")
        wanted = {Feature.JSON_SCHEMA, Feature.CHOICE, Feature.REGEX, Feature.PROMPT_LOGPROBS}
        assert wanted <= described.features
        await computes(engine)
        await fills_a_schema(engine)
        await chooses(engine)
        await follows_a_pattern(engine)
        await knows_its_words(engine)


async def computes(engine: VllmEngine) -> None:
    text = await said(engine, asking(SHELF, 160))
    assert "57" in text
    sums = {"17 + 26": "43", "9 * 13": "117", "144 / 12": "12"}
    for sum_, value in sums.items():
        text = await said(engine, asking(f"What is {sum_}? Reply with the number only.", 8))
        assert text.strip().rstrip(".") == value, sum_


async def fills_a_schema(engine: VllmEngine) -> None:
    text = await said(engine, replace(asking(ORDER, 100), constraint=BILL))
    check_output(BILL, text)
    assert json.loads(text) == BOUGHT


async def chooses(engine: VllmEngine) -> None:
    """Of the same three words, by the question."""
    options = Choice(("Berlin", "Paris", "Rome"))
    for country, city in (("Italy", "Rome"), ("France", "Paris"), ("Germany", "Berlin")):
        question = asking(f"What is the capital of {country}?", 8)
        assert await said(engine, replace(question, constraint=options)) == city


async def follows_a_pattern(engine: VllmEngine) -> None:
    pattern = Regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
    question = asking("On which date did Apollo 11 land on the Moon? Reply as YYYY-MM-DD.", 16)
    text = await said(engine, replace(question, constraint=pattern))
    check_output(pattern, text)
    assert text == "1969-07-20"


async def knows_its_words(engine: VllmEngine) -> None:
    """Prompt log-probabilities: its own words, right ones of another, and nonsense, in order."""
    messages = (Message("user", SHELF),)
    own = await said(engine, asking(SHELF, 60))
    honest = await engine.score(messages, own)
    other = await engine.score(messages, "Seventy-two minus fifteen leaves fifty-seven of them.")
    forged = await engine.score(messages, "zebra seven violin quickly under the moon")
    assert honest.first_ppm > 800_000
    assert honest.mean_logprob > other.mean_logprob + 0.5
    assert other.mean_logprob > forged.mean_logprob + 1
    assert forged.first_ppm < 500_000
