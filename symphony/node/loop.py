"""The one loop at the edge: take inputs, ask the core, run the effects in the listed order.

Inputs that wait already are handled together, and what they want appended is committed in one
transaction before any other effect runs. That keeps the core's promise (durable before spoken:
an append may come earlier than listed, never later) and makes one fsync serve many entries.

Nothing in here waits for the network or for a model: frames are queued, gossip and ranges have
tasks of their own, engines report back as inputs. Only the disk is waited for.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar, assert_never

import structlog
import trio

from ledger import Entry, ForkProof, Store
from symphony.core.effects import (
    Append,
    CancelWork,
    Effect,
    Embed,
    Expel,
    HashLog,
    KeepFork,
    KeepReceipt,
    LookUp,
    Meet,
    Publish,
    Reject,
    Send,
    SendRange,
    SetTimer,
    StartWork,
    Tell,
)
from symphony.core.events import Event, OwnLogForked, OwnLogShort, OwnLogUnconfirmed
from symphony.core.inputs import Input, LogHashed, LookedUp, TimerFired
from symphony.core.swarm import Swarm
from symphony.core.timers import Timer
from symphony.errors import LedgerInvalid
from symphony.node import limits
from symphony.node.high_water import HighWater
from symphony.node.hub import Hub
from symphony.node.workshop import Workshop

_log = structlog.get_logger("symphony.loop")

T = TypeVar("T")


class Air(Protocol):
    """What carries messages: the network, or nothing for a swarm of one."""

    def send(self, effect: Send) -> None: ...

    def send_range(self, effect: SendRange) -> None: ...

    def publish(self, effect: Publish) -> None: ...

    def reject(self, effect: Reject) -> None: ...

    def expel(self, effect: Expel) -> None: ...

    def meet(self, effect: Meet) -> None: ...


class Loop:
    """Owns the core: nobody else calls it."""

    def __init__(
        self,
        swarm: Swarm,
        store: Store,
        hub: Hub,
        now_ms: Callable[[], int],
        receipts: Path,
        high_water: HighWater,
    ) -> None:
        self.swarm = swarm
        self._store = store
        self._hub = hub
        self._now_ms = now_ms
        self._receipts = receipts
        self._high_water = high_water
        self._found: list[Input] = []
        self._inlet, self._inbox = trio.open_memory_channel[Input](limits.INBOX)
        self._timers: list[tuple[int, int, Timer]] = []
        self._numbers = itertools.count()
        self._disk = trio.CapacityLimiter(1)
        self._append_ms = limits.QUICK_APPEND_MS  # a running mean; the first ones go by the thread
        self.air: Air
        self.workshop: Workshop
        self.embed: Callable[[Embed], None]

    async def feed(self, happened: Input) -> None:
        """Bring an input; waits while the inbox is full."""
        await self._inlet.send(happened)

    async def on_disk(self, work: Callable[[], T]) -> T:
        """Run something with the store in the one thread that may."""
        return await trio.to_thread.run_sync(work, limiter=self._disk)

    async def _append(self, entries: Sequence[Entry], proofs: Sequence[ForkProof]) -> None:
        """Commit. A disk that is quick is waited for right here, which is cheaper than a thread;
        a slow one by the thread, so that the network stays alive meanwhile.
        """

        def append() -> float:
            began = time.perf_counter()
            self._keep(entries, proofs)
            return (time.perf_counter() - began) * 1000

        quick = self._append_ms < limits.QUICK_APPEND_MS and self._disk.available_tokens > 0
        took_ms = append() if quick else await self.on_disk(append)
        self._append_ms += (took_ms - self._append_ms) / 8

    async def run(self) -> None:
        """Until cancelled. A store that fails ends the node: it must not speak any more."""
        while True:
            batch = await self._next_batch()
            effects: list[Effect] = []
            for happened in batch:
                effects += self.swarm.handle(self._now_ms(), happened)
            await self._run(effects)

    async def _next_batch(self) -> list[Input]:
        """Everything that is due or waiting now, at least one thing."""
        batch = [*self._found, *self._due()]
        self._found.clear()
        if not batch:
            wait_ms = self._timers[0][0] - self._now_ms() if self._timers else None
            with trio.move_on_after(max(0, wait_ms) / 1000 if wait_ms is not None else 3600):
                batch.append(await self._inbox.receive())
        while len(batch) < limits.BATCH:
            try:
                batch.append(self._inbox.receive_nowait())
            except trio.WouldBlock:
                break
        return batch + self._due()

    def _due(self) -> list[Input]:
        due: list[Input] = []
        while self._timers and self._timers[0][0] <= self._now_ms() and len(due) < limits.BATCH:
            due.append(TimerFired(heapq.heappop(self._timers)[2]))
        return due

    def _keep(self, entries: Sequence[Entry], proofs: Sequence[ForkProof]) -> None:
        """Entries to the disk, and the mark of our own; both before anything is said of them.

        Proofs come first: an entry that shows one is never shown again once it is stored.
        """
        for proof in proofs:
            self._store.add_fork(proof)
        self._store.append(entries)
        own = [entry.seq for entry in entries if entry.author == self.swarm.me]
        if own:
            self._high_water.raise_to(max(own))

    def _hash_log(self, wanted: HashLog) -> LogHashed:
        frontier = self._store.frontier(wanted.author, wanted.size)
        root = frontier.root() if frontier is not None else None
        return LogHashed(wanted.author, wanted.size, root)

    def _look_up(self, wanted: LookUp) -> LookedUp:
        author, seq = wanted.claim.author, wanted.claim.seq
        stored, before = self._store.get(author, seq), self._store.get(author, seq - 1)
        return LookedUp(wanted.peer, wanted.claim, stored, before)

    def _tell(self, event: Event) -> None:
        self._hub.tell(event)
        match event:
            case OwnLogShort(seq, said):
                raise LedgerInvalid(
                    f"the own log ends at {seq} here, but entries up to {said} were spoken, and "
                    "no peer that could be reached has them",
                    hint="start again when other nodes are up; going on would fork the log",
                )
            case OwnLogForked(seq):
                _log.error("own_log_forked", seq=seq, next="make a new key: symphony init")
            case OwnLogUnconfirmed(seq):
                override = "SYMPHONY_APPEND_UNASKED=true (forks the log if this is a backup)"
                _log.warning("own_log_unconfirmed", seq=seq, next="start a peer", or_set=override)
            case _:
                pass

    async def _run(self, effects: Sequence[Effect]) -> None:
        entries: list[Entry] = []
        proofs: list[ForkProof] = []
        for effect in effects:
            if isinstance(effect, Append):
                entries += effect.entries
            elif isinstance(effect, KeepFork):
                proofs.append(effect.proof)
        if entries or proofs:
            await self._append(entries, proofs)
        for effect in effects:
            match effect:
                case Append() | KeepFork():
                    pass
                case Send():
                    self.air.send(effect)
                case SendRange():
                    self.air.send_range(effect)
                case Publish():
                    self.air.publish(effect)
                case Embed():
                    self.embed(effect)
                case StartWork():
                    self.workshop.start(effect)
                case CancelWork(unit, epoch):
                    self.workshop.cancel(unit, epoch)
                case SetTimer(timer, at_ms):
                    heapq.heappush(self._timers, (at_ms, next(self._numbers), timer))
                case KeepReceipt(task, receipt):
                    path = self._receipts / f"{task.hex()}.receipt"
                    await self.on_disk(partial(write_receipt, path, receipt))
                case HashLog():
                    self._found.append(await self.on_disk(partial(self._hash_log, effect)))
                case LookUp():
                    self._found.append(await self.on_disk(partial(self._look_up, effect)))
                case Tell(event):
                    self._tell(event)
                case Reject():
                    self.air.reject(effect)
                case Expel():
                    self.air.expel(effect)
                case Meet():
                    self.air.meet(effect)
                case _:
                    assert_never(effect)


def write_receipt(path: Path, data: bytes) -> None:
    """A receipt file appears whole or not at all, and only its owner can read it."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_bytes(data)
    fresh.replace(path)
