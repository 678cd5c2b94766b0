"""Ranges of logs on their way to peers: one at a time for each peer, so that none starves another.

A peer may ask for many ranges, and read slowly or not at all. Its ranges wait in a queue of its
own, are read from the store frame by frame, and the next frame is read only once the one before
was taken: what one peer's requests cost is a queue of small values and one frame. Whoever asks
for more than an honest peer ever has under way is told so by the silence, and counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

import structlog
import trio

from ledger import Store
from symphony.core import messages
from symphony.core.effects import SendRange
from symphony.core.ids import NodeId
from symphony.core.messages import Entries
from symphony.net import Channel, PeerInfo
from symphony.node import limits

_log = structlog.get_logger("symphony.ranges")

T = TypeVar("T")


class Reader(Protocol):
    """What is needed of the loop."""

    async def on_disk(self, work: Callable[[], T]) -> T: ...


class Line(Protocol):
    """What is needed of the network."""

    def send(self, peer: bytes, frame: bytes, *, channel: Channel) -> bool: ...

    def peers(self) -> tuple[PeerInfo, ...]: ...


class Ranges:
    """The ranges that peers have asked for and not got yet."""

    def __init__(self, line: Line, store: Store, reader: Reader, nursery: trio.Nursery) -> None:
        self._line = line
        self._store = store
        self._reader = reader
        self._nursery = nursery
        self._waiting: dict[NodeId, deque[SendRange]] = {}

    def send(self, wanted: SendRange) -> bool:
        """Queue a range. False if the peer has too many in its queue already."""
        queue = self._waiting.get(wanted.peer)
        if queue is None:
            queue = self._waiting[wanted.peer] = deque()
            self._nursery.start_soon(self._serve, wanted.peer, queue)
        if len(queue) >= limits.RANGES_PER_PEER:
            return False
        queue.append(wanted)
        return True

    async def _serve(self, peer: NodeId, queue: deque[SendRange]) -> None:
        """Send one range after the other, until none waits or the peer doesn't read."""
        try:
            while queue:
                if not await self._send(queue.popleft()):
                    _log.debug("ranges_dropped", peer=peer.hex()[:8], count=len(queue) + 1)
                    return
        finally:
            del self._waiting[peer]

    async def _send(self, wanted: SendRange) -> bool:
        """Read a range and send it in bounded frames. False if the peer is gone or too slow."""
        first = wanted.first
        while first <= wanted.last:
            most = limits.RANGE_FRAME_BYTES
            read = partial(self._store.range, wanted.author, first, wanted.last, most)
            entries = await self._reader.on_disk(read)
            if not entries:
                return True
            raw = tuple(entry.encode() for entry in entries)
            if not await self._patiently(wanted.peer, messages.encode(Entries(raw, asked=True))):
                return False
            first = entries[-1].seq + 1
        return True

    async def _patiently(self, peer: NodeId, frame: bytes) -> bool:
        """Queue a frame once there is room. False if the peer is gone or doesn't read."""
        give_up_at = trio.current_time() + limits.RANGE_WAIT_S
        pause_s = 0.005
        while not self._line.send(peer, frame, channel=Channel.SYNC):
            gone = all(info.node_id != peer for info in self._line.peers())
            if gone or trio.current_time() > give_up_at:
                return False
            await trio.sleep(pause_s)
            pause_s = min(0.2, pause_s * 2)
        return True
