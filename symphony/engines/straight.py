"""The short way to a model server: one endpoint, a plain socket, and h11 for the protocol.

A node asks the same server for the same thing again and again. A general client makes a request,
looks for a connection among all it knows and hands every block up through six layers; that took
1.5 ms of a core for each call and 0.2 ms for each token, as much as everything else in a node. Here
a call is one write, and what has arrived since the last read is read at once: a node that falls
behind takes several tokens together, so what it spends per token falls as its load rises.

A model that computes on this machine needs the cores that a node spends on its tokens, and each
time that a node wakes up, the model's threads wait for one another. So once an answer has begun,
its pieces are taken together for at most `TOGETHER_S` since the last read. The kernel does the
waiting (SO_RCVLOWAT), and ends it as soon as there is more than two pieces hold. The end of an
answer with its counts mostly is, so the wait is over when the answer is; a shorter end, or one that
comes in two writes, is late by `TOGETHER_S` at the most.

The rule kept: a connection serves again only if its last answer was read to its end and nothing
came behind it. Leaving an answer earlier closes the connection, which servers take as an abort.

`symphony.engines.doors` says where this way can be gone. Faults are those of httpx2, as there.
"""

from __future__ import annotations

import select
import socket
from types import TracebackType
from typing import Final, Self

import h11
import httpx2
import trio

from symphony.engines import limits

_READ_BYTES: Final = 65_536


class _Line:
    """A connection and what h11 knows of it.

    The socket is a bare one: a stream tries to read before it waits, and takes a turn through the
    scheduler after each write, which is right for streams and too much for what waits per token.
    """

    __slots__ = ("_read_at", "_socket", "http", "idle_since")

    def __init__(self, stream: trio.SocketStream) -> None:
        self._socket = socket.socket(fileno=stream.socket.detach())
        self._socket.setblocking(False)
        self.http = h11.Connection(h11.CLIENT, max_incomplete_event_size=limits.HEAD_BYTES)
        self.idle_since = 0.0
        self._read_at = 0.0

    def close(self) -> None:
        """At once, and without a word. Whoever waits for bytes gets `httpx2.ReadError`."""
        trio.lowlevel.notify_closing(self._socket.fileno())
        self._socket.close()

    def fit(self, now: float) -> bool:
        """Whether a kept connection looks alive: it is young, and its server has not closed it."""
        if now - self.idle_since > limits.KEPT_SECONDS:
            return False
        poll = select.poll()
        poll.register(self._socket.fileno(), select.POLLIN)
        return not poll.poll(0)

    async def fill(self) -> None:
        """Wait for bytes and read all that are there. Raises `httpx2.ReadError`."""
        data: bytes | None = None
        while data is None:
            await self._readable()
            data = self._read()
        self._take(data)

    async def fill_together(self) -> None:
        """The same, with what arrives until `TOGETHER_S` after the last read."""
        deadline = self._read_at + limits.TOGETHER_S
        if deadline <= trio.current_time():
            await self.fill()
            return
        self._wake_at(limits.TOGETHER_BYTES)
        with trio.move_on_at(deadline):
            await self._readable()
        self._wake_at(1)
        data = self._read()
        if data is None:
            await self.fill()
        else:
            self._take(data)

    async def _readable(self) -> None:
        try:
            await trio.lowlevel.wait_readable(self._socket.fileno())
        except trio.ClosedResourceError as error:
            raise httpx2.ReadError("the connection was closed here") from error

    def _wake_at(self, waiting_bytes: int) -> None:
        """Of how many bytes that wait to be read the kernel tells."""
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, waiting_bytes)
        except OSError as error:
            raise httpx2.ReadError(str(error)) from error

    def _read(self) -> bytes | None:
        """What is there; None if that is nothing."""
        try:
            return self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return None
        except OSError as error:
            raise httpx2.ReadError(str(error)) from error

    def _take(self, data: bytes) -> None:
        self._read_at = trio.current_time()
        self.http.receive_data(data)

    async def say(self, request: bytes) -> None:
        """Send a whole request, unless the server has gone: who refuses one early closes behind
        its answer, and that is still to be read.
        """
        left = memoryview(request)
        while left:
            try:
                left = left[self._socket.send(left) :]
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self._socket.fileno())
            except OSError:
                return

    def event(self) -> object:
        """The next event that is here. Raises `httpx2.RemoteProtocolError`."""
        try:
            return self.http.next_event()
        except h11.RemoteProtocolError as error:
            raise httpx2.RemoteProtocolError(str(error)) from error


