"""The short way to a model server: one endpoint, a plain socket, and h11 for the protocol.

A node asks the same server for the same thing again and again. A general client makes a request,
looks for a connection among all it knows and hands every block up through six layers; that took
1.5 ms of a core for each call and 0.2 ms for each token, as much as everything else in a node. Here
a call is one write, and what has arrived since the last read is read at once: a node that falls
behind takes several tokens together, so what it spends per token falls as its load rises.

How bytes are waited for is told in `symphony.engines.line`.

The rule kept: a connection serves again only if its last answer was read to its end and nothing
came behind it. Leaving an answer earlier closes the connection, which servers take as an abort.
Whether a byte of the answer to a request has come is known here, and `AnswerBegun` tells it. What
comes beside a body, heads and frames, is counted too, so that a server can't keep us reading it.

`symphony.engines.doors` says where this way can be gone. Faults are those of httpx2, as there.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

import h11
import httpx2
import trio

from symphony.engines import limits
from symphony.engines.line import Line
from symphony.engines.refusals import Head


class AnswerBegun(httpx2.TransportError):
    """The answer broke before its head was here, and a byte of it came, or may have: the server may
    have worked, so it must not be asked again. The fault itself is its cause.
    """


class StraightAnswer:
    """An answer whose head is here; its body comes block by block. Leaving it frees the line."""

    __slots__ = ("_alone", "_body_bytes", "_door", "_line", "_whole", "head")

    def __init__(self, door: StraightDoor, line: Line, head: h11.Response) -> None:
        self._door = door
        self._line = line
        self._whole = False
        self._alone = limits.BLOCKS_ALONE
        self._body_bytes = 0
        retry_after = _header(head, b"retry-after")
        encoding = _header(head, b"content-encoding")
        self.head = Head(head.status_code, retry_after, encoding or "")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._door.give_back(self._line, whole=self._whole)

    def __aiter__(self) -> StraightAnswer:
        return self

    async def __anext__(self) -> bytes:
        while True:
            block = self._here()
            if block:
                self._alone -= 1
                return block
            if self._whole:
                raise StopAsyncIteration
            await (self._line.fill() if self._alone > 0 else self._line.fill_together())

    def _here(self) -> bytes:
        """All of the body that has arrived and was not read yet. Raises
        `httpx2.RemoteProtocolError` for nonsense, and for frames that outweigh what is in them.
        """
        if self._line.heard_bytes > 2 * self._body_bytes + limits.FRAMES_BYTES:
            raise httpx2.RemoteProtocolError("the server sends frames and nothing in them")
        parts: list[bytes] = []
        while not self._whole:
            try:
                event = self._line.event()
            except httpx2.RemoteProtocolError:
                if parts:  # first what came before the nonsense; h11 will say it again
                    break
                raise
            if isinstance(event, h11.Data):
                parts.append(event.data)
                self._body_bytes += len(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self._whole = True
            else:
                break
        return b"".join(parts)

    def hurry(self) -> None:
        """Read as it comes from now on: this is the end of an answer."""
        self._alone = limits.BLOCKS_ALONE

    async def run_out(self) -> None:
        """Read the few bytes behind a complete answer, so that the connection can serve again. A
        server that has more to say loses it.
        """
        self.hurry()
        try:
            self._here()
            with trio.move_on_after(0 if self._whole else limits.RUN_OUT_SECONDS):
                async for _ in self:
                    pass
        except httpx2.TransportError:
            return  # not whole, so it does not serve again


def _header(head: h11.Response, wanted: bytes) -> str | None:
    """All values of one header, in one text; None where there is none."""
    found = [value for name, value in head.headers if name == wanted]
    return b", ".join(found).decode("ascii", errors="replace") if found else None


class StraightDoor:
    """One endpoint of one server, and the connections to it that are kept for the next call."""

    def __init__(self, url: httpx2.URL, headers: dict[str, str], keep: int) -> None:
        self._host = url.raw_host.decode("ascii")
        self._port = url.port or 80
        self._target = url.raw_path
        self._headers = [
            (b"host", url.netloc),
            (b"accept", b"*/*"),
            (b"accept-encoding", b"identity"),
            (b"content-type", b"application/json"),
            *((name.lower().encode(), value.encode()) for name, value in headers.items()),
        ]
        self._keep = keep
        self._kept: list[Line] = []

    async def ask(self, body: bytes, *, fresh: bool = False) -> StraightAnswer:
        """POST a JSON body; the answer once its head is here. `fresh` takes no kept connection.
        Raises `httpx2.TransportError`, `AnswerBegun` if a byte of an answer came.
        """
        line = (None if fresh else self._take()) or await self._connect()
        try:
            return StraightAnswer(self, line, await self._head(line, body))
        except (httpx2.NetworkError, httpx2.RemoteProtocolError) as error:
            line.close()
            if line.heard_bytes:
                raise AnswerBegun(str(error)) from error
            raise
        except BaseException:
            line.close()
            raise

    async def _head(self, line: Line, body: bytes) -> h11.Response:
        await line.say(self._said(line, body))
        while True:
            event = line.event()
            if isinstance(event, h11.Response):
                return event
            if event is not h11.NEED_DATA and not isinstance(event, h11.InformationalResponse):
                raise httpx2.RemoteProtocolError("the server left without an answer")
            if line.heard_bytes > limits.HEAD_BYTES:
                raise httpx2.RemoteProtocolError("the server says everything but an answer")
            if event is h11.NEED_DATA:
                await line.fill()

    def _said(self, line: Line, body: bytes) -> bytes:
        """A whole request. Raises `httpx2.LocalProtocolError` for a key that no header can hold."""
        headers = [*self._headers, (b"content-length", b"%d" % len(body))]
        try:
            request = h11.Request(method=b"POST", target=self._target, headers=headers)
        except h11.LocalProtocolError as error:
            raise httpx2.LocalProtocolError(str(error)) from error
        parts = (request, h11.Data(body), h11.EndOfMessage())
        return b"".join(line.http.send(part) or b"" for part in parts)

    async def _connect(self) -> Line:
        try:
            with trio.fail_after(limits.CONNECT_SECONDS):
                return Line(await trio.open_tcp_stream(self._host, self._port))
        except trio.TooSlowError as error:
            raise httpx2.ConnectTimeout("no connection in time") from error
        except OSError as error:
            raise httpx2.ConnectError(str(error)) from error

    def _take(self) -> Line | None:
        """The connection that was used last, of those that still look alive."""
        now = trio.current_time()
        while self._kept:
            line = self._kept.pop()
            if line.fit(now):
                return line
            line.close()
        return None

    def give_back(self, line: Line, *, whole: bool) -> None:
        """Keep a connection for the next call, or close it."""
        http = line.http
        states = {http.our_state, http.their_state}
        clean = whole and states == {h11.DONE} and http.trailing_data == (b"", False)
        if not clean or len(self._kept) >= self._keep:
            line.close()
            return
        http.start_next_cycle()
        line.heard_bytes = 0
        line.idle_since = trio.current_time()
        self._kept.append(line)

    async def aclose(self) -> None:
        """Close what is kept; what is in use closes when it is left."""
        self._keep = 0
        while self._kept:
            self._kept.pop().close()
