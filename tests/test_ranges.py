"""Ranges for peers: whole and in order, and a peer that doesn't read keeps nobody else waiting."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
import trio
import trio.testing

from ledger import Entry, HybridClock, Kind, MemoryStore, parse_entry, seal
from symphony.core import messages
from symphony.core.effects import SendRange
from symphony.core.ids import NodeId
from symphony.core.messages import Entries
from symphony.node import limits
from symphony.node.ranges import Ranges
from symphony.testing.signing import FastKeys

SWARM = bytes(32)
SLOW, QUICK, GONE = NodeId(b"s" * 32), NodeId(b"q" * 32), NodeId(b"g" * 32)
WALL_MS = 1_700_000_000_000

T = TypeVar("T")


class Line:
    """A network with a peer that reads, one that never does, and none besides."""

    def __init__(self) -> None:
        self.got: list[Entry] = []
        self.refused = 0

    def send(self, peer: bytes, frame: bytes, *, channel: Any) -> bool:
        message = messages.decode(frame)
        assert isinstance(message, Entries)
        assert message.asked
        assert channel.value.startswith("/symphony/sync/")
        if peer != QUICK:
            self.refused += 1
            return False
        self.got += [parse_entry(raw) for raw in message.entries]
        return True

    def peers(self) -> tuple[Any, ...]:
        return (SimpleNamespace(node_id=SLOW), SimpleNamespace(node_id=QUICK))


class Disk:
    """A disk that answers at once."""

    async def on_disk(self, work: Callable[[], T]) -> T:
        await trio.lowlevel.checkpoint()
        return work()


def log(count: int) -> list[Entry]:
    signer, clock = FastKeys().signer(bytes(32)), HybridClock()
    made: list[Entry] = []
    for number in range(count):
        head = made[-1].head if made else None
        body = bytes([number % 256]) * 8_000
        stamp = clock.tick(WALL_MS)
        made.append(seal(signer, SWARM, head, kind=Kind.TASK, body=body, hlc=stamp))
    return made


@pytest.fixture
def stage() -> tuple[Line, MemoryStore, list[Entry]]:
    store, entries = MemoryStore(SWARM), log(60)
    store.append(entries)
    return Line(), store, entries


async def test_a_peer_that_does_not_read_keeps_nobody_waiting(
    stage: tuple[Line, MemoryStore, list[Entry]], autojump_clock: trio.testing.MockClock
) -> None:
    line, store, entries = stage
    author = entries[0].author
    async with trio.open_nursery() as nursery:
        ranges = Ranges(line, store, Disk(), nursery)
        for _ in range(limits.RANGES_PER_PEER):
            assert ranges.send(SendRange(SLOW, author, 1, 60))
        assert not ranges.send(SendRange(SLOW, author, 1, 60))
        assert ranges.send(SendRange(QUICK, author, 1, 30))
        assert ranges.send(SendRange(QUICK, author, 31, 60))
        began = trio.current_time()
        while len(line.got) < 60:
            assert trio.current_time() - began < limits.RANGE_WAIT_S / 2
            await trio.sleep(0.01)
    assert [entry.seq for entry in line.got] == list(range(1, 61))
    # The nursery is empty: after one patience all that waited for that peer was dropped.
    assert limits.RANGE_WAIT_S <= trio.current_time() - began <= limits.RANGE_WAIT_S + 1
    assert line.refused < 200


async def test_who_is_gone_gets_nothing_and_who_comes_back_does(
    stage: tuple[Line, MemoryStore, list[Entry]], autojump_clock: trio.testing.MockClock
) -> None:
    line, store, entries = stage
    author = entries[0].author
    async with trio.open_nursery() as nursery:
        ranges = Ranges(line, store, Disk(), nursery)
        assert ranges.send(SendRange(GONE, author, 1, 60))
        assert ranges.send(SendRange(GONE, author, 1, 60))
        assert ranges.send(SendRange(QUICK, bytes(32), 1, 9))  # nothing of that log is here
    assert (line.refused, line.got) == (1, [])
    async with trio.open_nursery() as nursery:
        ranges = Ranges(line, store, Disk(), nursery)
        for _ in range(3):
            assert ranges.send(SendRange(QUICK, author, 7, 7))
            await trio.testing.wait_all_tasks_blocked()
    assert [entry.seq for entry in line.got] == [7, 7, 7]
