"""A model that costs nothing and never surprises: scripted answers after a fixed time.

Two forms of one script: `EchoEngine` here, inside the process, and `symphony.testing.echo_server`
behind HTTP. Both measure what Symphony itself adds to a model's time, and both give tests an
engine whose every answer is known beforehand. Neither pretends to think.

The script: the text after `ANSWER:` in the last user message, up to the end of its line, or
else a fixed answer. Under a JSON schema it gives the smallest value that the schema accepts,
with the answer in string properties called `answer`; under a schema of plans it gives three
sequential steps. A question that holds the word SLOWLY takes fifty times as long.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, assert_never

import trio

from symphony.engines.base import (
    Choice,
    Chunk,
    Constraint,
    Description,
    Event,
    Feature,
    Finished,
    FinishReason,
    Grammar,
    Health,
    JsonSchema,
    Message,
    NoConstraint,
    Regex,
    Request,
)
from symphony.engines.constraints import check_constraint, check_output
from symphony.engines.openai import check_prompt
from symphony.engines.slots import Slots
from symphony.errors import EngineError

PLAN_STEPS = 3
SLOWLY = "SLOWLY"
SLOWLY_TIMES = 50
MOST_PIECES = 4  # each costs the server 0.8 ms of a core that it shares with five nodes
FEATURES = frozenset({Feature.JSON_SCHEMA, Feature.CHOICE})

_RULE = re.compile(r"ANSWER:[ \t]*(\S[^\n]*)")
_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Script:
    """What the echo says. `answer` is used where the prompt holds no `ANSWER:`."""

    answer: str = "42"

    def reply(self, messages: Sequence[Message], constraint: Constraint) -> str:
        """The whole output. Raises `EngineError` for a pattern or grammar: no script fits any."""
        question = next((m.content for m in reversed(messages) if m.role == "user"), "")
        rule = _RULE.search(question)
        answer = rule[1].rstrip() if rule else self.answer
        match constraint:
            case NoConstraint():
                return answer
            case JsonSchema(schema):
                return json.dumps(_instance(schema, answer, question))
            case Choice(options):
                return answer if answer in options else options[0]
            case Regex() | Grammar():
                raise EngineError("the echo has no answer for patterns and grammars")
            case _:
                assert_never(constraint)


def pieces(text: str) -> list[str]:
    """The output as a stream would bring it: some words at a time, nothing lost. Long outputs
    come in larger pieces: a frame per word would measure this server, not the node.
    """
    words = re.findall(r"\s*\S+\s*$|\s*\S+", text) or ([text] if text else [])
    at_once = max(1, -(-len(words) // MOST_PIECES))
    return ["".join(words[at : at + at_once]) for at in range(0, len(words), at_once)]


def pace(messages: Sequence[Message], latency_ms: float) -> float:
    """How long the answer takes, in milliseconds."""
    slow = any(SLOWLY in message.content for message in messages)
    return latency_ms * SLOWLY_TIMES if slow else latency_ms


def limited(text: str, stop: Sequence[str], max_tokens: int) -> tuple[str, FinishReason]:
    """The text up to the first stop, and to as many words as there may be tokens."""
    ends = [text.index(one) for one in stop if one in text]
    kept = text[: min(ends)].rstrip() if ends else text
    words = re.findall(r"\s*\S+\s*$|\s*\S+", kept)
    if len(words) > max_tokens:
        return "".join(words[:max_tokens]), "length"
    return kept, "stop"


def _instance(schema: Mapping[str, Any], answer: str, question: str) -> Any:
    steps = schema.get("properties", {}).get("steps")
    parts = _step_schemas(steps) if isinstance(steps, Mapping) else None
    if parts is None:
        return _smallest(schema, answer, 0)
    return {"steps": [_step(part, number, question) for number, part in enumerate(parts, 1)]}


def _step_schemas(steps: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """The schema of each of three steps: one for all, or one for each place; None where the
    steps are no list of three.
    """
    for option in steps.get("anyOf", [steps]):
        places = option.get("prefixItems")
        if places is not None and len(places) == PLAN_STEPS:
            return list(places)
        if places is None and option.get("type") == "array" and "items" in option:
            return [option["items"]] * PLAN_STEPS
    return None


def _step(schema: Mapping[str, Any], number: int, question: str) -> dict[str, Any]:
    """One step of the scripted chain, each needing the one before. The values follow the types
    and enumerations that the schema gives, so that no second copy of the plan format is kept
    here.
    """
    step: dict[str, Any] = {}
    for name, part in schema.get("properties", {}).items():
        match name:
            case "id":
                step[name] = _step_id(part, number)
            case "needs" | "depends_on":
                before = _step_id(part.get("items", {}), number - 1)
                step[name] = [before] if number > 1 else []
            case "question" | "task":
                text = f"Step {number} of {PLAN_STEPS}. {question}"
                step[name] = text[: part.get("maxLength", len(text))]
            case _:
                step[name] = _smallest(part, "general", 1)
    return step


def _step_id(schema: Mapping[str, Any], number: int) -> str | int:
    return number if schema.get("type") == "integer" else f"s{number}"


def _smallest(schema: Mapping[str, Any], answer: str, depth: int) -> Any:
    """The smallest value of a schema without references."""
    if depth > _DEPTH:
        raise EngineError("the schema nests too deep for the echo")
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return answer if answer in schema["enum"] else schema["enum"][0]
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            wanted = schema.get("required", [])
            return {name: _smallest(properties.get(name, {}), answer, depth + 1) for name in wanted}
        case "array":
            one = _smallest(schema.get("items", {}), answer, depth + 1)
            return [one] * int(schema.get("minItems", 0))
        case "integer" | "number":
            number = re.fullmatch(r"-?\d{1,15}", answer)
            return max(int(answer) if number else 0, int(schema.get("minimum", -(10**15))))
        case "boolean":
            return answer.lower() in {"true", "yes"}
        case "null":
            return None
        case _:
            text = answer[: schema.get("maxLength", len(answer))]
            return text.ljust(int(schema.get("minLength", 0)), ".")


@dataclass(slots=True)
class EchoEngine:
    """The script as an engine inside the process. `active` and `aborted` count generations."""

    latency_ms: int = 0
    script: Script = field(default_factory=Script)
    model: str = "echo"
    concurrency: int = 64
    active: int = 0
    aborted: int = 0
    slots: Slots = field(init=False)

    def __post_init__(self) -> None:
        self.slots = Slots(self.concurrency)

    async def describe(self) -> Description:
        return Description("echo", self.model, "echo", 8192, self.concurrency, FEATURES)

    @asynccontextmanager
    async def generate(self, request: Request) -> AsyncIterator[AsyncIterator[Event]]:
        check_prompt(request)
        check_constraint(request.constraint)
        deadline = trio.current_time() + request.deadline_ms / 1000
        async with self.slots.take(deadline, own=request.own):
            stream = _EchoStream(self, request, deadline)
            self.active += 1
            try:
                yield stream
            finally:
                self.active -= 1
                self.aborted += not stream.complete

    async def health(self) -> Health:
        return Health(ok=True, detail="scripted")

    async def aclose(self) -> None:
        """Nothing is held."""


class _EchoStream:
    def __init__(self, engine: EchoEngine, request: Request, deadline: float) -> None:
        whole = engine.script.reply(request.messages, request.constraint)
        text, reason = limited(whole, request.stop, request.max_tokens)
        if reason == "length":
            check_output(request.constraint, text)
        words = pieces(text)
        self._events: list[Event] = [Chunk(word) for word in words]
        prompt_tokens = sum(len(m.content.split()) for m in request.messages)
        self._events.append(Finished(reason, prompt_tokens, len(words), None, engine.model, "echo"))
        self._due = trio.current_time() + pace(request.messages, engine.latency_ms) / 1000
        self._deadline = deadline
        self._next = 0

    @property
    def complete(self) -> bool:
        return self._next == len(self._events)

    def __aiter__(self) -> _EchoStream:
        return self

    async def __anext__(self) -> Event:
        if self.complete:
            raise StopAsyncIteration
        await trio.sleep_until(min(self._due, self._deadline))
        if self._deadline < self._due:
            raise EngineError("the echo did not finish before the request's deadline")
        event = self._events[self._next]
        self._next += 1
        return event
