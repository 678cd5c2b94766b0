"""A small real model server, without a model: OpenAI's protocol over HTTP, scripted answers.

    python -m symphony.testing.echo_server --port 0 --latency-ms 200

prints `ready http://127.0.0.1:PORT` and serves until its standard input closes (with
`--until-stdin-closes`) or it is ended. Each call takes `--latency-ms` from the request's arrival
to the last byte of its answer, as a client without any overhead sees it; a stream is spread evenly
over that time. `/stats` counts calls,
those running, those completed and those that the client abandoned: the evidence that leaving a
generation aborts it in the server.

Faults are chosen by the model's name, so that one server serves every test: see `FAULTS`.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import trio

from symphony.engines.base import (
    Choice,
    Constraint,
    FinishReason,
    JsonSchema,
    Message,
    NoConstraint,
)
from symphony.errors import EngineError
from symphony.testing.echo import Script, limited, pace, pieces
from symphony.testing.http_server import Asked, Streamed, Whole, serve_http

MODEL = "echo"
FAULTS = {
    "echo-garbage": "answers with bytes that are no protocol",
    "echo-half-json": "breaks off its JSON in the middle, and calls it complete",
    "echo-empty": "says nothing, and calls it complete",
    "echo-huge": "never stops sending tokens",
    "echo-long-line": "never ends its line",
    "echo-hang": "takes the request and never answers",
    "echo-stall": "sends half of its answer and then nothing more",
    "echo-500": "fails with HTTP 500",
    "echo-overload": "is full: HTTP 429, come back in 2 s",
    "echo-die": "drops the connection in mid-stream",
    "echo-mid-error": "reports an error in mid-stream",
    "echo-unfinished": "ends its stream without a finish reason",
    "echo-no-usage": "counts no tokens",
    "echo-cut": "stops at max_tokens after one word",
}
_BREAK_OFF = {"echo-die", "echo-stall", "echo-mid-error", "echo-unfinished", "echo-cut"}
_BREAK_OFF |= {"echo-huge", "echo-long-line"}
_TRIALS, _TRIAL_MS = 16, 20


@dataclass(slots=True)
class Stats:
    """Counted since the start."""

    calls: int = 0
    active: int = 0
    completed: int = 0
    aborted: int = 0


@dataclass(frozen=True, slots=True)
class Echo:
    """The server's whole state."""

    latency_ms: int = 200
    own_ms: float = 0.0
    """What a call costs outside of its handler (`own_cost_ms`): part of the latency."""
    script: Script = field(default_factory=Script)
    stats: Stats = field(default_factory=Stats)

    async def handle(self, asked: Asked) -> Whole | Streamed:
        match asked.method, asked.path:
            case "POST", "/v1/chat/completions":
                return await self._chat(asked.body)
            case "GET", "/v1/models":
                listed = [_model(name) for name in (MODEL, *FAULTS)]
                return Whole.of({"object": "list", "data": listed})
            case "GET", "/health":
                return Whole.of({"status": "ok"})
            case "GET", "/stats":
                return Whole.of(asdict(self.stats))
            case _:
                return _error(404, f"no {asked.method} {asked.path} here")

    async def _chat(self, raw: bytes) -> Whole | Streamed:
        started = trio.current_time()
        try:
            call = _Call.parse(raw, self.script)
        except (ValueError, KeyError, TypeError, EngineError) as error:
            return _error(400, f"{type(error).__name__}: {error}")
        self.stats.calls += 1
        match call.model:
            case "echo-500":
                return _error(500, "told to fail")
            case "echo-overload":
                return _error(429, "told to be full", retry_after="2")
            case "echo-garbage":
                return Whole(b"\x00\xff<html>data: {]", kind="text/event-stream")
            case _:
                pass
        own_ms = max(0.0, self.latency_ms * call.times - self.own_ms)
        deadline = started + own_ms / 1000
        if call.stream:
            return Streamed(self._counted(call.events(started, deadline)))
        if call.model == "echo-hang":
            await trio.sleep_forever()
        await trio.sleep_until(deadline)
        self.stats.completed += 1
        return Whole.of(call.whole())

    async def _counted(self, events: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        self.stats.active += 1
        complete = False
        try:
            async with aclosing(events):
                async for event in events:
                    yield event
            complete = True
        finally:
            self.stats.active -= 1
            self.stats.completed += complete
            self.stats.aborted += not complete


@dataclass(frozen=True, slots=True)
class _Call:
    model: str
    stream: bool
    text: str
    prompt_tokens: int
    reason: FinishReason = "stop"
    times: float = 1.0

    @classmethod
    def parse(cls, raw: bytes, script: Script) -> _Call:
        body = json.loads(raw)
        messages = tuple(Message(m["role"], str(m["content"])) for m in body["messages"])
        text = script.reply(messages, _constraint(body))
        model = str(body.get("model", MODEL))
        match model:
            case "echo-half-json":
                text = text[: len(text) // 2]
            case "echo-empty":
                text = ""
            case _:
                pass
        text, reason = limited(text, body.get("stop") or (), int(body.get("max_tokens") or 65_536))
        tokens = sum(len(message.content.split()) for message in messages)
        return cls(model, bool(body.get("stream")), text, tokens, reason, pace(messages, 1.0))

    async def events(self, started: float, deadline: float) -> AsyncGenerator[bytes]:
        """The stream, its pieces evenly spread up to `deadline`; or the fault asked for."""
        words = pieces(self.text)
        said = b""  # what is not sent yet: the last word goes out with the end of the stream
        if self.model == "echo-hang":
            await trio.sleep_forever()
        for number, word in enumerate(words, start=1):
            await trio.sleep_until(started + (deadline - started) * number / len(words))
            said = self._event({"content": word})
            if number == len(words) and self.model not in _BREAK_OFF:
                break
            yield said
            said = b""
            match self.model:
                case "echo-die":
                    raise ConnectionAbortedError("told to drop the connection")
                case "echo-stall":
                    await trio.sleep_forever()
                case "echo-mid-error":
                    yield b'data: {"error": {"message": "told to fail"}}\n\n'
                    return
                case "echo-unfinished":
                    return
                case "echo-cut":
                    break
                case "echo-huge":
                    while True:
                        yield self._event({"content": "word " * 2000})
                case "echo-long-line":
                    while True:
                        yield b"data: " + b"x" * 65_536
                case _:
                    pass
        if not words:
            await trio.sleep_until(deadline)
        said += self._event({}, "length" if self.model == "echo-cut" else self.reason)
        if self.model != "echo-no-usage":
            counted = {"choices": [], "usage": self._usage}
            said += _sse({**self._head("chat.completion.chunk"), **counted})
        yield said + b"data: [DONE]\n\n"

    def whole(self) -> dict[str, Any]:
        message = {"role": "assistant", "content": self.text}
        choice = {"index": 0, "message": message, "finish_reason": self.reason}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self._usage}

    def _event(self, delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return _sse({**self._head("chat.completion.chunk"), "choices": [choice]})

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": "echo", "object": kind, "created": 0, "model": self.model}

    @property
    def _usage(self) -> dict[str, int]:
        said = len(pieces(self.text))
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": said,
            "total_tokens": self.prompt_tokens + said,
        }


def _constraint(body: dict[str, Any]) -> Constraint:
    """The constraint as vLLM and OpenAI spell it. Like most servers, this one ignores fields
    that it does not know.
    """
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        return JsonSchema(wanted["json_schema"]["schema"])
    choice = (body.get("structured_outputs") or {}).get("choice")
    return Choice(tuple(choice)) if choice else NoConstraint()


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "owned_by": "symphony", "max_model_len": 8192}


