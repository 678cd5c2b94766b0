"""One connection to a model server, and how its bytes are waited for.

A model that computes on this machine needs the cores that a node spends on its tokens, and each
time that a node wakes up, the model's threads wait for one another. So once an answer has begun,
its pieces are taken together for at most `TOGETHER_S` since the last read. The kernel does the
waiting (SO_RCVLOWAT), and ends it as soon as there is more than two pieces hold. The end of an
answer with its counts mostly is, so the wait is over when the answer is, and what comes behind the
reason of its end is not waited for (`hurry`). A shorter end is late by `TOGETHER_S` at the most.
"""

from __future__ import annotations

import select
import socket
from typing import Final

import h11
import httpx2
import trio

from symphony.engines import limits

_READ_BYTES: Final = 65_536


class Line:
    """A connection and what h11 knows of it.

    The socket is a bare one: a stream tries to read before it waits, and takes a turn through the
    scheduler after each write, which is right for streams and too much for what waits per token.
    """

    __slots__ = ("_read_at", "_socket", "heard_bytes", "http", "idle_since")

    def __init__(self, stream: trio.SocketStream) -> None:
        self._socket = socket.socket(fileno=stream.socket.detach())
        self._socket.setblocking(False)
        self.http = h11.Connection(h11.CLIENT, max_incomplete_event_size=limits.HEAD_BYTES)
        self.idle_since = 0.0
        self.heard_bytes = 0  # since the last request
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
        self.heard_bytes += len(data)
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
