"""A node in a process of its own, to be killed or frozen: prints its address, then echoes."""

from __future__ import annotations

import sys
from pathlib import Path

import trio

sys.path.insert(0, str(Path(__file__).parent))
from net_rooms import network

from symphony.net import FrameSeen


async def main() -> None:
    async with network("child") as net:
        sys.stdout.write(net.addresses[0] + "\n")
        sys.stdout.flush()
        async for event in net.events:
            if isinstance(event, FrameSeen):
                net.send(event.peer, event.data)


if __name__ == "__main__":
    trio.run(main)
