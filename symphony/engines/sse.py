"""Server-sent events out of a byte stream that nobody trusts.

Only what OpenAI-style servers send is understood: `data:` lines, each a whole event; comments
and other fields are skipped. The rule kept: not one byte beyond the limits is ever held, so a
server that never ends a line or an answer costs us a bounded amount of memory, and one that sends
many lines at once does not keep the node from its other work.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import trio

from symphony.engines import limits
from symphony.errors import EngineError

_HINT = "the server floods or is no model server; check its address"


class EventReader:
    """Cuts bytes into the payloads of `data:` lines.

    `next_data` gives None at the end of the stream; a last line without its newline is dropped,
    since it may be half of one.
    """

    def __init__(self, blocks: AsyncIterator[bytes]) -> None:
        self._blocks = blocks
        self._buffer = bytearray()
        self._total_bytes = 0
        self._lines_left = limits.LINES_AT_ONCE

    async def next_data(self) -> str | None:
        """The next payload, however long it takes."""
        while True:
            data = self.data_here()
            if data is not None:
                return data
            if not self._lines_left:
                await trio.lowlevel.checkpoint()
                self._lines_left = limits.LINES_AT_ONCE
                continue
            if len(self._buffer) > limits.LINE_BYTES:
                raise EngineError(f"a line is longer than {limits.LINE_BYTES} bytes", hint=_HINT)
            try:
                block = await anext(self._blocks)
            except StopAsyncIteration:
                return None
            self._total_bytes += len(block)
            if self._total_bytes > limits.RESPONSE_BYTES:
                raise _too_long(limits.RESPONSE_BYTES)
            self._buffer += block

    def data_here(self) -> str | None:
        """The next payload if it is here already, and not too many lines were looked at since
        anybody else had a turn.
        """
        while self._lines_left and (end := self._buffer.find(b"\n")) >= 0:
            self._lines_left -= 1
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            # llama.cpp reports a failure in mid-stream under the name `error`.
            for name in (b"data:", b"error:"):
                if line.startswith(name):
                    return line[len(name) :].strip().decode("utf-8", errors="replace")
        return None


async def capped(blocks: AsyncIterator[bytes], cap_bytes: int) -> bytes:
    """All of `blocks`. Raises `EngineError` beyond `cap_bytes`."""
    whole = bytearray()
    async for block in blocks:
        whole += block
        if len(whole) > cap_bytes:
            raise _too_long(cap_bytes)
    return bytes(whole)


def _too_long(cap_bytes: int) -> EngineError:
    return EngineError(f"the answer is longer than {cap_bytes} bytes", hint=_HINT)