def _error(status: int, message: str, **headers: str) -> Whole:
    return Whole.of(
        {"error": {"message": message, "type": "echo", "code": status}}, status, **headers
    )


def _sse(event: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def _bare_request(host: str) -> bytes:
    """One streaming call of the echo, as it goes over a socket; the answer ends in `_BARE_END`."""
    messages = [{"role": "user", "content": "42"}]
    body = json.dumps({"model": MODEL, "stream": True, "messages": messages}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


_BARE_END = b"0\r\n\r\n"
"""The last bytes of a chunked body."""


def bare_calls_ms(url: str, calls: int) -> list[float]:
    """What calls of the model take, one by one, over a bare kept connection."""
    parts = urlsplit(url)
    request = _bare_request(parts.netloc)
    took_ms: list[float] = []
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=30) as bare:
        bare.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(calls):
            began = time.perf_counter()
            bare.sendall(request)
            answer = b""
            while not answer.endswith(_BARE_END):
                answer += bare.recv(65_536)
            took_ms.append((time.perf_counter() - began) * 1000)
    return took_ms


async def own_cost_ms() -> float:
    """What this server takes for a call beyond its handler, measured on this machine: reading the
    request, the rounding of timers, writing the end. The lower quartile, so that few calls are
    shorter than they claim.
    """
    async with trio.open_nursery() as nursery:
        url = await nursery.start(partial(serve, Echo(_TRIAL_MS)))
        took_ms = await trio.to_thread.run_sync(bare_calls_ms, url, _TRIALS)
        nursery.cancel_scope.cancel()
    client_ms = 0.4  # it shares this process here, and will not
    return max(0.0, statistics.quantiles(took_ms, n=4)[0] - _TRIAL_MS - client_ms)


async def serve(
    echo: Echo,
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    task_status: Any = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled, on loopback if no other host is named; `task_status` gets the URL."""
    await serve_http(echo.handle, host=host, port=port, task_status=task_status)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="an OpenAI-compatible server without a model")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--latency-ms", type=int, default=200)
    parser.add_argument("--answer", default=Script().answer)
    parser.add_argument("--until-stdin-closes", action="store_true")
    options = parser.parse_args(arguments)

    async def run() -> None:
        echo = Echo(options.latency_ms, await own_cost_ms(), Script(options.answer))
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve, echo, port=options.port, host=options.host))
            sys.stdout.write(f"ready {url}\n")
            sys.stdout.flush()
            if options.until_stdin_closes:
                async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as stdin:
                    while await stdin.receive_some(1024):
                        pass
                nursery.cancel_scope.cancel()

    try:
        trio.run(run)
    except* KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
