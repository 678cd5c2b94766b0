"""A chat completion answered by one hosted model: no task, no vote, no receipt.

The generation lives inside `NodePort.complete`; a client that leaves cancels the handler, which
leaves that context, which aborts the generation in the model server.

The first piece is awaited before a stream begins, so that an unknown model or a full queue is
an HTTP status and not a broken stream.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from symphony.errors import EngineError
from symphony.gateway.chat_models import PENALTIES, ChatRequest
from symphony.gateway.completion import DONE, OPENING, Completion, Usage
from symphony.gateway.port import ChatEnd, ChatEvent, ChatOptions, ChatText, NodePort
from symphony.gateway.sse import EventStream, Writer, unless_gone


class ModelChat:
    """Answers completions of the models that this node hosts."""

    def __init__(self, port: NodePort) -> None:
        self._port = port

    async def complete(self, request: Request, asked: ChatRequest) -> Response:
        options = options_of(asked)
        ignored = asked.ignored(PENALTIES)
        if asked.stream:
            return EventStream(partial(self._stream, asked, options), ignored)
        answer = await unless_gone(request.receive, partial(self._whole, asked, options))
        if answer is None:
            return Response(status_code=499)
        return JSONResponse(answer, headers=ignored)

    async def _whole(self, asked: ChatRequest, options: ChatOptions) -> dict[str, object]:
        parts: list[str] = []
        end: ChatEnd | None = None
        async with self._port.complete(asked.model, asked.turns(), options) as events:
            async for event in events:
                if isinstance(event, ChatText):
                    parts.append(event.text)
                else:
                    end = event
        if end is None:
            raise _cut_off()
        return Completion(asked.model).whole("".join(parts), end.reason, _usage(end))

    async def _stream(self, asked: ChatRequest, options: ChatOptions, out: Writer) -> None:
        completion = Completion(asked.model)
        async with self._port.complete(asked.model, asked.turns(), options) as events:
            end = await self._pieces(events, completion, out)
            usage = [completion.usage_chunk(_usage(end))] if asked.with_usage else []
            # Before the context is left: closing takes a moment that no client has to wait for.
            await out.events(completion.chunk({}, end.reason), *usage, DONE)

    async def _pieces(
        self, events: AsyncIterator[ChatEvent], completion: Completion, out: Writer
    ) -> ChatEnd:
        """Write the text as it comes; the end of it."""
        end: ChatEnd | None = None
        async for event in events:
            fresh: list[Any] = [] if out.started else [completion.chunk(OPENING)]
            if isinstance(event, ChatEnd):
                end = event
            else:
                fresh.append(completion.text_chunk(event.text))
            if fresh:
                await out.events(*fresh)
        if end is None:
            raise _cut_off()
        return end


def options_of(asked: ChatRequest) -> ChatOptions:
    """What the request says about sampling. Raises `Refused`."""
    return ChatOptions(
        max_tokens=asked.answer_tokens(),
        temperature=asked.temperature,
        top_p=asked.top_p,
        seed=asked.seed,
        stop=asked.stops(),
        answer_schema=asked.answer_schema(),
    )


def _usage(end: ChatEnd) -> Usage:
    return Usage(end.prompt_tokens, end.completion_tokens)


def _cut_off() -> EngineError:
    return EngineError("the model's answer broke off", hint="see the log of the node")
