"""Frames on a stream: a length of 4 bytes, big-endian, then that many bytes.

The reader takes large pieces off the stream and cuts frames from its buffer, because on Yamux
every read has a fixed price. It never holds more than one frame and one piece: the length is
checked against the cap before the body is waited for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from symphony.net import limits

Read = Callable[[int], Awaitable[bytes]]
"""Gives between 1 and n bytes; empty bytes, or `EndOfStream`, when there are no more."""


class EndOfStream(Exception):
    """The peer closed the stream, or the connection went away. Nobody's fault."""


class FrameTooLarge(Exception):
    """The peer announced a frame over the cap. Its fault: the stream is reset."""


def encode(frame: bytes) -> bytes:
    """The frame as it travels. The caller checked its size."""
    return len(frame).to_bytes(limits.FRAME_HEAD_BYTES, "big") + frame


class FrameReader:
    """Cuts frames out of a stream of bytes."""

    __slots__ = ("_buffer", "_max_bytes", "_read")

    def __init__(self, read: Read, *, max_bytes: int = limits.MAX_FRAME_BYTES) -> None:
        self._read = read
        self._max_bytes = max_bytes
        self._buffer = bytearray()

    async def next(self) -> bytes:
        """The next frame. Raises `EndOfStream` or `FrameTooLarge`."""
        head = limits.FRAME_HEAD_BYTES
        await self._fill(head)
        size = int.from_bytes(self._buffer[:head], "big")
        if size > self._max_bytes:
            raise FrameTooLarge(f"{size} bytes announced, at most {self._max_bytes} are allowed")
        await self._fill(head + size)
        frame = bytes(self._buffer[head : head + size])
        del self._buffer[: head + size]
        return frame

    async def _fill(self, size: int) -> None:
        while len(self._buffer) < size:
            piece = await self._read(limits.READ_BYTES)
            if not piece:
                raise EndOfStream
            self._buffer += piece
