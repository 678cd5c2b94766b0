"""Pieces of an answer under way are read together, and nobody waits for what is not to come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial

import pytest
import trio
import trio.testing

from symphony.engines import limits
from symphony.engines.base import Chunk, Event, Finished
from symphony.engines.openai import OpenAIEngine
from symphony.errors import EngineError, EngineUnavailable

from .conftest import ask, run

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"


def piece(text: str, reason: str = "null") -> bytes:
    data = b'data: {"choices": [{"delta": {"content": "%b"}, "finish_reason": %b}]}\n\n'
    return _chunked(data % (text.encode(), reason.encode()))


def counts(spare: int) -> bytes:
    """The end of an answer, as long as a server makes it that also tells its timings."""
    usage = b'data: {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 9%b}}\n\n'
    return piece("", '"stop"') + _chunked(usage % (b" " * spare)) + _chunked(b"data: [DONE]\n\n")


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Typist:
    """A model server that says what the test says, when the test says it."""

    def __init__(self) -> None:
        self._say, self._said = trio.open_memory_channel[bytes](64)
        self.connections = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        async with stream:
            # A client that leaves resets its connection.
            with suppress(trio.BrokenResourceError):
                while await stream.receive_some(65_536):
                    await stream.send_all(HEAD)
                    if not await self._answer(stream):
                        return

    async def _answer(self, stream: trio.SocketStream) -> bool:
        """Whether it came to its end."""
        async for block in self._said:
            await stream.send_all(block)
            if block.endswith(LAST):
                return True
        return False

    def say(self, *blocks: bytes) -> None:
        for block in blocks:
            self._say.send_nowait(block)

    def leave(self) -> None:
        """Close the connection, in mid-answer."""
        self._say.close()

    async def begin(self, stream: AsyncIterator[Event]) -> None:
        """The words that are read as they come, one by one."""
        for _ in range(limits.BLOCKS_ALONE):
            self.say(piece("a"))
            assert await anext(stream) == Chunk("a")


@pytest.fixture
def typist() -> Typist:
    return Typist()


@pytest.fixture
async def engine(nursery: trio.Nursery, typist: Typist) -> AsyncIterator[OpenAIEngine]:
    listeners = await nursery.start(partial(trio.serve_tcp, typist.serve, 0, host="127.0.0.1"))
    port = listeners[0].socket.getsockname()[1]
    asked = OpenAIEngine(f"http://127.0.0.1:{port}", model="m", concurrency=1)
    yield asked
    await asked.aclose()


@pytest.fixture
def for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits until the time is over fails."""
    monkeypatch.setattr(limits, "TOGETHER_S", 600.0)


@pytest.mark.usefixtures("for_ever")
async def test_pieces_are_taken_together(engine: OpenAIEngine, typist: Typist):
    enough = limits.TOGETHER_BYTES // len(piece("b")) + 1
    assert enough > 4
    with trio.fail_after(5):
        async with engine.generate(ask()) as stream:
            await typist.begin(stream)
            typist.say(*[piece("b")] * enough)
            assert await anext(stream) == Chunk("b" * enough)


@pytest.mark.usefixtures("for_ever")
async def test_the_end_is_not_waited_for(engine: OpenAIEngine, typist: Typist):
    with trio.fail_after(5):
        async with engine.generate(ask()) as stream:
            await typist.begin(stream)
            typist.say(piece("b"), counts(300) + LAST)
            assert await anext(stream) == Chunk("b")
            assert isinstance(await anext(stream), Finished)


@pytest.mark.usefixtures("for_ever")
async def test_the_second_half_of_an_end_is_not_waited_for(engine: OpenAIEngine, typist: Typist):
    reason = piece("", '"stop"')
    padding = _chunked(b": %b\n" % (b" " * limits.TOGETHER_BYTES))
    rest = counts(0).removeprefix(reason) + LAST
    assert len(rest) < limits.TOGETHER_BYTES

    async def say_the_rest() -> None:
        await trio.testing.wait_all_tasks_blocked(0.01)
        typist.say(rest)

    with trio.fail_after(5):
        async with engine.generate(ask()) as stream, trio.open_nursery() as nursery:
            await typist.begin(stream)
            typist.say(padding + reason)
            nursery.start_soon(say_the_rest)
            assert isinstance(await anext(stream), Finished)


async def test_a_short_end_comes_when_the_time_is_over(engine: OpenAIEngine, typist: Typist):
    end = counts(0) + LAST
    assert len(end) < limits.TOGETHER_BYTES
    with trio.fail_after(5):
        async with engine.generate(ask()) as stream:
            await typist.begin(stream)
            typist.say(end)
            assert isinstance(await anext(stream), Finished)


async def test_a_piece_after_a_long_silence_comes(engine: OpenAIEngine, typist: Typist):
    with trio.fail_after(5):
        async with engine.generate(ask()) as stream:
            await typist.begin(stream)
            await trio.sleep(2 * limits.TOGETHER_S)
            typist.say(piece("b"))
            assert await anext(stream) == Chunk("b")


@pytest.mark.usefixtures("for_ever")
async def test_a_connection_serves_again(engine: OpenAIEngine, typist: Typist):
    with trio.fail_after(5):
        for _ in range(2):
            async with engine.generate(ask()) as stream:
                await typist.begin(stream)
                typist.say(counts(500) + LAST)
                assert isinstance(await anext(stream), Finished)
        typist.say(piece("b") + counts(0) + LAST)
        assert (await run(engine, ask()))[0] == "b"
    assert typist.connections == 1


@pytest.mark.usefixtures("for_ever")
async def test_a_server_that_leaves_is_seen_at_once(engine: OpenAIEngine, typist: Typist):
    with trio.fail_after(5):
        async with engine.generate(ask()) as stream:
            await typist.begin(stream)
            typist.leave()
            with pytest.raises(EngineUnavailable):
                await anext(stream)


@pytest.mark.usefixtures("for_ever")
async def test_the_deadline_of_a_request_holds(engine: OpenAIEngine, typist: Typist):
    with trio.fail_after(5):
        async with engine.generate(ask(deadline_ms=2000)) as stream:
            await typist.begin(stream)
            with pytest.raises(EngineError, match="deadline"):
                await anext(stream)
