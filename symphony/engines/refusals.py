"""What a model server means by an answer other than 200, as an error that says what to do.

A server's own words go into it, because they often name the cause; one line of them, printable and
short, because they are a stranger's. They are waited for a moment only: the status is what counts,
and a slot is held meanwhile.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import trio

from symphony.engines import limits
from symphony.errors import EngineError, EngineOverloaded, EngineUnavailable


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer, as far as anybody here asks for it."""

    status: int
    retry_after: str | None = None
    encoding: str = ""
    """Its `Content-Encoding`."""

    @property
    def packed(self) -> bool:
        """Whether its body would have to be unpacked, which nobody asked for."""
        return self.encoding.strip().lower() not in {"", "identity"}


def refuse_packed(head: Head) -> None:
    """Raise `EngineError` for a body that would have to be unpacked: 13 KB were seen to hold a
    node up for half a minute.
    """
    if head.packed:
        raise EngineError(
            f"the model server packed its answer ({error_words(head.encoding.encode())[:40]}), "
            "which it was asked not to do",
            hint="switch compression off in the server, or in the proxy before it",
        )


async def refusal(
    head: Head,
    blocks: AsyncIterator[bytes],
    deadline: float = math.inf,
) -> EngineError:
    """The error behind an answer other than 200, of which `blocks` is the body. Its words are those
    that come within `limits.ERROR_WORDS_SECONDS`, and before `deadline` (trio's clock). Of a packed
    body they are unknown.
    """
    status, retry_after = head.status, head.retry_after
    words = "" if head.packed else error_words(await _begin_of(blocks, deadline))
    said = f"HTTP {status}" + (f": {words}" if words else "")
    if status == 429 or (status == 503 and retry_after is not None):
        return EngineOverloaded(
            f"the model server is full ({said})",
            hint="come back later",
            retry_after_ms=_retry_after_ms(retry_after),
        )
    if status in {502, 503, 504}:
        return EngineUnavailable(f"the model server is not ready ({said})", hint="wait, then retry")
    if status in {401, 403}:
        return EngineError(
            f"the model server refused our key ({said})",
            hint="name the key's variable in spec.engine.api_key, or set engine.api_key where "
            "engine.url is set",
        )
    return EngineError(f"the model server refused the request ({said})")


async def _begin_of(blocks: AsyncIterator[bytes], deadline: float) -> bytes:
    """As much of a body as comes in time; none of one that is too long to be a message."""
    body = bytearray()
    try:
        with trio.move_on_at(min(deadline, trio.current_time() + limits.ERROR_WORDS_SECONDS)):
            async for block in blocks:
                body += block
                if len(body) > limits.ERROR_BODY_BYTES:
                    return b""
    except httpx2.HTTPError:
        pass  # what came before it broke may say why
    return bytes(body)


def _retry_after_ms(header: str | None) -> int:
    # The HTTP-date form is rare among model servers, and a clock away from being right.
    if header is None or not header.isascii() or not header.isdigit() or len(header) > 6:
        return limits.RETRY_AFTER_MS
    return min(max(int(header) * 1000, limits.RETRY_AFTER_MS), limits.RETRY_AFTER_MAX_MS)


def error_words(body: bytes) -> str:
    """The server's own message, one line, printable and short."""
    text = body.decode("utf-8", errors="replace")
    try:
        value = json.loads(text)
        inner = value.get("error", value) if isinstance(value, dict) else value
        text = str(inner.get("message", inner) if isinstance(inner, dict) else inner)
    except (ValueError, RecursionError):
        pass
    return shown(text, limits.ERROR_TEXT_CHARS)


def shown(text: str, chars: int) -> str:
    """The begin of a stranger's text, on one line and printable."""
    begin = text[: 4 * chars]  # blanks go
    printable = "".join(char if char.isprintable() else " " for char in begin)
    return " ".join(printable.split())[:chars]
