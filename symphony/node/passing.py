"""A chat that is passed through to a hosted model: the gateway's words on one side, an engine's on
the other.

One object stands for an answer and its end. It is an iterator and not a generator, because it works
once per token, and because leaving it is leaving the engine's context and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

from symphony.engines.base import (
    Chunk,
    Constraint,
    Event,
    JsonSchema,
    Message,
    NoConstraint,
    Request,
)
from symphony.gateway.port import ChatEnd, ChatEvent, ChatMessage, ChatOptions, ChatText
from symphony.node.workshop import HostedAgent


class PassedThrough:
    """An engine's answer as the gateway reads it; entered and left as the engine's own is."""

    __slots__ = ("_generation", "_stream")

    def __init__(self, generation: AbstractAsyncContextManager[AsyncIterator[Event]]) -> None:
        self._generation = generation
        self._stream: AsyncIterator[Event]

    async def __aenter__(self) -> Self:
        self._stream = await self._generation.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return await self._generation.__aexit__(kind, error, trace)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChatEvent:
        event = await anext(self._stream)
        if isinstance(event, Chunk):
            return ChatText(event.text)
        return ChatEnd(event.reason, event.prompt_tokens, event.completion_tokens)


def chat_request(
    agent: HostedAgent, messages: tuple[ChatMessage, ...], options: ChatOptions
) -> Request:
    """What an engine is asked; what the options leave open is the manifest's to say."""
    sampling = agent.manifest.sampling
    constraint: Constraint = NoConstraint()
    if options.answer_schema:
        constraint = JsonSchema(json.loads(options.answer_schema))
    return Request(
        messages=tuple(Message(turn.role, turn.content) for turn in messages),
        max_tokens=options.max_tokens or sampling.max_tokens,
        temperature=sampling.temperature if options.temperature is None else options.temperature,
        top_p=sampling.top_p if options.top_p is None else options.top_p,
        seed=options.seed,
        stop=options.stop or sampling.stop,
        constraint=constraint,
        deadline_ms=options.deadline_ms,
        own=True,
    )
