"""One simulated machine: a `Swarm` as it ships, its store, its engines, and its effect runner.

The machine is the edge of a node, in a few lines: it feeds inputs to `Swarm.handle` and runs the
effects in the listed order. A crash takes the swarm object and everything that was under way;
the store stays. A restart makes a new swarm from the store's heads and entries, with a new
incarnation. A paused machine gets its inputs late, in order, and knows nothing of it.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from random import Random
from typing import TYPE_CHECKING, assert_never

from ledger import MemoryStore, Signer
from symphony.core import limits
from symphony.core.effects import (
    Append,
    CancelWork,
    DropBodies,
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
from symphony.core.events import FailedOver
from symphony.core.ids import Epoch, NodeId, UnitId
from symphony.core.inputs import (
    BodiesDropped,
    Embedded,
    EntriesStored,
    Input,
    LogHashed,
    LookedUp,
    PeerDown,
    PeerUp,
    Started,
    TimerFired,
    WallClock,
    WorkDone,
    WorkFailed,
    WorkMoved,
)
from symphony.core.messages import Entries
from symphony.core.swarm import Swarm
from symphony.testing.engines import ENCODER, attempt, embed
from symphony.testing.scenario import NodeScript

if TYPE_CHECKING:
    from symphony.testing.sim import World

WALL_START_MS = 1_700_000_000_000
EMBED_MS = 3
RANGE_FRAME_BYTES = 64 * 1024
MAX_STORED = 1_000_000


class Machine:
    """A node of the simulation."""

    def __init__(self, world: World, index: int, script: NodeScript, signer: Signer) -> None:
        self.world = world
        self.index = index
        self.script = script
        self.signer = signer
        self.id = NodeId(signer.public)
        self.store = MemoryStore(world.swarm_id)
        self.swarm: Swarm | None = None
        self.incarnation = 0
        self.paused_until_ms = 0
        self.connected: set[int] = set()
        self.running: dict[tuple[UnitId, Epoch], str] = {}
        self.taken_ms: dict[tuple[UnitId, Epoch], int] = {}

    # --- life ---------------------------------------------------------------------------------

    def boot(self) -> None:
        """Start, or start again, from what is stored."""
        self.incarnation += 1
        scenario = self.world.scenario
        chance = Random(f"{scenario.seed}/{self.index}/{self.incarnation}")
        verify = self.world.keys.verify
        heads = self.store.heads()
        self.swarm = Swarm(self.signer, verify, self.world.swarm_id, chance, heads)
        encoder = ENCODER if scenario.encoder else None
        agents = tuple(agent.capability(encoder) for agent in self.script.agents)
        stored = tuple(entry for _, entry in self.store.entries(limit=MAX_STORED))
        wall_ms = WALL_START_MS + self.world.now_ms + self.script.skew_ms
        self.give(WallClock(wall_ms))
        self.give(EntriesStored(stored))
        self.give(Started(agents, self.incarnation))

    def crash(self) -> None:
        """Lose everything but the store."""
        self.swarm = None
        self.connected.clear()
        self.running.clear()

    @property
    def alive(self) -> bool:
        return self.swarm is not None

    def local_ms(self, now_ms: int) -> int:
        """The machine's monotonic clock, which may run fast or slow."""
        return self.script.offset_ms + now_ms + now_ms * self.script.drift_ppm // 1_000_000

    def world_ms(self, local_ms: int) -> int:
        """The earliest world time at which the local clock has reached `local_ms`."""
        since_ms = local_ms - self.script.offset_ms
        return -(-since_ms * 1_000_000 // (1_000_000 + self.script.drift_ppm))

    # --- inputs -------------------------------------------------------------------------------

    def give(self, happened: Input) -> None:
        """Handle one input now, or when a pause is over."""
        if self.swarm is None:
            return
        if self.world.now_ms < self.paused_until_ms:
            self.later(self.paused_until_ms, happened)
            return
        effects = self.swarm.handle(self.local_ms(self.world.now_ms), happened)
        self.world.trace(self, happened, effects)
        for effect in effects:
            self._do(effect)

    def later(self, at_ms: int, happened: Input) -> None:
        """Handle an input at a world time, unless this life is over by then."""
        self.world.at(at_ms, partial(self._if_same_life, self.incarnation, happened))

    def _if_same_life(self, incarnation: int, happened: Input) -> None:
        if incarnation == self.incarnation:
            self.give(happened)

    def connect(self, peer: Machine) -> None:
        if self.alive and peer.index not in self.connected:
            self.connected.add(peer.index)
            self.give(PeerUp(peer.id, 2 * self.world.scenario.weather.delay_ms))

    def disconnect(self, peer: Machine) -> None:
        if self.alive and peer.index in self.connected:
            self.connected.discard(peer.index)
            self.give(PeerDown(peer.id))

    # --- effects ------------------------------------------------------------------------------

    def _do(self, effect: Effect) -> None:
        world = self.world
        match effect:
            case Append(entries):
                self.store.append(entries)
                for entry in entries:
                    world.checks.appended(entry, own=entry.author == self.id)
            case Send(peer, message):
                world.send(self, world.index_of[peer], message)
            case Publish(_, message):
                for index in sorted(self.connected):
                    world.send(self, index, message)
            case SendRange():
                self._send_range(effect)
            case Embed(texts):
                self._embed(texts)
            case StartWork():
                self._start(effect)
            case CancelWork(unit, epoch):
                if self.running.pop((unit, epoch), None) is not None:
                    world.checks.marks.add("work cancelled")
            case SetTimer(timer, at_ms):
                self.later(max(world.now_ms, self.world_ms(at_ms)), TimerFired(timer))
            case KeepReceipt(task, receipt):
                world.checks.tasks[task].receipts.append(receipt)
            case Tell(event):
                world.checks.told(world.now_ms, event)
                if isinstance(event, FailedOver) and "silent" in event.reason:
                    world.check_let_go(self, event)
            case Reject(peer, reason):
                world.rejected(self, peer, reason)
            case Expel(invite):
                world.checks.violate(f"an invite that nobody revoked was: {invite.hex()}")
            case Meet():
                pass  # links are the world's business here
            case LookUp(peer, claim):
                stored = self.store.get(claim.author, claim.seq)
                before = self.store.get(claim.author, claim.seq - 1)
                self.later(world.now_ms, LookedUp(peer, claim, stored, before))
            case DropBodies(before, keep, limit):
                dropped = self.store.drop_bodies(before, keep=keep, limit=limit)
                self.later(world.now_ms, BodiesDropped(dropped))
            case HashLog(author, size):
                frontier = self.store.frontier(author, size)
                root = frontier.root() if frontier is not None else None
                self.later(world.now_ms, LogHashed(author, size, root))
            case KeepFork(proof):
                self.store.add_fork(proof)
                world.checks.violate(f"an honest log forked at {proof.seq}")
            case _:
                assert_never(effect)

    def _send_range(self, wanted: SendRange) -> None:
        found = self.store.range(
            wanted.author, wanted.first, wanted.last, limits.MAX_GOSSIP_BATCH_BYTES * 16
        )
        frame: list[bytes] = []
        size_bytes = 0
        for entry in found:
            raw = entry.encode()
            if frame and size_bytes + len(raw) > RANGE_FRAME_BYTES:
                self._send_entries(wanted.peer, frame)
                frame, size_bytes = [], 0
            frame.append(raw)
            size_bytes += len(raw)
        if frame:
            self._send_entries(wanted.peer, frame)

    def _send_entries(self, peer: NodeId, frame: list[bytes]) -> None:
        self.world.checks.marks.add("sync by heads")
        self.world.send(self, self.world.index_of[peer], Entries(tuple(frame), asked=True))

    def _embed(self, texts: tuple[str, ...]) -> None:
        if self.world.scenario.encoder:
            answer = Embedded(ENCODER, texts, {text: embed(text) for text in texts})
        else:
            answer = Embedded(None, texts, {})
        self.later(self.world.now_ms + EMBED_MS, answer)

    # --- engines ------------------------------------------------------------------------------

    def _start(self, work: StartWork) -> None:
        """Run a scripted agent: text on the way, then an output, a failure, or nothing."""
        checks, now_ms = self.world.checks, self.world.now_ms
        key = (work.unit, work.epoch)
        if key in self.running:
            checks.violate(f"node {self.index} started one award twice")
        script = next(agent for agent in self.script.agents if agent.name == work.agent)
        self.running[key] = work.agent
        self.taken_ms[key] = now_ms
        if Counter(self.running.values())[work.agent] > script.concurrency:
            checks.violate(f"node {self.index} runs more of {work.agent} than it has slots")
        coming = attempt(script, work.order, self.world.random)
        end_ms = now_ms + coming.after_ms
        last_ms = max(now_ms, self.world_ms(work.deadline_ms))
        if coming.hangs or end_ms > last_ms:
            checks.marks.add("engine hung")
            self._end(last_ms, WorkFailed(*key, "the engine ran out of time", last_ms - now_ms))
            return
        if coming.failure:
            checks.marks.add("engine failed")
            self._end(end_ms, WorkFailed(*key, coming.failure, coming.after_ms))
            return
        half = len(coming.output) // 2
        self.later(now_ms + coming.after_ms // 2, WorkMoved(*key, coming.output[:half]))
        done = WorkDone(
            *key,
            output=coming.output,
            model=f"{script.lineage}-1b",
            engine="scripted",
            prompt_tokens=len(work.order.question) // 4,
            completion_tokens=len(coming.output) // 4 + 1,
            elapsed_ms=coming.after_ms,
        )
        self._end(end_ms, done)

    def _end(self, at_ms: int, result: WorkDone | WorkFailed) -> None:
        self.world.at(at_ms, partial(self._ended, self.incarnation, result))

    def _ended(self, incarnation: int, result: WorkDone | WorkFailed) -> None:
        """The engine is done, unless it was cancelled or its machine crashed."""
        alive = incarnation == self.incarnation and self.alive
        if alive and self.running.pop((result.unit, result.epoch), None) is not None:
            self.give(result)
