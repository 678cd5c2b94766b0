"""A model that calculates by asking: its output is stopped at a call, answered, and goes on.

An agent whose manifest names the tool `arithmetic` may write `[[12 * 37]]`. The generation stops
at the closing brackets, the expression is computed in the sandbox, and the model is handed what
it wrote so far with the answer, and goes on. To whoever reads along it is one output.

Who can reach a tool? Only the output of the agent's own model is looked at, and only where the
manifest allows the tool. What others wrote (the question, the results of earlier steps) is never
read for calls, and a call that stands in it, brackets and all, is refused even if the model
repeats it: text of others can be computed with, but it can't give orders. Both are compared as they
read (`_plain`), so other signs and spaces don't help; the model that words it anew still decides.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

import trio

from symphony.engines.base import Chunk, Engine, Event, Finished, Message, NoConstraint, Request
from symphony.engines.slots import within
from symphony.errors import EngineError
from symphony.tools import limits
from symphony.tools.sandbox import SCRIPTS, ToolFailed, run_tool

NAMES: Final = tuple(SCRIPTS)
OPENS, CLOSES = "[[", "]]"
_CALL: Final = re.compile(re.escape(OPENS) + r"([^\[\]\n]{1,400})$")
_UNREAD: Final = re.compile(r"[\s,_]+")  # what the calculator reads over, between digits too
_SAME: Final = {"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "**": "^"}


@asynccontextmanager
async def generate_with_tools(
    engine: Engine, request: Request, tools: Sequence[str]
) -> AsyncIterator[AsyncIterator[Event]]:
    """`engine.generate`, with calls of `tools` answered on the way. A request under a constraint
    goes through as it is: there is no room for calls in it.
    """
    if not tools or not isinstance(request.constraint, NoConstraint):
        async with engine.generate(request) as stream:
            yield stream
        return
    async with _Talk(engine, request, tools[0]) as talk:
        yield talk


class _Talk:
    """The rounds of one output, as one stream: a context, as that of an engine. All rounds and
    calls together take the time that the request allows.
    """

    def __init__(self, engine: Engine, request: Request, tool: str) -> None:
        self._engine = engine
        self._deadline = trio.current_time() + request.deadline_ms / 1000
        self._request = replace(request, stop=(*request.stop, CLOSES))
        self._tool = tool
        others = " ".join(m.content for m in request.messages if m.role != "system")
        self._quoted = _plain(others)
        self._round: AsyncExitStack | None = None
        self._stream: AsyncIterator[Event] | None = None
        self._text = ""
        self._calls = 0
        self._tokens = (0, 0)
        self._ended = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the round that runs, in the model server too. The engine is told why: one whose
        server died in mid-answer has to see that.
        """
        if self._round is not None:
            await self._round.__aexit__(kind, error, trace)

    def __aiter__(self) -> _Talk:
        return self

    async def __anext__(self) -> Event:
        if self._ended:
            raise StopAsyncIteration
        if self._stream is None:
            await self._begin(self._request)
        assert self._stream is not None
        event = await anext(self._stream, None)
        match event:
            case Chunk(text=text):
                self._text += text
                return event
            case Finished():
                return await self._after(event)
            case None:
                raise EngineError("the engine's stream ended without saying that it is complete")

    async def _after(self, end: Finished) -> Event:
        """The end of a round: of the whole output too, unless it ends in a call."""
        prompt, completion = self._tokens
        self._tokens = (prompt + end.prompt_tokens, completion + end.completion_tokens)
        left = self._request.max_tokens - self._tokens[1]
        call = _CALL.search(self._text) if end.reason == "stop" else None
        if call is None or self._calls == limits.CALLS or left < 1:
            self._ended = True
            return replace(end, prompt_tokens=self._tokens[0], completion_tokens=self._tokens[1])
        self._calls += 1
        with within(self._deadline):
            answer = await self._answer(call[1])
        if self._round is not None:
            await self._round.aclose()
        piece = f"{CLOSES} = {answer}\n"
        self._text += piece
        turns = (Message("assistant", self._text), Message("user", _GO_ON))
        await self._begin(
            replace(self._request, messages=(*self._request.messages, *turns), max_tokens=left)
        )
        return Chunk(piece)

    async def _answer(self, expression: str) -> str:
        if _plain(OPENS + expression + CLOSES) in self._quoted:
            return "not computed: this call stands in a text of somebody else"
        try:
            return await run_tool(self._tool, expression.strip())
        except ToolFailed as error:
            return f"not computed: {error.message}"

    async def _begin(self, request: Request) -> None:
        left_ms = max(1, round((self._deadline - trio.current_time()) * 1000))
        timed = replace(request, deadline_ms=left_ms)
        self._round = AsyncExitStack()
        self._stream = await self._round.enter_async_context(self._engine.generate(timed))


def _plain(text: str) -> str:
    """A text as it is compared with calls: whoever writes one for the model to repeat may write it
    with other brackets, signs or spaces, with what can't be seen, or as HTML.
    """
    text = unicodedata.normalize("NFKC", html.unescape(text)).casefold()
    text = "".join(one for one in text if unicodedata.category(one) != "Cf")
    for sign, plain in _SAME.items():
        text = text.replace(sign, plain)
    return _UNREAD.sub("", text)


_GO_ON: Final = (
    "That is computed exactly. Go on from there and use it; do not repeat what you wrote. "
    "If it was the last calculation, write only the last line."
)
