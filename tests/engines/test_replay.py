"""Recorded outputs behind the protocol of engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from symphony.engines import EngineSpec, Message, Request, explain_choice, open_engine
from symphony.engines.base import Choice
from symphony.errors import ConfigError, EngineError, ModelError, UsageError

from .conftest import ask, run
from .recordings import QUESTIONS, recorded


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return recorded(tmp_path)


async def reply(recording: Path, text: str) -> str:
    async with open_engine(EngineSpec("replay", model=f"{recording}#crab-7b")) as engine:
        return (await run(engine, ask(text)))[0]


@pytest.mark.parametrize(
    ("message", "output"),
    [
        (QUESTIONS["q/1"], "Ten of them.\n\nAnswer: 10"),
        (QUESTIONS["q/2"], "Four?\n\nAnswer: 4"),
        (f"The task:\n{QUESTIONS['q/1']}\n\nThen a last line.", "Ten of them.\n\nAnswer: 10"),
        (QUESTIONS["q/3"], "Who knows."),
    ],
)
async def test_the_recorded_output_follows_its_question(recording, message, output):
    assert await reply(recording, message) == output


@pytest.mark.parametrize(
    "message", ["How many", "how many legs", "How many legs has", "x Is it so?"]
)
async def test_any_other_question_is_refused(recording, message):
    with pytest.raises(EngineError, match="never recorded"):
        await reply(recording, message)


async def test_what_it_says_of_itself(recording):
    spec = EngineSpec("replay", model=f"{recording}#crab-7b")
    assert explain_choice(spec).usable
    async with open_engine(spec) as engine:
        found = await engine.describe()
        assert (found.engine, found.model, found.features) == ("replay", "crab-7b", frozenset())
        assert (await engine.health()).ok
        _, end = await run(engine, ask(QUESTIONS["q/2"]))
        assert (end.reason, end.usage_estimated, end.completion_tokens) == ("stop", True, 1)
        request = Request((Message("user", "Is it so?"),), 8, 0, 1000, constraint=Choice(("a",)))
        with pytest.raises(EngineError, match="no constraint"):
            await run(engine, request)


@pytest.mark.parametrize("name", ["", "crab-7b", "recorded_toy.jsonl.gz#", "other.jsonl.gz#m"])
async def test_a_name_that_is_no_recording(name):
    assert not explain_choice(EngineSpec("replay", model=name)).usable
    with pytest.raises(ConfigError, match="names no recording"):
        async with open_engine(EngineSpec("replay", model=name)):
            pass


async def test_a_model_or_a_file_that_is_not_there(recording):
    other, nowhere = f"{recording}#other", f"{recording.with_name('recorded_no.jsonl.gz')}#m"
    for model, fault in ((other, ModelError), (nowhere, UsageError)):
        with pytest.raises(fault):
            async with open_engine(EngineSpec("replay", model=model)):
                pass
    recording.with_name("toy_test.jsonl.gz").unlink()
    with pytest.raises(UsageError, match="no questions"):
        async with open_engine(EngineSpec("replay", model=f"{recording}#crab-7b")):
            pass
