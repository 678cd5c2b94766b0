"""What an engine really does on this machine: measured on start or on demand, never declared.

Tokens per second of one request and of many at once, the time to the first token, and which
constraints hold: `Measured` is what a person compares machines by. Only tokens that the server
counted are counted here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import trio

from symphony.engines import limits
from symphony.engines.base import (
    Choice,
    Chunk,
    Constraint,
    Engine,
    Feature,
    Finished,
    Grammar,
    JsonSchema,
    Message,
    Regex,
    Request,
)
from symphony.errors import EngineError, EngineUnavailable

PROMPT: Final = "Write down the numbers from one to two hundred as English words."


@dataclass(frozen=True, slots=True)
class Measured:
    """`many` requests were run at once for `many_tokens_per_s`."""

    first_token_ms: int
    one_tokens_per_s: float
    many_tokens_per_s: float
    many: int
    context_tokens: int
    features: tuple[str, ...]


async def measure(engine: Engine) -> Measured:
    """Ask for texts of `SELF_TEST_TOKENS`, one first, then as many as the engine serves at once.

    Raises `EngineError`. The first request is not counted: it warms the server up.
    """
    described = await engine.describe()
    many = min(described.concurrency, limits.SELF_TEST_REQUESTS)
    await _one(engine, 4)
    first_s, alone = await _rate(engine, 1)
    _, together = await _rate(engine, many)
    kept = [one for one in described.features if await _keeps(engine, one)]
    return Measured(
        first_token_ms=round(first_s * 1000),
        one_tokens_per_s=round(alone, 1),
        many_tokens_per_s=round(together, 1),
        many=many,
        context_tokens=described.context_tokens,
        features=tuple(sorted(feature.value for feature in kept)),
    )


async def _keeps(engine: Engine, feature: Feature) -> bool:
    """Whether a short request bears out what an engine says of itself. What comes back under a
    constraint was checked by the engine's adapter, whatever its server promised.
    """
    request = Request((Message("user", PROMPT),), 16, 0.0, limits.SELF_TEST_MS, seed=1)
    constraint = _TRIALS.get(feature)
    if constraint is not None:
        request = replace(request, constraint=constraint)
    elif feature is Feature.LOGPROBS:
        request = replace(request, logprobs=True)
    else:
        return True  # of prompts: asked for by an audit, which checks what it gets
    found: set[float | None] = set()
    try:
        async with engine.generate(request) as stream:
            found = {event.logprob async for event in stream if isinstance(event, Chunk)}
    except EngineUnavailable:
        raise
    except EngineError:
        return False
    return constraint is not None or (None not in found and len(found) > 1)


_TRIALS: Final[dict[Feature, Constraint]] = {
    Feature.JSON_SCHEMA: JsonSchema({"type": "integer", "minimum": 7, "maximum": 9}),
    Feature.CHOICE: Choice(("plumage", "quartz")),
    Feature.REGEX: Regex("[qx]{3}"),
    Feature.GRAMMAR: Grammar('root ::= "vox" [0-9]'),
}
"""What no model would say to the prompt by itself."""


async def _rate(engine: Engine, requests: int) -> tuple[float, float]:
    """The first token's delay of the slowest, and the tokens per second of all together."""
    found: list[tuple[float, int]] = []
    failures: list[EngineError] = []

    async def run() -> None:
        try:
            found.append(await _one(engine, limits.SELF_TEST_TOKENS))
        except EngineError as error:  # raised in here it would leave in a group
            failures.append(error)
            nursery.cancel_scope.cancel()

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(requests):
            nursery.start_soon(run)
    if failures:
        raise failures[0]
    took = trio.current_time() - began
    return max(first for first, _ in found), sum(tokens for _, tokens in found) / took


async def _one(engine: Engine, max_tokens: int) -> tuple[float, int]:
    messages = (Message("user", PROMPT),)
    request = Request(messages, max_tokens, 0.0, limits.SELF_TEST_MS)
    began, first = trio.current_time(), 0.0
    tokens = 0
    async with engine.generate(replace(request, seed=1)) as stream:
        async for event in stream:
            match event:
                case Chunk():
                    first = first or trio.current_time() - began
                case Finished():
                    tokens = event.completion_tokens
    return first, tokens
