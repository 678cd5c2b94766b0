"""The one loop at the edge: take inputs, ask the core, run the effects in the listed order.

Inputs that wait already are handled together, and what they want appended is committed in one
transaction before anything is said (`disk`): an append may come earlier than listed, and later only
where nothing rests on it. So one fsync serves many entries, and work never waits for a commit that
nobody needs yet.

Nothing in here waits for the network or for a model: frames are queued, gossip and ranges have
tasks of their own, engines report back as inputs. Only the disk is waited for.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar, assert_never

import structlog
import trio

from symphony.config import write_private
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
from symphony.core.inputs import Input, TimerFired, Unsealed
from symphony.core.swarm import Swarm
from symphony.core.tasks.notes import TaskBegun
from symphony.core.timers import Timer
from symphony.errors import LedgerInvalid
from symphony.node import limits
from symphony.node.boxes import BoxKey
from symphony.node.disk import Disk
from symphony.node.hub import Hub, ended_task
from symphony.node.unkept import at_once
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
        disk: Disk,
        hub: Hub,
        now_ms: Callable[[], int],
        receipts: Path,
        box: BoxKey,
    ) -> None:
        self.swarm = swarm
        self.disk = disk
        self._hub = hub
        self._now_ms = now_ms
        self._receipts = receipts
        self._box = box
        self._found: list[Input] = []
        self._inlet, self._inbox = trio.open_memory_channel[Input](limits.INBOX)
        self._timers: list[tuple[int, int, Timer]] = []
        self._numbers = itertools.count()
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
        return await self.disk.run(work)

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
                await self.disk.close()
            raise

    async def _next_batch(self) -> list[Input]:
        """Everything that is due or waiting now; nothing, when only a commit is due."""
        batch = [*self._found, *self._due()]
        self._found.clear()
        if not batch:
            now_ms = self._now_ms()
            until_ms = [at_ms for at_ms, _, _ in self._timers[:1]]
            due_ms = self.disk.unkept.due_ms
            until_ms += [now_ms + 3_600_000 if due_ms is None else due_ms]
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

    async def _forget(self, task: TaskId) -> None:
        """The notes of a task go; what a client may still ask for stays for a while."""
        story = self._hub.story(task)
        ended = None if story is None else ended_task(story)
        await self.disk.forget(task, ended)

    def _take_up(self, effects: Sequence[Effect]) -> None:
        """Tasks that another node conducted go on here: from here on their stories are kept."""
        for effect in effects:
            match effect:
                case Note(task, TaskBegun(spec=spec, wall_ms=wall_ms)):
                    if self._hub.story(task) is None:
                        self._hub.begin(task, spec, wall_ms)
                case _:
                    pass

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
        self._take_up(effects)
        await self.disk.make_sure(effects, self._now_ms(), aside=begun)
        await self._do_all(effects[first:])

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
                    path = self._receipts / f"{task.hex()}.receipt"
                    await self.disk.write(partial(write_private, path, receipt, synced=False))
                case HashLog() | DropBodies() | LookUp():
                    self._found.append(await self.disk.find(effect))
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
