"""What a model server means by an answer other than 200, as an error that says what to do.

A server's own words go into it, because they often name the cause; one line of them, printable and
short, because they are a stranger's.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx2

from symphony.engines import limits
from symphony.engines.sse import capped
from symphony.errors import EngineError, EngineOverloaded, EngineUnavailable


async def refusal(
    status: int, retry_after: str | None, blocks: AsyncIterator[bytes]
) -> EngineError:
    """The error behind an answer other than 200, of which `blocks` is the body."""
    try:
        words = error_words(await capped(blocks, limits.ERROR_BODY_BYTES))
    except (EngineError, httpx2.HTTPError):
        words = ""
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
            hint="name the variable that holds the key as api_key_env",
        )
    return EngineError(f"the model server refused the request ({said})")


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
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[: limits.ERROR_TEXT_CHARS]
