"""The one loop at the edge: take inputs, ask the core, run the effects in the listed order.

Inputs that wait already are handled together, and what they want appended is committed in one
transaction before anything is said: an append may come earlier than listed, and later only where
nothing rests on it. So one fsync serves many entries, and work never waits for a commit that
nobody needs yet. What may wait, for a moment, are entries of others that nothing is said about
(`unkept`); our own are committed at once.

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

from ledger import ForkProof, Store
from symphony.core.effects import (
    Append,
    BeginLog,
    CancelWork,
    DropBodies,
    Effect,
    Embed,
    Expel,
    Forget,
    HashLog,
    KeepFork,
    KeepReceipt,
    LookUp,
    Meet,
    Note,
    Publish,
    Reject,
    Send,
    SendRange,
    SendSealed,
    SetTimer,
    StartWork,
    Tell,
    Unseal,
)
from symphony.core.events import (
    Event,
    OwnLogForked,
    OwnLogRetired,
    OwnLogShort,
    OwnLogUnconfirmed,
)
from symphony.core.ids import TaskId
from symphony.core.inputs import (
    BodiesDropped,
    Input,
    LogHashed,
    LookedUp,
    TimerFired,
    Unsealed,
)
from symphony.core.swarm import Swarm
from symphony.core.tasks.notes import TaskBegun
from symphony.core.timers import Timer
from symphony.errors import LedgerInvalid
from symphony.node import limits
from symphony.node.boxes import BoxKey
from symphony.node.high_water import HighWater
from symphony.node.hub import Hub, ended_task
from symphony.node.notebook import Notebook
from symphony.node.unkept import Pile, Unkept, at_once
from symphony.node.unsealing import open_boxes
from symphony.node.workshop import Workshop

_log = structlog.get_logger("symphony.loop")

T = TypeVar("T")


class Air(Protocol):
    """What carries messages: the network, or nothing for a swarm of one."""

    def send(self, effect: Send) -> None: ...

    def send_sealed(self, effect: SendSealed) -> None: ...

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
        notebook: Notebook,
        box: BoxKey,
    ) -> None:
        self.swarm = swarm
        self._store = store
        self._hub = hub
        self._now_ms = now_ms
        self._receipts = receipts
        self._high_water = high_water
        self._notebook = notebook
        self._box = box
        self._found: list[Input] = []
        self._inlet, self._inbox = trio.open_memory_channel[Input](limits.INBOX)
        self._timers: list[tuple[int, int, Timer]] = []
        self._numbers = itertools.count()
        self._disk = trio.CapacityLimiter(1)
        self.unkept = Unkept(swarm.me)
        self._append_ms = limits.QUICK_APPEND_MS  # a running mean; the first ones go by the thread
        self.air: Air
        self.workshop: Workshop
        self.embed: Callable[[Embed], None]

    async def feed(self, happened: Input) -> None:
        """Bring an input; waits while the inbox is full."""
        try:
            self._inlet.send_nowait(happened)  # mostly there is room, and a turn is saved
        except trio.WouldBlock:
            await self._inlet.send(happened)

    async def on_disk(self, work: Callable[[], T]) -> T:
        """Run something with the store in the one thread that may; it sees every entry."""
        return await self._in_thread(work, ())

    async def _in_thread(self, work: Callable[[], T], proofs: Sequence[ForkProof]) -> T:
        async with self._disk:
            pile = self.unkept.take()

            def run() -> T:
                self._keep(pile, proofs)
                return work()

            return await trio.to_thread.run_sync(run)

    async def _commit(self, proofs: Sequence[ForkProof] = (), *, aside: bool = False) -> None:
        """Bring all that is unkept to the disk; `aside`: in the thread, however quick the disk."""
        if self._quick and not aside:
            self._keep(self.unkept.take(), proofs)
        else:
            await self._in_thread(_nothing, proofs)

    @property
    def _quick(self) -> bool:
        """A disk that is quick is waited for right in the loop, which is cheaper than a thread; a
        slow one by the thread, so that the network stays alive meanwhile.
        """
        return self._append_ms < limits.QUICK_APPEND_MS and self._disk.available_tokens > 0

    async def sync_mark(self) -> None:
        """Bring the high-water mark to the disk, again and again while it moves, and fold notes
        into their file: what costs a sync of the disk, and nobody waits for.
        """
        while True:
            await trio.sleep(limits.MARK_SYNC_S)
            if self._high_water.dirty:
                await self.on_disk(self._high_water.sync)
            if self._notebook.long:
                await self.on_disk(self._notebook.fold)

    async def run(self) -> None:
        """Until cancelled. A store that fails ends the node: it must not speak any more."""
        try:
            while True:
                batch = await self._next_batch()
                effects: list[Effect] = []
                for happened in batch:
                    effects += self.swarm.handle(self._now_ms(), happened)
                await self._run(effects)
        except trio.Cancelled:
            with trio.CancelScope(shield=True):  # bounded: one commit, behind the one under way
                await self._commit()
            raise

    async def _next_batch(self) -> list[Input]:
        """Everything that is due or waiting now; nothing, when only a commit is due."""
        batch = [*self._found, *self._due()]
        self._found.clear()
        if not batch:
            now_ms = self._now_ms()
            until_ms = [at_ms for at_ms, _, _ in self._timers[:1]]
            until_ms += [now_ms + 3_600_000 if self.unkept.due_ms is None else self.unkept.due_ms]
            with trio.move_on_after(max(0, min(until_ms) - now_ms) / 1000):
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

    def _keep(self, pile: Pile, proofs: Sequence[ForkProof]) -> None:
        """Entries to the disk, and the mark of our own; both before anything is said of them.

        Proofs come first: an entry that shows one is never shown again once it is stored. So do
        notes, which nothing waits for: they are written, but not synced.
        """
        entries = pile.entries
        if pile.notes:
            self._notebook.keep(pile.notes)
        if not entries and not proofs:
            return
        began = time.perf_counter()
        for proof in proofs:
            self._store.add_fork(proof)
        self._store.append(entries)
        own = [entry.seq for entry in entries if entry.author == self.swarm.me]
        if own:
            self._high_water.raise_to(max(own))
        took_ms = (time.perf_counter() - began) * 1000
        self._append_ms += (took_ms - self._append_ms) / 8

    async def _write(self, work: Callable[[], None]) -> None:
        """Write something that is no entry: here, or in the thread of a slow disk."""
        if self._quick:
            work()
        else:
            await self.on_disk(work)

    async def _keep_receipt(self, path: Path, receipt: bytes) -> None:
        await self._write(partial(write_receipt, path, receipt))

    async def _forget(self, task: TaskId) -> None:
        """The notes of a task go; what a client may still ask for stays for a while."""
        story = self._hub.story(task)
        ended = None if story is None else ended_task(story)
        await self._write(partial(self._notebook.end, task, ended))

    def _begun(self, note: Note) -> None:
        """A task that another node conducted goes on here: from here on its story is kept."""
        begun = note.note
        if isinstance(begun, TaskBegun) and self._hub.story(note.task) is None:
            self._hub.begin(note.task, begun.spec, begun.wall_ms)

    def _say(self, effect: Send | SendSealed | SendRange | Publish) -> None:
        match effect:
            case Send():
                self.air.send(effect)
            case SendSealed():
                self.air.send_sealed(effect)
            case SendRange():
                self.air.send_range(effect)
            case Publish():
                self.air.publish(effect)

    def _unseal(self, wanted: Unseal) -> Unsealed:
        """Half a millisecond for each box: not in the loop."""
        return Unsealed(wanted.task, open_boxes(self._box, wanted.task, wanted.boxes))

    def _hash_log(self, wanted: HashLog) -> LogHashed:
        frontier = self._store.frontier(wanted.author, wanted.size)
        root = frontier.root() if frontier is not None else None
        return LogHashed(wanted.author, wanted.size, root)

    def _drop_bodies(self, due: DropBodies) -> BodiesDropped:
        bodies = self._store.drop_bodies(due.before, keep=due.keep, limit=due.limit)
        return BodiesDropped(bodies or self._store.drop_headers(due.limit))

    def _begin(self, wanted: BeginLog) -> None:
        horizon = wanted.horizon
        if not self._store.begin(horizon):
            author = horizon.author.hex()[:8]
            _log.warning("horizon_contradicts", author=author, size=horizon.size)

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
                _log.error("own_log_forked", seq=seq, next="symphony key rotate")
            case OwnLogRetired(seq):
                _log.error("own_log_retired", seq=seq, next="start the home with the new key")
            case OwnLogUnconfirmed(seq):
                override = "SYMPHONY_APPEND_UNASKED=true (forks the log if this is a backup)"
                _log.warning("own_log_unconfirmed", seq=seq, next="start a peer", or_set=override)
            case _:
                pass

    async def _run(self, effects: Sequence[Effect]) -> None:
        first = at_once(effects)
        await self._do_all(effects[:first])
        begun = any(isinstance(effect, StartWork) for effect in effects[:first])
        await self._make_sure(effects, aside=begun)
        await self._do_all(effects[first:])

    async def _make_sure(self, effects: Sequence[Effect], *, aside: bool) -> None:
        """Bring to the disk what these effects rest on; `aside`, while work that was just started
        sends its request.
        """
        proofs: list[ForkProof] = []
        for effect in effects:
            if isinstance(effect, BeginLog):
                await self.on_disk(partial(self._begin, effect))
        now_ms = self._now_ms()
        for effect in effects:
            if isinstance(effect, Append):
                self.unkept.add(effect.entries, now_ms)
            elif isinstance(effect, Note):
                self.unkept.note(effect, now_ms)
                self._begun(effect)
            elif isinstance(effect, KeepFork):
                proofs.append(effect.proof)
        overdue = self.unkept.due_ms is not None and self.unkept.due_ms <= now_ms
        if proofs or overdue or self.unkept.must_go(effects):
            await self._commit(proofs, aside=aside)

    async def _do_all(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Append() | KeepFork() | BeginLog() | Note():
                    pass
                case Forget(task):
                    await self._forget(task)
                case Send() | SendSealed() | SendRange() | Publish():
                    self._say(effect)
                case Unseal():
                    self._found.append(await self.on_disk(partial(self._unseal, effect)))
                case Embed():
                    self.embed(effect)
                case StartWork():
                    self.workshop.start(effect)
                case CancelWork(unit, epoch):
                    self.workshop.cancel(unit, epoch)
                case SetTimer(timer, at_ms):
                    heapq.heappush(self._timers, (at_ms, next(self._numbers), timer))
                case KeepReceipt(task, receipt):
                    await self._keep_receipt(self._receipts / f"{task.hex()}.receipt", receipt)
                case HashLog():
                    self._found.append(await self.on_disk(partial(self._hash_log, effect)))
                case DropBodies():
                    self._found.append(await self.on_disk(partial(self._drop_bodies, effect)))
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


def _nothing() -> None:
    """All work there is was done by then."""


def write_receipt(path: Path, data: bytes) -> None:
    """A receipt file appears whole or not at all, and only its owner can read it."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_bytes(data)
    fresh.replace(path)
