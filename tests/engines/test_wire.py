"""Servers that misbehave below HTTP: raw sockets that say what a test wants."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio

from symphony.engines.base import Chunk
from symphony.engines.dialect import LLAMACPP
from symphony.engines.openai import OpenAIEngine
from symphony.errors import EngineError, EngineOverloaded, EngineUnavailable

from .conftest import ask, run

Handler = Callable[[trio.SocketStream, int], Awaitable[None]]
WAYS = {"straight": "", "general client": "me:word@"}  # a password needs the general client
_way = ""


@pytest.fixture(autouse=True, params=WAYS)
def way(request: pytest.FixtureRequest) -> None:
    """Every test goes both ways to a server."""
    global _way  # noqa: PLW0603
    _way = WAYS[request.param]


async def listen(nursery: trio.Nursery, handler: Handler) -> str:
    """Serve `handler(stream, number)`; the number counts connections from 1."""
    accepted = 0

    async def serve(stream: trio.SocketStream) -> None:
        nonlocal accepted
        accepted += 1
        async with stream:
            try:
                await _whole_request(stream)
                await handler(stream, accepted)
            except trio.BrokenResourceError:
                return

    listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
    return f"http://{_way}127.0.0.1:{listeners[0].socket.getsockname()[1]}"


async def _whole_request(stream: trio.SocketStream) -> None:
    """Read all of it: to close on what was not read is to reset the connection."""
    read = b""
    while more := await stream.receive_some(65_536):
        read += more
        head, end, body = read.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if end and len(body) >= (int(length[1]) if length else 0):
            return


def response(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def events(*values: object) -> bytes:
    lines = [v if isinstance(v, str) else json.dumps(v) for v in values]
    return b"".join(b"data: " + line.encode() + b"\r\n\r\n" for line in lines)


def delta(text: str | None, reason: str | None = None, **more: object) -> dict[str, object]:
    return {"choices": [{"delta": {"content": text}, "finish_reason": reason, **more}]}


async def test_a_question_about_the_server_is_asked_once_more_as_well(nursery: trio.Nursery):
    async def handler(stream: trio.SocketStream, number: int) -> None:
        if number > 1:
            await stream.send_all(response(b'{"data": [{"id": "m"}]}'))

    engine = OpenAIEngine(await listen(nursery, handler), model="m")
    assert [entry["id"] for entry in await engine.list_models()] == ["m"]
    await engine.aclose()


async def test_one_retry_when_it_is_known_that_no_byte_came(nursery: trio.Nursery):
    async def handler(stream: trio.SocketStream, number: int) -> None:
        if number > 1:
            await stream.send_all(response(events(delta("hi"), delta("", "stop"), "[DONE]")))

    engine = OpenAIEngine(await listen(nursery, handler), model="m")
    if _way:  # the general client does not tell silence from half a head
        with pytest.raises(EngineUnavailable, match="no whole answer"):
            await run(engine, ask())
    assert (await run(engine, ask()))[0] == "hi"
    await engine.aclose()
    nursery.cancel_scope.cancel()


async def test_only_one_retry(nursery: trio.Nursery):
    numbers: list[int] = []

    async def handler(_: trio.SocketStream, number: int) -> None:
        numbers.append(number)

    engine = OpenAIEngine(await listen(nursery, handler), model="m")
    with pytest.raises(EngineUnavailable):
        await run(engine, ask())
    assert numbers == ([1] if _way else [1, 2])
    await engine.aclose()
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (response(events(delta("hi")))[:-5], "broke off"),
        (b"H", "no whole answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-ty", "no whole answer"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
            "no whole answer",
        ),
    ],
)
async def test_no_retry_after_the_first_byte(nursery: trio.Nursery, said: bytes, words: str):
    numbers: list[int] = []

    async def handler(stream: trio.SocketStream, number: int) -> None:
        numbers.append(number)
        await stream.send_all(said)

    engine = OpenAIEngine(await listen(nursery, handler), model="m")
    with pytest.raises(EngineUnavailable, match=words) as caught:
        await run(engine, ask())
    assert numbers == [1]
    assert "me:word" not in str(caught.value)
    await engine.aclose()
    nursery.cancel_scope.cancel()


NONSENSE = [
    (events("not json"), "not JSON"),
    (events([1, 2]), "not an object"),
    (events({"choices": [7]}), "not an object"),
    (events("[" * 50_000), "not JSON"),
    (events({"error": {"message": "out\nof\x07 memory"}}), "out of memory"),
    (b'error: {"code": 500, "message": "broken"}\n\n', "broken"),
    (events(delta("x", "content_filter")), "content_filter"),
    (b"\xff\xfe\n\n", "finish reason"),
    (b"", "finish reason"),
]


@pytest.mark.parametrize(("body", "words"), NONSENSE)
async def test_nonsense_is_a_typed_error(nursery: trio.Nursery, body: bytes, words: str):
    async def handler(stream: trio.SocketStream, _: int) -> None:
        await stream.send_all(response(body))

    engine = OpenAIEngine(await listen(nursery, handler), model="m")
    with pytest.raises(EngineError, match=words):
        await run(engine, ask())
    await engine.aclose()
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("deadline_ms", [100, 60_000])
async def test_a_refusal_that_never_ends_is_told_in_time(nursery: trio.Nursery, deadline_ms: int):
    gone = trio.Event()

    async def handler(stream: trio.SocketStream, _: int) -> None:
        head = b"HTTP/1.1 429 No\r\nretry-after: 2\r\ncontent-length: 1000\r\n\r\n"
        await stream.send_all(head + b"full up")
        await stream.receive_some(1)
        gone.set()

    engine = OpenAIEngine(await listen(nursery, handler), model="m", concurrency=1)
    with trio.fail_after(10), pytest.raises(EngineOverloaded, match="429: full up") as caught:
        await run(engine, ask(deadline_ms=deadline_ms))
    assert caught.value.retry_after_ms == 2000
    with trio.fail_after(5):
        await gone.wait()
    await engine.aclose()
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("status", "headers", "kind", "retry_ms"),
    [
        ("429 Slow Down", "retry-after: 7\r\n", EngineOverloaded, 7000),
        ("429 Slow Down", "retry-after: 99999\r\n", EngineOverloaded, 60_000),
        ("429 Slow Down", "retry-after: tomorrow\r\n", EngineOverloaded, 1000),
        ("503 Busy", "retry-after: 1\r\n", EngineOverloaded, 1000),
        ("503 Loading", "", EngineUnavailable, None),
        ("401 No", "", EngineError, None),
        ("302 Elsewhere", "location: http://127.0.0.1:9/\r\n", EngineError, None),
    ],
)
async def test_refusals(
    nursery: trio.Nursery,
    status: str,
    headers: str,
    kind: type[EngineError],
    retry_ms: int | None,
):
    async def handler(stream: trio.SocketStream, _: int) -> None:
        await stream.send_all(response(b"<html>" + b"x" * 100_000, status, headers))

    engine = OpenAIEngine(await listen(nursery, handler), model="m")
    with pytest.raises(kind) as caught:
        await run(engine, ask())
    assert type(caught.value) is kind
    assert len(str(caught.value)) < 600
    if isinstance(caught.value, EngineOverloaded):
        assert caught.value.retry_after_ms == retry_ms
    await engine.aclose()
    nursery.cancel_scope.cancel()


async def test_logprobs_are_read_and_doubtful_ones_dropped(nursery: trio.Nursery):
    def token(*values: object) -> dict[str, object]:
        return {"content": [{"logprob": value} for value in values]}

    body = events(
        delta("a", logprobs=token(-0.5)),
        delta("bc", logprobs=token(-1.0, -1.5)),
        delta("d", logprobs=token("high")),
        delta("e", logprobs=None),
        '{"choices": [{"delta": {"content": "f"}, "logprobs": {"content": [{"logprob": NaN}]}}]}',
        delta(None, "stop"),
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 6}},
        "[DONE]",
    )

    async def handler(stream: trio.SocketStream, _: int) -> None:
        await stream.send_all(response(body))

    engine = OpenAIEngine(await listen(nursery, handler), model="m")
    async with engine.generate(ask(logprobs=True)) as stream:
        *chunks, end = [event async for event in stream]
    found = [chunk.logprob for chunk in chunks if isinstance(chunk, Chunk)]
    assert found == [-0.5, -2.5, None, None, None]
    assert end.mean_logprob == pytest.approx(-1.0)
    await engine.aclose()
    nursery.cancel_scope.cancel()


async def test_events_survive_any_cutting_of_the_bytes(nursery: trio.Nursery):
    body = events(delta("né 😀"), delta("", "stop"), "[DONE]")

    async def handler(stream: trio.SocketStream, _: int) -> None:
        for at in range(len(whole := response(body))):
            await stream.send_all(whole[at : at + 1])

    engine = OpenAIEngine(await listen(nursery, handler), model="m", dialect=LLAMACPP)
    assert (await run(engine, ask()))[0] == "né 😀"
    await engine.aclose()
    nursery.cancel_scope.cancel()


async def test_a_node_that_falls_behind_takes_several_tokens_at_once(nursery: trio.Nursery):
    words = [f"w{number} " for number in range(40)]
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 40}}
    chunked = b"".join(
        b"%x\r\n%b\r\n" % (len(event), event)
        for event in (events(one) for one in (*map(delta, words), delta("", "stop"), usage))
    )
    looked, sent = trio.Event(), trio.Event()

    async def handler(stream: trio.SocketStream, _: int) -> None:
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        first, *_ = chunked.partition(b"data: ")
        at = len(first) + len(events(delta(words[0]))) + 2
        await stream.send_all(head + chunked[:at])
        await looked.wait()
        await stream.send_all(chunked[at:] + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
        sent.set()
        await stream.receive_some(1)

    engine = OpenAIEngine(await listen(nursery, handler), model="m")
    with trio.fail_after(10):
        async with engine.generate(ask()) as stream:
            assert await anext(stream) == Chunk("w0 "), "nobody waits for more"
            looked.set()
            await sent.wait()
            rest = [event async for event in stream]
    *chunks, end = rest
    assert "".join(chunk.text for chunk in chunks if isinstance(chunk, Chunk)) == "".join(words[1:])
    assert len(chunks) < 10
    assert (end.completion_tokens, end.usage_estimated) == (40, False)
    await engine.aclose()
    nursery.cancel_scope.cancel()
