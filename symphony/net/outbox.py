"""The outgoing side of one mailbox: frames wait here for the one kept stream to a peer.

`put` never waits, so that the protocol core can send from inside its loop; when the queue is
full it says so. One task takes all that is waiting and writes it at once: a burst of small
frames costs one encryption and one system call. Nothing is acknowledged; the stream is ordered
and reliable, and what a dead connection swallowed is repaired by the protocol above.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

import trio

from symphony.net import frames, limits


class Outbox:
    """A bounded queue of encoded frames with one waiting writer."""

    __slots__ = ("_bytes", "_frames", "_wake")

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._wake = trio.Event()

    @property
    def waiting_bytes(self) -> int:
        return self._bytes

    def put(self, frame: bytes) -> bool:
        """Queue `frame`; False when it does not fit. Raises `ValueError` if it never could."""
        if len(frame) > limits.MAX_FRAME_BYTES:
            raise ValueError(f"a frame of {len(frame)} bytes is over {limits.MAX_FRAME_BYTES}")
        size = len(frame) + limits.FRAME_HEAD_BYTES
        full = len(self._frames) >= limits.OUTBOX_FRAMES
        if full or self._bytes + size > limits.OUTBOX_BYTES:
            return False
        self._frames.append(frames.encode(frame))
        self._bytes += size
        self._wake.set()
        return True

    async def drain(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Write for ever what is put in. Ends only by an exception from `write`."""
        while True:
            if not self._frames:
                self._wake = trio.Event()
                await self._wake.wait()
            await write(self._take())

    def _take(self) -> bytes:
        """The oldest frames, joined up to the size of one write; at least one frame."""
        batch = [self._frames.popleft()]
        size = len(batch[0])
        while self._frames and size + len(self._frames[0]) <= limits.WRITE_BATCH_BYTES:
            batch.append(self._frames.popleft())
            size += len(batch[-1])
        self._bytes -= size
        return batch[0] if len(batch) == 1 else b"".join(batch)
