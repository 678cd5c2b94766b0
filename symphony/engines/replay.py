"""The engine `replay`: a live agent that says what a real model once said.

It serves the recorded outputs of one model on one benchmark, so that a whole swarm, with
elections, leases, votes and receipts, can be run on known answers and costs nothing. `model`
names the file and the model in it, `FOLDER/recorded_gsm8k.jsonl.gz#NAME`; the questions' texts
are beside it, in `gsm8k.jsonl.gz` or `gsm8k_test.jsonl.gz`.

A question is recognised *exactly*: some lines of the user's message, in a row, are the recorded
question. Of several the longest counts. Anything else, planning among it, is `EngineError`: this
engine never guesses. The output is the recorded text, and after it a line `Answer: …` with the
recorded answer, so that a vote counts what the recording's own evaluation counted. Seed and
temperature change nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from symphony.core.owner.prompts import clean
from symphony.engines import limits, recorded
from symphony.engines.base import (
    Chunk,
    Description,
    Event,
    Finished,
    Health,
    NoConstraint,
    Request,
)
from symphony.engines.catalog import UNKNOWN_LINEAGE, lookup_model
from symphony.errors import ConfigError, EngineError, ModelError, UsageError

PREFIX = "recorded_"
SUFFIX = ".jsonl.gz"
CONTEXT_TOKENS = 32_768  # recorded models had at least that, and nothing is computed here
CONCURRENCY = 64


@dataclass(frozen=True, slots=True)
class Recorded:
    """One output: its text as it will be streamed, and its tokens."""

    text: str
    tokens: int


class ReplayEngine:
    """Recorded outputs behind the protocol of engines. `outputs` is by cleaned question."""

    def __init__(self, model: str, outputs: Mapping[str, Recorded]) -> None:
        self._model = model
        self._outputs = outputs
        self._by_first_line: dict[str, list[list[str]]] = {}
        for question in outputs:
            lines = question.split("\n")
            self._by_first_line.setdefault(lines[0], []).append(lines)

    async def describe(self) -> Description:
        known = lookup_model(self._model)
        lineage = known.lineage if known else UNKNOWN_LINEAGE
        return Description("replay", self._model, lineage, CONTEXT_TOKENS, CONCURRENCY)

    async def health(self) -> Health:
        return Health(ok=True, detail=f"{len(self._outputs)} recorded outputs")

    async def aclose(self) -> None:
        """Nothing to close: all is in memory."""

    @asynccontextmanager
    async def generate(self, request: Request) -> AsyncIterator[AsyncIterator[Event]]:
        """The recorded output. Raises `EngineError` for a question that was not recorded."""
        if not isinstance(request.constraint, NoConstraint):
            raise EngineError(
                "recorded outputs satisfy no constraint", hint="submit with --plan never"
            )
        asked = [message.content for message in request.messages if message.role == "user"]
        question = self._find(clean(asked[-1], limits.PROMPT_BYTES)) if asked else None
        if question is None:
            raise EngineError(
                f"{self._model} was never recorded with this question",
                hint="ask one of the recorded questions, word for word",
            )
        async with aclosing(self._events(self._outputs[question], request)) as events:
            yield events

    async def _events(self, output: Recorded, request: Request) -> AsyncGenerator[Event, None]:
        """All of it, whatever `max_tokens` says: a part of an output was never recorded."""
        yield Chunk(output.text)
        prompt = sum(len(message.content) for message in request.messages)
        yield Finished(
            reason="stop",
            prompt_tokens=max(1, prompt // limits.CHARS_PER_TOKEN),
            completion_tokens=output.tokens,
            mean_logprob=None,
            model=self._model,
            engine="replay",
            usage_estimated=True,
        )

    def _find(self, text: str) -> str | None:
        """The longest recorded question that stands in `text` as whole lines."""
        lines = text.split("\n")
        found: str | None = None
        for at, line in enumerate(lines):
            for question in self._by_first_line.get(line, ()):
                if lines[at : at + len(question)] == question:
                    whole = "\n".join(question)
                    found = max(found or "", whole, key=len)
        return found


def open_recording(name: str) -> ReplayEngine:
    """The engine for `PATH#MODEL`. Raises `ConfigError`, `UsageError` or `ModelError`."""
    path, model = split_name(name)
    asked = _questions(path)
    outputs: dict[str, Recorded] = {}
    for _, said_by, question, row in recorded.replies(path):
        if said_by == model and question in asked:
            outputs[asked[question]] = _output(row)
    if not outputs:
        raise ModelError(f"{path.name} holds no answers of {model}", hint=recorded.LAYOUT)
    return ReplayEngine(model, outputs)


def split_name(name: str) -> tuple[Path, str]:
    """The file and the model of `PATH#MODEL`. Raises `ConfigError`."""
    path, mark, model = name.rpartition("#")
    file = Path(path)
    if not mark or not model or not file.name.startswith(PREFIX) or not path.endswith(SUFFIX):
        raise ConfigError(
            f"{name!r} names no recording",
            hint=f"the engine replay needs model: FOLDER/{PREFIX}BENCH{SUFFIX}#MODEL",
        )
    return file, model


def _questions(path: Path) -> dict[str, str]:
    """The cleaned text of each question, by id, from the file beside the recording."""
    bench = path.name.removeprefix(PREFIX).removesuffix(SUFFIX)
    for name in (f"{bench}{SUFFIX}", f"{bench}_test{SUFFIX}"):
        beside = path.with_name(name)
        if beside.is_file():
            return {
                str(row.get("id")): clean(str(row.get("question", "")), limits.PROMPT_BYTES)
                for _, row in recorded.rows(beside)
            }
    raise UsageError(f"no questions of {bench} beside {path.name}", hint=recorded.LAYOUT)


def _output(row: dict[str, object]) -> Recorded:
    text = row.get("output_text")
    parts = [text] if isinstance(text, str) and text.strip() else []
    answer = row["extracted_answer"]
    if answer is not None:
        parts.append(f"Answer: {answer}")
    whole = "\n\n".join(parts) or "(no answer was recorded)"
    return Recorded(whole, recorded.tokens(row) or max(1, len(whole) // limits.CHARS_PER_TOKEN))
