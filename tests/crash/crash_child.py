"""A node cut down to what may lose entries: the real loop, core, store, mark and lock.

Its air is a pipe: what it publishes is written to stdout, one line `seq hex` an entry, and so it
is spoken. It writes entries as fast as it can until it is killed.

    python crash_child.py HOME [known_peers]
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from random import SystemRandom

import trio

from ledger import PrivateKey, parse_entry, verify
from ledger.sqlite import SqliteStore, lock_directory
from symphony.core import limits
from symphony.core.effects import Publish
from symphony.core.ids import NodeId, SwarmId
from symphony.core.inputs import OwnLogMark, Revoke, Started, WallClock
from symphony.core.messages import Entries
from symphony.core.swarm import Swarm
from symphony.node.boxes import BoxKey
from symphony.node.disk import Disk
from symphony.node.high_water import HighWater
from symphony.node.hub import Hub
from symphony.node.loop import Loop
from symphony.node.notebook import Notebook

SWARM = SwarmId(b"a swarm that crashes".ljust(32, b"."))
KEY = PrivateKey(b"k" * 32)


class PipeAir:
    """Says aloud what is published; there is nobody to send to."""

    def publish(self, effect: Publish) -> None:
        if isinstance(effect.message, Entries):
            for raw in effect.message.entries:
                line = f"{parse_entry(raw).seq} {raw.hex()}\n"
                os.write(1, line.encode())

    def send(self, effect: object) -> None: ...

    def send_range(self, effect: object) -> None: ...

    def reject(self, effect: object) -> None: ...

    def expel(self, effect: object) -> None: ...

    def meet(self, effect: object) -> None: ...


def now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


async def main(home: Path, known_peers: int) -> None:
    limits.PUBLISH_AFTER_MS = 1
    limits.PUBLISH_EVERY_MS = 5
    store = SqliteStore.open(home / "ledger.sqlite", SWARM)
    me = NodeId(KEY.public)
    swarm = Swarm(KEY, verify, SWARM, SystemRandom(), store.heads(), store.forks(), me)
    mark = HighWater(home)
    disk = Disk(swarm.me, store, mark, Notebook(home))
    loop = Loop(swarm, disk, Hub(), now_ms, home, BoxKey(bytes(32)))
    loop.air = PipeAir()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(loop.run)
        await loop.feed(WallClock(time.time_ns() // 1_000_000))
        await loop.feed(Started((), 1, (), OwnLogMark(mark.seq, known_peers)))
        while True:
            await loop.feed(Revoke(os.urandom(16)))
            await trio.sleep(0.0005)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with lock_directory(folder):
        trio.run(main, folder, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
