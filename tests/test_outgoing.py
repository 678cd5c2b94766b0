"""What is gossiped first: a proof of a fork neither waits behind entries nor is crowded out."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from ledger import MemoryStore
from symphony.core import messages
from symphony.core.effects import Publish
from symphony.core.messages import Entries, Fork
from symphony.net import topics
from symphony.node import limits
from symphony.node.air import NetworkAir
from symphony.node.outgoing import Outgoing

SWARM = bytes(32)


class Wire:
    """A network that takes one message at a time, when it is told to."""

    def __init__(self) -> None:
        self.published: list[messages.Message] = []
        self.ready = trio.Semaphore(0)

    async def publish(self, topic: str, data: bytes) -> None:
        await self.ready.acquire()
        message = messages.decode(data)
        assert topic.split("/")[3] == ("forks" if isinstance(message, Fork) else "entries")
        self.published.append(message)


class NoLoop:
    """The air hears nothing here."""

    async def feed(self, happened: Any) -> None:
        raise AssertionError(happened)

    async def on_disk(self, work: Any) -> Any:
        raise AssertionError(work)


def batch(number: int) -> Publish:
    return Publish("entries", Entries((b"%d" % number,)))


def proof(number: int) -> Publish:
    return Publish("forks", Fork(b"proof %d" % number))


async def test_proofs_of_forks_overtake_everything_that_waits() -> None:
    wire = Wire()
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            air = NetworkAir(wire, topics(SWARM), MemoryStore(SWARM), NoLoop(), nursery)  # type: ignore[arg-type]
            nursery.start_soon(air.run_gossip)
            air.publish(batch(0))
            await trio.testing.wait_all_tasks_blocked()  # it is being sent
            for number in range(1, limits.OUTGOING_GOSSIP + 10):
                air.publish(batch(number))  # more than fits
            air.publish(proof(1))
            air.publish(proof(2))
            for _ in range(4):
                wire.ready.release()
                await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    expected = [batch(0), proof(1), proof(2), batch(1)]
    assert wire.published == [effect.message for effect in expected]


@pytest.mark.parametrize(
    ("urgent", "most"), [(False, limits.OUTGOING_GOSSIP), (True, limits.OUTGOING_URGENT)]
)
async def test_both_lanes_are_bounded_and_apart(urgent: bool, most: int) -> None:
    outgoing = Outgoing()
    put = [outgoing.put("t", b"%d" % at, urgent=urgent) for at in range(most + 1)]
    assert put == [True] * most + [False]
    assert outgoing.put("t", b"other lane", urgent=not urgent)
    with trio.fail_after(10):
        taken = [await outgoing.take() for _ in range(most + 1)]
    assert taken.index(("t", b"other lane")) == (most if urgent else 0)
    assert outgoing.put("t", b"room again", urgent=urgent)


async def test_taking_waits_for_what_is_put() -> None:
    outgoing = Outgoing()
    taken: list[bytes] = []

    async def take() -> None:
        while len(taken) < 2:
            taken.append((await outgoing.take())[1])

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(take)
            for data in (b"one", b"two"):
                await trio.testing.wait_all_tasks_blocked()
                assert outgoing.put("t", data, urgent=False)
    assert taken == [b"one", b"two"]
