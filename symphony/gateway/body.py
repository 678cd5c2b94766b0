"""Reading a request's body, bounded before anything is parsed.

`read_model` is the one way in: size, then time, then JSON, then a strict pydantic model that
refuses unknown fields. `Drain` is its counterpart on the way out: it reads past what a handler
left unread.

Why `Drain`: Hypercorn feeds the body into a bounded queue from the task that also reads the
socket, and puts the disconnect into the same queue when the answer is complete. Behind a handler
that never reads its body the queue is full by then, and both tasks of the connection wait for
ever (measured: two tasks leaked a request). A client that is still sending would also be reset
before it has read why it was refused.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, TypeVar, get_args

import trio
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from symphony.gateway import limits
from symphony.gateway.faults import PAGE, Refused


class StrictModel(BaseModel):
    """No unknown fields, no coercion: `"3"` is not 3, and NaN is no number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


M = TypeVar("M", bound=BaseModel)


async def read_body(request: Request) -> bytes:
    """The body, at most `MAX_BODY_BYTES` long. Raises `Refused` (413, 408, 400)."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limits.MAX_BODY_BYTES:
        raise _too_large()
    parts = bytearray()
    try:
        with trio.fail_after(limits.BODY_S):
            more = True
            while more:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise Refused("the client left before its request was complete")
                parts += message.get("body", b"")
                if len(parts) > limits.MAX_BODY_BYTES:
                    raise _too_large()
                more = message.get("more_body", False)
    except trio.TooSlowError:
        raise Refused("the body took too long to arrive", status=408) from None
    return bytes(parts)


async def read_model(request: Request, model: type[M]) -> tuple[M, bytes]:
    """The body as a `model`, and the bytes it was read from. Raises `Refused`."""
    body = await read_body(request)
    return parse(model, body), body


def parse(model: type[M], body: bytes) -> M:
    """JSON bytes as a `model`. Raises `Refused`, naming the first bad field."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    match first["type"]:
        case "json_invalid":
            raise Refused(f"the body is not JSON: {first['msg']}", hint="send UTF-8 JSON")
        case "extra_forbidden":
            text = f"unknown or unsupported parameter: {where}"
            near = get_close_matches(str(first["loc"][-1]), _names(model, first["loc"][:-1]), n=1)
            hint = f"did you mean {near[0]}?" if near else f"leave it out; {PAGE} has all of them"
            raise Refused(text, hint=hint, param=where)
        case _:
            said = first["msg"].removeprefix("Value error, ")
            raise Refused(f"{where}: {said}" if where else said, param=where or None)


def _names(model: type[BaseModel], inside: tuple[int | str, ...]) -> list[str]:
    """The names of the fields of a model, or of the one that lies in it under these names."""
    for part in inside:
        field = model.model_fields.get(str(part))
        nested = [] if field is None else _models_in(field.annotation)
        if nested:
            model = nested[0]
    return [*model.model_fields]


def _models_in(kind: Any) -> list[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [found for part in get_args(kind) for found in _models_in(part)]


def _too_large() -> Refused:
    kib = limits.MAX_BODY_BYTES // 1024
    return Refused(f"the body has more than {kib} KiB", hint="shorten the prompt", status=413)


class Drain:
    """ASGI middleware: before the last byte of an answer, read past the rest of the request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        read_all = trio.Event()  # set, once there is nothing left to read

        async def noting_receive() -> Message:
            message = await receive()
            if message["type"] != "http.request" or not message.get("more_body", False):
                read_all.set()
            return message

        async def draining_send(message: Message) -> None:
            last = message["type"] == "http.response.body" and not message.get("more_body", False)
            if not last or read_all.is_set():
                await send(message)
                return
            with trio.move_on_after(limits.DRAIN_S):
                left = limits.DRAIN_BYTES
                while not read_all.is_set() and left > 0:
                    left -= len((await noting_receive()).get("body", b""))
            async with trio.open_nursery() as nursery:
                # Somebody has to keep emptying the queue while Hypercorn puts the end into it.
                nursery.start_soon(_swallow, receive)
                await send(message)
                nursery.cancel_scope.cancel()

        await self._app(scope, noting_receive, draining_send)


async def _swallow(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
