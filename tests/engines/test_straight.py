"""The short way to a model server: which connections serve again, and what a bad head costs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import httpx2
import pytest
import trio
import trio.testing

from symphony.engines import limits
from symphony.engines.doors import ClientDoor, open_door
from symphony.engines.openai import OpenAIEngine
from symphony.engines.straight import StraightDoor
from symphony.errors import EngineError, EngineUnavailable

from .conftest import ask, run

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
HI = b'data: {"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


WHOLE = HEAD + chunk(HI) + chunk(DONE) + b"0\r\n\r\n"


class Server:
    """Says `answers` one after the other, leaves where one is empty, and counts what it got."""

    def __init__(self, *answers: bytes, stays: bool = True) -> None:
        self._answers = list(answers)
        self._stays = stays
        self.connections = 0
        self.requests: list[bytes] = []
        self.left = trio.Event()

    async def serve(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        async with stream:
            # A client that closes with something unread resets its connection: also an end.
            with suppress(trio.BrokenResourceError):
                while asked := await stream.receive_some(65_536):
                    self.requests.append(asked)
                    answer = self._answers.pop(0)
                    await stream.send_all(answer)
                    if not answer or not self._stays:
                        return
        self.left.set()


@pytest.fixture
async def serving(nursery: trio.Nursery) -> Callable[[Server], Awaitable[OpenAIEngine]]:
    async def start(server: Server) -> OpenAIEngine:
        listeners = await nursery.start(partial(trio.serve_tcp, server.serve, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        return OpenAIEngine(f"http://127.0.0.1:{port}", model="m", api_key="secret", concurrency=1)

    return start


Serving = Callable[[Server], Awaitable[OpenAIEngine]]


async def test_a_connection_that_was_read_to_its_end_serves_again(serving: Serving):
    server = Server(WHOLE, WHOLE)
    engine = await serving(server)
    for _ in range(2):
        assert (await run(engine, ask()))[0] == "hi"
    assert (server.connections, len(server.requests)) == (1, 2)
    head = server.requests[1].partition(b"\r\n\r\n")[0].lower()
    assert b"authorization: bearer secret" in head
    await engine.aclose()
    with trio.fail_after(5):
        await server.left.wait()


async def test_an_answer_that_is_left_closes_its_connection(serving: Serving):
    server = Server(HEAD + chunk(HI), WHOLE)
    engine = await serving(server)
    with trio.fail_after(5):
        async with engine.generate(ask()) as stream:
            await anext(stream)
        await server.left.wait()
    assert (await run(engine, ask()))[0] == "hi"
    assert server.connections == 2
    await engine.aclose()


async def test_a_server_that_goes_on_after_the_end_loses_its_connection(serving: Serving):
    server = Server(WHOLE + b"HTTP/1.1 200 OK\r\n\r\n", WHOLE)
    engine = await serving(server)
    assert [(await run(engine, ask()))[0] for _ in range(2)] == ["hi", "hi"]
    assert server.connections == 2
    await engine.aclose()


async def test_a_kept_connection_that_the_server_closed_is_not_used(serving: Serving):
    server = Server(WHOLE, WHOLE, stays=False)
    engine = await serving(server)
    assert [(await run(engine, ask()))[0] for _ in range(2)] == ["hi", "hi"]
    assert (server.connections, len(server.requests)) == (2, 2)
    await engine.aclose()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE, None),
        (HEAD.replace(b"\r\n\r\n", b"\r\nx: " + b"y" * 2 * limits.HEAD_BYTES), EngineUnavailable),
        (b"SSH-2.0-nonsense\r\n\r\n", EngineUnavailable),
        (HEAD + b"fffffffffffffffffffffff\r\n", EngineUnavailable),
        (HEAD + chunk(HI) + b"not a size\r\n", EngineUnavailable),
        (b"HTTP/1.1 200 OK\r\ncontent-ty", EngineUnavailable),
        (
            HEAD.replace(b"\r\n\r\n", b"\r\ncontent-length: 5\r\nContent-Length: 6\r\n\r\n"),
            EngineUnavailable,
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\n", EngineUnavailable),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000, EngineUnavailable),
        (HEAD + b"1\r\n:\r\n" * 500_000, EngineUnavailable),
        (HEAD + (b"1;" + b"x" * 60_000 + b"\r\n:\r\n") * 100, EngineUnavailable),
        (b"HTTP/1.1 404 No\r\ncontent-length: 2\r\n\r\nno", EngineError),
    ],
)
async def test_what_a_server_says_at_first(
    serving: Serving, answer: bytes, kind: type[EngineError] | None
):
    server = Server(answer, stays=False)
    engine = await serving(server)
    with trio.fail_after(5):
        if kind is None:
            assert (await run(engine, ask()))[0] == "hi"
        else:
            with pytest.raises(kind) as caught:
                await run(engine, ask())
            assert type(caught.value) is kind
    assert len(server.requests) == 1, "after the first byte asking again would cost twice"
    await engine.aclose()


async def test_what_an_earlier_answer_said_is_no_byte_of_this_one(serving: Serving):
    server = Server(WHOLE, b"", WHOLE)
    engine = await serving(server)
    assert (await run(engine, ask()))[0] == "hi"
    assert (await run(engine, ask()))[0] == "hi"
    assert (server.connections, len(server.requests)) == (2, 3)
    await engine.aclose()


async def test_a_refusal_before_the_body_was_read_is_heard(nursery: trio.Nursery):
    async def refuse(stream: trio.SocketStream) -> None:
        await stream.receive_some(1000)
        body = b'{"error": "too long for me"}'
        await stream.send_all(b"HTTP/1.1 413 No\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await stream.send_eof()
        with suppress(trio.BrokenResourceError):
            while await stream.receive_some(65_536):
                pass

    listeners = await nursery.start(partial(trio.serve_tcp, refuse, 0, host="127.0.0.1"))
    engine = OpenAIEngine(f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}", model="m")
    with trio.fail_after(10), pytest.raises(EngineError, match="too long for me"):
        await run(engine, ask("x" * 500_000))
    await engine.aclose()


@pytest.mark.parametrize(
    ("url", "proxy", "kind"),
    [
        ("http://127.0.0.1:1/v1", "http://p:3128", StraightDoor),
        ("http://10.0.0.9:1/v1", "", StraightDoor),
        ("http://10.0.0.9:1/v1", "http://p:3128", ClientDoor),
        ("http://me:pw@127.0.0.1:1/v1", "", ClientDoor),
        ("https://127.0.0.1:1/v1", "", ClientDoor),
    ],
)
async def test_which_way_is_gone(
    monkeypatch: pytest.MonkeyPatch, url: str, proxy: str, kind: type[object]
):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    if proxy:
        monkeypatch.setenv("http_proxy", proxy)
    async with httpx2.AsyncClient(trust_env=False) as client:
        assert type(open_door(client, httpx2.URL(url), {}, 1)) is kind


async def test_who_waits_for_a_connection_that_is_left_is_told(nursery: trio.Nursery):
    server = Server(HEAD)
    listeners = await nursery.start(partial(trio.serve_tcp, server.serve, 0, host="127.0.0.1"))
    url = httpx2.URL(f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/")
    answer = await StraightDoor(url, {}, keep=1).ask(b"{}")
    told = trio.Event()

    async def wait() -> None:
        with pytest.raises(httpx2.ReadError):
            await anext(answer)
        told.set()

    with trio.fail_after(5):
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        await answer.__aexit__(None, None, None)
        await told.wait()
