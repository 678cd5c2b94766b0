"""The node's disk: what is brought to it, when, and in which thread.

Own entries are committed before anything is said of them, in one transaction with what waits
beside them: entries of others, and the notes of a conductor (`unkept` has the rule). The mark of
the own log is raised with them, and folded into its file later, when nobody waits.

One thread at a time has the store. A disk that is quick is waited for right in the loop, which is
cheaper than a thread; a slow one by a thread, so that the network stays alive meanwhile. Whoever
reads the store reads it in that thread as well, after a commit: it sees every entry.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import structlog
import trio

from ledger import ForkProof, Store
from symphony.core.effects import (
    Append,
    BeginLog,
    DropBodies,
    Effect,
    HashLog,
    KeepFork,
    LookUp,
    Note,
)
from symphony.core.ids import NodeId, TaskId
from symphony.core.inputs import BodiesDropped, Input, LogHashed, LookedUp
from symphony.node import limits
from symphony.node.high_water import HighWater
from symphony.node.notebook import EndedTask, Notebook
from symphony.node.unkept import Pile, Unkept

_log = structlog.get_logger("symphony.disk")

T = TypeVar("T")


class Disk:
    """Store, mark and notebook, in the order that the promise of order asks for."""

    def __init__(self, me: NodeId, store: Store, high_water: HighWater, notebook: Notebook) -> None:
        self._me = me
        self._store = store
        self._high_water = high_water
        self._notebook = notebook
        self._thread = trio.CapacityLimiter(1)
        self.unkept = Unkept(me)
        self._append_ms = limits.QUICK_APPEND_MS  # a running mean; the first ones go by the thread

    async def run(self, work: Callable[[], T]) -> T:
        """Run something with the store in the one thread that may; it sees every entry."""
        return await self._in_thread(work, ())

    async def write(self, work: Callable[[], None]) -> None:
        """Write something that is no entry: here, or in the thread of a slow disk."""
        if self._quick:
            work()
        else:
            await self.run(work)

    async def forget(self, task: TaskId, ended: EndedTask | None) -> None:
        """The notes of a task go; how it ended stays for a while."""
        await self.write(partial(self._notebook.end, task, ended))

    async def make_sure(self, effects: Sequence[Effect], now_ms: int, *, aside: bool) -> None:
        """Bring to the disk what these effects rest on; `aside`: in the thread, however quick the
        disk, because work that was just started is sending its request.
        """
        proofs: list[ForkProof] = []
        for effect in effects:
            match effect:
                case BeginLog():
                    await self.run(partial(self._begin, effect))
                case Append(entries):
                    self.unkept.add(entries, now_ms)
                case Note():
                    self.unkept.note(effect, now_ms)
                case KeepFork(proof):
                    proofs.append(proof)
                case _:
                    pass
        overdue = self.unkept.due_ms is not None and self.unkept.due_ms <= now_ms
        if proofs or overdue or self.unkept.must_go(effects):
            await self._commit(proofs, aside=aside)

    async def close(self) -> None:
        """Bring the rest to the disk: one commit, behind the one under way."""
        await self._commit((), aside=False)

    async def sync_mark(self) -> None:
        """Bring the high-water mark to the disk, again and again while it moves, and fold notes
        into their file: what costs a sync of the disk, and nobody waits for.
        """
        while True:
            await trio.sleep(limits.MARK_SYNC_S)
            if self._high_water.dirty:
                await self.run(self._high_water.sync)
            if self._notebook.long:
                await self.run(self._notebook.fold)

    async def find(self, wanted: HashLog | DropBodies | LookUp) -> Input:
        """What the core asked of the store, as the input that answers it."""
        match wanted:
            case HashLog():
                return await self.run(partial(self._hash_log, wanted))
            case DropBodies():
                return await self.run(partial(self._drop_bodies, wanted))
            case LookUp():
                return await self.run(partial(self._look_up, wanted))

    # --- commits ------------------------------------------------------------------------------

    async def _in_thread(self, work: Callable[[], T], proofs: Sequence[ForkProof]) -> T:
        async with self._thread:
            pile = self.unkept.take()

            def run() -> T:
                self._keep(pile, proofs)
                return work()

            return await trio.to_thread.run_sync(run)

    async def _commit(self, proofs: Sequence[ForkProof], *, aside: bool) -> None:
        if self._quick and not aside:
            self._keep(self.unkept.take(), proofs)
        else:
            await self._in_thread(_nothing, proofs)

    @property
    def _quick(self) -> bool:
        return self._append_ms < limits.QUICK_APPEND_MS and self._thread.available_tokens > 0

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
        own = [entry.seq for entry in entries if entry.author == self._me]
        if own:
            self._high_water.raise_to(max(own))
        took_ms = (time.perf_counter() - began) * 1000
        self._append_ms += (took_ms - self._append_ms) / 8

    # --- what the core wants of the store -----------------------------------------------------

    def _begin(self, wanted: BeginLog) -> None:
        horizon = wanted.horizon
        if not self._store.begin(horizon):
            author = horizon.author.hex()[:8]
            _log.warning("horizon_contradicts", author=author, size=horizon.size)

    def _hash_log(self, wanted: HashLog) -> LogHashed:
        frontier = self._store.frontier(wanted.author, wanted.size)
        root = frontier.root() if frontier is not None else None
        return LogHashed(wanted.author, wanted.size, root)

    def _drop_bodies(self, due: DropBodies) -> BodiesDropped:
        bodies = self._store.drop_bodies(due.before, keep=due.keep, limit=due.limit)
        return BodiesDropped(bodies or self._store.drop_headers(due.limit))

    def _look_up(self, wanted: LookUp) -> LookedUp:
        author, seq = wanted.claim.author, wanted.claim.seq
        stored, before = self._store.get(author, seq), self._store.get(author, seq - 1)
        return LookedUp(wanted.peer, wanted.claim, stored, before)


def _nothing() -> None:
    """All work there is was done by then."""
