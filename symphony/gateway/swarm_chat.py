"""A chat completion answered by the swarm.

The whole task stands behind one message, so the answer comes at once, after the vote; a stream
carries comments until then, and with `symphony: {"progress": true}` every event of the task in
an extra `symphony` field of an empty chunk. The receipt's digest is the `Symphony-Receipt` header
of a plain answer; a stream's headers are long gone by then, so there it is `symphony.receipt` of
the chunk that carries `finish_reason`.

Usage is that of all calls of the task. What is not known to be a prompt's counts as completion: the
work of owners that were replaced, too.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from symphony.core.events import TaskEnded, as_json
from symphony.core.ids import TaskId
from symphony.core.spec import TaskSpec
from symphony.errors import ConnectionError as Unreachable
from symphony.gateway.chat_models import SAMPLING, ChatRequest, SwarmOptions, cut, render_prompt
from symphony.gateway.completion import DONE, OPENING, Completion, Usage
from symphony.gateway.faults import Refused, TaskFailed
from symphony.gateway.port import NodePort
from symphony.gateway.sse import EventStream, Writer, unless_gone
from symphony.gateway.submissions import Submissions, tied, verdict
from symphony.gateway.task_models import spec_of


class SwarmChat:
    """Answers completions of the `symphony/*` models."""

    def __init__(self, port: NodePort, submissions: Submissions) -> None:
        self._port = port
        self._submissions = submissions

    async def complete(
        self, request: Request, asked: ChatRequest, chains: int, body: bytes
    ) -> Response:
        """The answer to `asked`; `body` is what an `Idempotency-Key` stands for."""
        spec, stops = task_of(asked, chains), asked.stops()
        ignored = asked.ignored(SAMPLING)
        key = request.headers.get("idempotency-key")
        task = await self._submissions.submit(spec, key=key, body=body)
        if asked.stream:
            return EventStream(partial(self._stream, task, asked, stops), ignored)
        ended = await unless_gone(request.receive, partial(self._answer, task))
        if ended is None:
            return Response(status_code=499)
        text = Completion(asked.model).whole(
            cut(ended.answer, stops), "stop", _usage(ended), symphony=summary(ended)
        )
        return JSONResponse(text, headers={"Symphony-Receipt": ended.receipt.hex(), **ignored})

    async def _answer(self, task: TaskId) -> TaskEnded:
        async with tied(self._port, task) as tie:
            ended = await verdict(self._port, task)
            tie.ended = True
        return answered(ended)

    async def _stream(
        self, task: TaskId, asked: ChatRequest, stops: tuple[str, ...], out: Writer
    ) -> None:
        completion = Completion(asked.model)
        progress = asked.symphony is not None and asked.symphony.progress
        async with tied(self._port, task) as tie:
            await out.event(completion.chunk(OPENING))
            ended = await self._follow(task, completion if progress else None, out)
            tie.ended = True
        answered(ended)
        await out.event(completion.chunk({"content": cut(ended.answer, stops)}))
        await out.event(completion.chunk({}, "stop", symphony=summary(ended)))
        if asked.with_usage:
            await out.event(completion.usage_chunk(_usage(ended)))
        await out.event(DONE)

    async def _follow(self, task: TaskId, show: Completion | None, out: Writer) -> TaskEnded:
        """Wait for the verdict, showing the way there as chunks of `show`."""
        async with self._port.watch(task) as events:
            async for event in events:
                if isinstance(event, TaskEnded):
                    return event
                if show is not None:
                    await out.event(show.chunk({}, symphony=as_json(event)))
        raise Unreachable("the node stopped before the task had ended", hint="look at its log")


def task_of(asked: ChatRequest, chains: int) -> TaskSpec:
    """The task behind a completion. Raises `Refused` for what a vote can't honour."""
    defaults: dict[str, Any] = {"chains": chains}
    if asked.answer_tokens() is not None:
        defaults["max_tokens"] = asked.answer_tokens()
    schema = asked.answer_schema()
    if schema:
        if asked.symphony is not None and asked.symphony.answer_type not in (None, "json"):
            raise Refused("response_format and symphony.answer_type disagree", param="symphony")
        defaults |= {"answer_type": "json", "answer_schema": schema}
    options = asked.symphony or SwarmOptions()
    return spec_of(render_prompt(asked.turns()), options, **defaults)


def answered(ended: TaskEnded) -> TaskEnded:
    """`ended` if it holds a voted answer. Raises `TaskFailed`."""
    if ended.outcome != "answered":
        raise TaskFailed(ended)
    return ended


def summary(ended: TaskEnded) -> Any:
    """The verdict in the `symphony` field of an answer; the text is in the message already."""
    verdict_json = as_json(ended)
    del verdict_json["answer"]
    return verdict_json


def _usage(ended: TaskEnded) -> Usage:
    return Usage(prompt=ended.prompt_tokens, completion=ended.tokens - ended.prompt_tokens)
