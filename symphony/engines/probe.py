"""What an unknown server honours: measured, not believed.

Servers accept fields that they don't know and ignore them, so acceptance proves nothing. Each
probe asks for something that no model would say by itself ("zqx") to a question that has
another answer; only a server that enforces the constraint can give it. Greedy, two dozen tokens
each, at the first need, and kept for the life of the engine. The first is asked alone, because a
server that fails it is asked for no other; then as many at once as its user allows. Whoever keeps
such findings longer (a node, over its starts) lends its notes (`noting`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import httpx2
import trio

from symphony.engines import limits
from symphony.engines.address import shown_address
from symphony.engines.base import (
    Choice,
    Constraint,
    Feature,
    Grammar,
    JsonSchema,
    NoConstraint,
    Regex,
)
from symphony.engines.bodies import read_capped, refused
from symphony.engines.constraints import check_output
from symphony.engines.dialect import LLAMACPP, PLAIN, VLLM, Dialect
from symphony.errors import (
    ConstraintViolated,
    EngineError,
    EngineOverloaded,
    EngineUnavailable,
)

_SCHEMA = JsonSchema(
    {
        "type": "object",
        "properties": {"zqx": {"type": "string", "enum": ["zqx", "xqz"]}},
        "required": ["zqx"],
        "additionalProperties": False,
    }
)
_CHOICE = Choice(("zqx", "xqz"))
_REGEX = Regex("zq[xz]{1,3}")
_GRAMMAR = Grammar('root ::= "zq" [xz]')

_STYLES: tuple[tuple[str, Dialect, Constraint, Feature], ...] = (
    ("plain", LLAMACPP, _SCHEMA, Feature.JSON_SCHEMA),
    ("llama", LLAMACPP, _CHOICE, Feature.CHOICE),
    ("llama", LLAMACPP, _GRAMMAR, Feature.GRAMMAR),
    ("vllm", VLLM, _CHOICE, Feature.CHOICE),
    ("vllm", VLLM, _REGEX, Feature.REGEX),
    ("vllm", VLLM, _GRAMMAR, Feature.GRAMMAR),
)


class Notes(Protocol):
    """What was learnt of servers before, and how many texts may be asked for at once."""

    at_once: int

    def find(self, server: str) -> Dialect | None: ...

    def keep(self, server: str, learnt: Dialect) -> None: ...


_notes: ContextVar[Notes | None] = ContextVar("notes", default=None)


@contextmanager
def noting(notes: Notes) -> Iterator[None]:
    """Lend notes to every probe that is asked for inside the block."""
    token = _notes.set(notes)
    try:
        yield
    finally:
        _notes.reset(token)


async def probe_dialect(client: httpx2.AsyncClient, model: str) -> Dialect:
    """Ask the server for one text of each kind, unless that is noted. Raises `EngineUnavailable` or
    `EngineOverloaded` when it can't answer now: silence says nothing about what it honours.
    """
    notes, server = _notes.get(), f"{shown_address(client.base_url)} {model}"
    known = notes.find(server) if notes is not None else None
    if known is not None:
        return known
    honoured: set[tuple[str, Feature]] = set()
    failures: list[EngineError] = []
    room = trio.CapacityLimiter(notes.at_once if notes is not None else limits.CONCURRENCY)

    async def run(style: str, dialect: Dialect, wanted: Constraint, feature: Feature) -> None:
        logprobs = feature is Feature.LOGPROBS
        fields = {"logprobs": True} if logprobs else dialect.fields(wanted)
        try:
            async with room:
                answer = await _ask(client, {"model": model, **fields})
        except EngineError as error:
            failures.append(error)
            nursery.cancel_scope.cancel()
            return
        if answer is not None and (_has_logprobs(answer) if logprobs else _obeys(wanted, answer)):
            honoured.add((style, feature))

    async with trio.open_nursery() as nursery:
        first, *rest = *_STYLES, ("plain", PLAIN, NoConstraint(), Feature.LOGPROBS)
        await run(*first)
        for one in rest:
            nursery.start_soon(run, *one)
    if failures:
        raise failures[0]
    learnt = _conclude(honoured)
    if notes is not None:
        notes.keep(server, learnt)
    return learnt


def _obeys(wanted: Constraint, answer: dict[str, Any]) -> bool:
    try:
        check_output(wanted, _text(answer))
    except ConstraintViolated:
        return False
    return True


def _conclude(honoured: set[tuple[str, Feature]]) -> Dialect:
    """A server that understands both vendors' fields is asked in vLLM's, which cover more."""
    plain = {feature for style, feature in honoured if style == "plain"}
    llama = {feature for style, feature in honoured if style == "llama"}
    vllm = {feature for style, feature in honoured if style == "vllm"}
    if vllm:
        return Dialect(frozenset(plain | vllm), vllm_fields=True)
    return Dialect(frozenset(plain | llama), llama_grammar=bool(llama))


async def _ask(client: httpx2.AsyncClient, fields: dict[str, Any]) -> dict[str, Any] | None:
    """The server's first choice; None when it refuses such a request or answers nonsense."""
    body = {
        "messages": [{"role": "user", "content": "Name one colour."}],
        "max_tokens": 24,
        "temperature": 0,
        **fields,
    }
    try:
        with trio.fail_after(limits.PROBE_SECONDS):
            request = client.build_request("POST", "/v1/chat/completions", json=body)
            response = await client.send(request, stream=True)
            if response.status_code != 200:
                error = await refused(response)
                if isinstance(error, EngineOverloaded | EngineUnavailable):
                    raise error
                return None
            content = await read_capped(response, limits.RESPONSE_BYTES)
    except trio.TooSlowError as error:
        raise EngineUnavailable("the model server did not answer a self-test in time") from error
    except httpx2.HTTPError as error:
        raise EngineUnavailable(
            f"the model server failed a self-test: {type(error).__name__}",
            hint="start the model server, or correct the engine's url",
        ) from error
    try:
        choice = json.loads(content)["choices"][0]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return choice if isinstance(choice, dict) else None


def _text(choice: dict[str, Any]) -> str:
    message = choice.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    return content if isinstance(content, str) else ""


def _has_logprobs(choice: dict[str, Any]) -> bool:
    logprobs = choice.get("logprobs")
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    first = tokens[0] if isinstance(tokens, list) and tokens else None
    return isinstance(first, dict) and isinstance(first.get("logprob"), int | float)