class StraightAnswer:
    """An answer whose head is here; its body comes block by block. Leaving it frees the line."""

    __slots__ = ("_alone", "_door", "_line", "_whole", "retry_after", "status")

    def __init__(self, door: StraightDoor, line: _Line, head: h11.Response) -> None:
        self._door = door
        self._line = line
        self._whole = False
        self._alone = limits.BLOCKS_ALONE
        self.status = head.status_code
        found = [value for name, value in head.headers if name == b"retry-after"]
        self.retry_after = found[0].decode("ascii", errors="replace") if found else None

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
        """All of the body that has arrived and was not read yet."""
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
            elif isinstance(event, h11.EndOfMessage):
                self._whole = True
            else:
                break
        return b"".join(parts)

    async def run_out(self) -> None:
        """Read the few bytes behind a complete answer, so that the connection can serve again. A
        server that has more to say loses it.
        """
        self._alone = limits.BLOCKS_ALONE
        try:
            self._here()
            with trio.move_on_after(0 if self._whole else limits.RUN_OUT_SECONDS):
                async for _ in self:
                    pass
        except httpx2.TransportError:
            return  # not whole, so it does not serve again


class StraightDoor:
    """One endpoint of one server, and the connections to it that are kept for the next call."""

    def __init__(self, url: httpx2.URL, headers: dict[str, str], keep: int) -> None:
        self._host = url.raw_host.decode("ascii")
        self._port = url.port or 80
        self._target = url.raw_path
        self._headers = [
            (b"host", url.netloc),
            (b"accept", b"*/*"),
            (b"content-type", b"application/json"),
            *((name.lower().encode(), value.encode()) for name, value in headers.items()),
        ]
        self._keep = keep
        self._kept: list[_Line] = []

    async def ask(self, body: bytes, *, fresh: bool = False) -> StraightAnswer:
        """POST a JSON body; the answer once its head is here. `fresh` takes no kept connection.
        Raises `httpx2.TransportError`.
        """
        line = (None if fresh else self._take()) or await self._connect()
        try:
            return StraightAnswer(self, line, await self._head(line, body))
        except BaseException:
            line.close()
            raise

    async def _head(self, line: _Line, body: bytes) -> h11.Response:
        await line.say(self._said(line, body))
        while True:
            event = line.event()
            if isinstance(event, h11.Response):
                return event
            if event is h11.NEED_DATA:
                await line.fill()
            elif not isinstance(event, h11.InformationalResponse):
                raise httpx2.RemoteProtocolError("the server left without an answer")

    def _said(self, line: _Line, body: bytes) -> bytes:
        """A whole request. Raises `httpx2.LocalProtocolError` for a key that no header can hold."""
        headers = [*self._headers, (b"content-length", b"%d" % len(body))]
        try:
            request = h11.Request(method=b"POST", target=self._target, headers=headers)
        except h11.LocalProtocolError as error:
            raise httpx2.LocalProtocolError(str(error)) from error
        parts = (request, h11.Data(body), h11.EndOfMessage())
        return b"".join(line.http.send(part) or b"" for part in parts)

    async def _connect(self) -> _Line:
        try:
            with trio.fail_after(limits.CONNECT_SECONDS):
                return _Line(await trio.open_tcp_stream(self._host, self._port))
        except trio.TooSlowError as error:
            raise httpx2.ConnectTimeout("no connection in time") from error
        except OSError as error:
            raise httpx2.ConnectError(str(error)) from error

    def _take(self) -> _Line | None:
        """The connection that was used last, of those that still look alive."""
        now = trio.current_time()
        while self._kept:
            line = self._kept.pop()
            if line.fit(now):
                return line
            line.close()
        return None

    def give_back(self, line: _Line, *, whole: bool) -> None:
        """Keep a connection for the next call, or close it."""
        http = line.http
        states = {http.our_state, http.their_state}
        clean = whole and states == {h11.DONE} and http.trailing_data == (b"", False)
        if not clean or len(self._kept) >= self._keep:
            line.close()
            return
        http.start_next_cycle()
        line.idle_since = trio.current_time()
        self._kept.append(line)

    async def aclose(self) -> None:
        """Close what is kept; what is in use closes when it is left."""
        self._keep = 0
        while self._kept:
            self._kept.pop().close()
