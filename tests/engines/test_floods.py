"""Servers that would have us work, or hold much, for next to nothing that they send."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import pytest
import trio

from symphony.engines import limits
from symphony.engines.dialect import LLAMACPP
from symphony.engines.openai import OpenAIEngine
from symphony.engines.sse import EventReader
from symphony.errors import EngineError, EngineOverloaded

from .conftest import ask, run
from .test_wire import delta, events, listen, response, way  # noqa: F401 - both ways to a server

MODELS = b'{"data": [{"id": "m"}]}'
SAID = events(delta("hi"), delta("", "stop"), "[DONE]")


@pytest.mark.parametrize("encoding", ["gzip", "GZIP, gzip", "br", "identity, deflate"])
async def test_what_would_have_to_be_unpacked_is_refused(nursery: trio.Nursery, encoding: str):
    body = gzip.compress(SAID + b"\n" * 1_000_000)

    async def handler(stream: trio.SocketStream, _: int) -> None:
        head = f"content-encoding: {encoding}\r\nconnection: close\r\n"
        await stream.send_all(response(body, headers=head))

    url = await listen(nursery, handler)
    engine, unknown = OpenAIEngine(url, model="m", dialect=LLAMACPP), OpenAIEngine(url)
    with pytest.raises(EngineError, match="packed its answer") as caught:
        await run(engine, ask())
    assert "switch compression off" in caught.value.hint
    with pytest.raises(EngineError, match="packed its answer"):
        await engine.list_models()
    with pytest.raises(EngineError, match="packed its answer"):
        await unknown.describe()
    assert not (await engine.health()).ok
    await engine.aclose()
    await unknown.aclose()
    nursery.cancel_scope.cancel()


async def test_a_refusal_counts_though_its_words_are_packed(nursery: trio.Nursery):
    async def handler(stream: trio.SocketStream, _: int) -> None:
        body, head = gzip.compress(b"full"), "content-encoding: gzip\r\nretry-after: 3\r\n"
        await stream.send_all(response(body, "429 No", head))

    engine = OpenAIEngine(await listen(nursery, handler), model="m")
    with pytest.raises(EngineOverloaded, match=r"full \(HTTP 429\)") as caught:
        await run(engine, ask())
    assert caught.value.retry_after_ms == 3000
    await engine.aclose()
    nursery.cancel_scope.cancel()


async def test_requests_ask_for_nothing_packed_and_bring_no_cookies_back(nursery: trio.Nursery):
    requests: list[bytes] = []
    cookies = "".join(f"set-cookie: c{n}={'v' * 200}; path=/\r\n" for n in range(100))

    async def handler(stream: trio.SocketStream, number: int) -> None:
        # The first request of a connection was read before; only the straight way has a second.
        request = b"GET" if number == 1 else b"POST"
        while request:
            if request.startswith((b"GET", b"POST")):  # a body may come apart from its head
                requests.append(request)
                body = MODELS if request.startswith(b"GET") else SAID
                await stream.send_all(response(body, headers=cookies))
            request = await stream.receive_some(65_536)

    engine = OpenAIEngine(await listen(nursery, handler), model="m", dialect=LLAMACPP)
    for _ in range(3):
        assert (await engine.list_models())[0]["id"] == "m"
    for _ in range(3):
        assert (await run(engine, ask()))[0] == "hi"
    seen = [request.lower() for request in requests if len(request) > len(b"POST")]
    assert len(seen) >= 4
    assert all(b"accept-encoding: identity\r\n" in request for request in seen)
    assert not any(b"\r\ncookie:" in request for request in seen)
    await engine.aclose()
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("line", [b"\n", b"data: {}\n", b": idle\n"])
async def test_many_lines_at_once_leave_others_their_turns(nursery: trio.Nursery, line: bytes):
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async def blocks() -> AsyncIterator[bytes]:
        yield line * 20 * limits.LINES_AT_ONCE + b"data: last\n"

    nursery.start_soon(others)
    reader, said = EventReader(blocks()), ""
    while (data := await reader.next_data()) is not None:
        said = data
    assert said == "last"
    assert turns > 10
    nursery.cancel_scope.cancel()
