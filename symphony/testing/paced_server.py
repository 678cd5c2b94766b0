"""A model server that does nothing but stream: one token every so often, as a fast engine would.

    python -m symphony.testing.paced_server --token-ms 20

prints `ready http://127.0.0.1:PORT` and serves until its standard input closes. It speaks just as
much of OpenAI's protocol as a node needs (`/v1/models`, streamed completions of `max_tokens`
tokens), over bare sockets: what it costs itself must be small beside what a node costs, because
both share the cores of one machine. The echo server has real HTTP and faults; this one has speed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from functools import partial
from typing import Final

import trio

MODEL: Final = "paced"
_HEAD_BYTES: Final = 16_384
_BODY_BYTES: Final = 4 * 1024 * 1024
_JSON_HEAD: Final = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
_STREAM_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)


async def serve(stream: trio.SocketStream, *, token_ms: float) -> None:
    """One connection, request after request, until the client leaves."""
    rest = b""
    async with stream:
        with contextlib.suppress(trio.BrokenResourceError):
            while True:
                head, rest = await _until(stream, rest, b"\r\n\r\n")
                if not head:
                    return
                length = _length(head)
                while len(rest) < length:
                    rest += await stream.receive_some(65_536)
                body, rest = rest[:length], rest[length:]
                if head.startswith(b"POST /v1/chat/completions "):
                    await _complete(stream, json.loads(body), token_ms)
                else:
                    await stream.send_all(_models())


async def _until(stream: trio.SocketStream, read: bytes, mark: bytes) -> tuple[bytes, bytes]:
    """What comes before the mark, and what was read behind it; nothing if the client has gone."""
    while mark not in read:
        block = await stream.receive_some(65_536)
        if not block or len(read) > _HEAD_BYTES:
            return b"", b""
        read += block
    before, _, after = read.partition(mark)
    return before, after


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return min(int(line.partition(b":")[2]), _BODY_BYTES)
    return 0


def _models() -> bytes:
    listed = {"object": "list", "data": [{"id": MODEL, "max_model_len": 8192}]}
    body = json.dumps(listed)
    return f"{_JSON_HEAD}{len(body)}\r\n\r\n{body}".encode()


async def _complete(stream: trio.SocketStream, asked: dict[str, object], token_ms: float) -> None:
    tokens = int(str(asked["max_tokens"]))
    piece = _chunk({"choices": [_choice({"content": " word"}, None)]})
    last = _chunk({"choices": [_choice({}, "length")]})
    usage = {"prompt_tokens": 9, "completion_tokens": tokens, "total_tokens": tokens + 9}
    last += _chunk({"choices": [], "usage": usage}) + _framed(b"data: [DONE]\n\n") + b"0\r\n\r\n"
    began = trio.current_time()
    await stream.send_all(_STREAM_HEAD)
    for number in range(1, tokens + 1):
        await trio.sleep_until(began + number * token_ms / 1000)
        await stream.send_all(piece if number < tokens else piece + last)


def _choice(delta: dict[str, str], reason: str | None) -> dict[str, object]:
    return {"index": 0, "delta": delta, "finish_reason": reason}


def _chunk(event: dict[str, object]) -> bytes:
    """An event in a chunk of its own, with what servers say in each."""
    said = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": MODEL}
    return _framed(b"data: " + json.dumps({**said, **event}).encode() + b"\n\n")


def _framed(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="an OpenAI-compatible server that only streams")
    parser.add_argument("--token-ms", type=float, default=20.0)
    options = parser.parse_args(arguments)

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            serves = partial(serve, token_ms=options.token_ms)
            listen = partial(trio.serve_tcp, serves, 0, host="127.0.0.1")
            listeners = await nursery.start(listen)
            port = listeners[0].socket.getsockname()[1]
            sys.stdout.write(f"ready http://127.0.0.1:{port}\n")
            sys.stdout.flush()
            async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as stdin:
                while await stdin.receive_some(1024):
                    pass
            nursery.cancel_scope.cancel()

    trio.run(run)


if __name__ == "__main__":
    main()
