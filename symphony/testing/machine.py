"""One simulated machine: a `Swarm` as it ships, its disk, its engines, and its effect runner.

The machine is the edge of a node, in a few lines: it feeds inputs to `Swarm.handle` and runs the
effects as `symphony.node.loop` does. What they append is committed before anything is said, but
for entries of others that nothing rests on; those wait in memory for a moment. A crash takes
the swarm object, what was under way, and what was not committed. A restart makes a new swarm as
`symphony.node.opening` does: from heads and fork proofs, from the entries that `restore` reads,
and with what the mark says of the own log. A paused machine gets its inputs late, in order, and
knows nothing of it. What comes while a slow disk is busy is handled together when it is done, with
one commit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING, assert_never

from ledger import ForkProof, Signer
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
    FailedOver,
    OwnLogChecked,
    OwnLogShort,
    OwnLogUnconfirmed,
    PeerSilent,
    SelfDoubted,
    TaskEnded,
    TaskResumed,
)
from symphony.core.ids import NodeId
from symphony.core.inputs import (
    AgentsChanged,
    Embedded,
    Heard,
    Input,
    OwnLogMark,
    PeerDown,
    PeerUp,
    Started,
    TimerFired,
    WallClock,
)
from symphony.core.messages import Message
from symphony.core.records import Capability
from symphony.core.swarm import Swarm
from symphony.node.limits import WALL_CLOCK_EVERY_S
from symphony.node.restoring import restore
from symphony.node.unkept import at_once
from symphony.testing import mishaps
from symphony.testing.disk import Disk
from symphony.testing.engines import ENCODER, AgentScript, embed
from symphony.testing.hostile import Equivocator
from symphony.testing.reading import read
from symphony.testing.scenario import NodeScript
from symphony.testing.sealing import handle_boxes
from symphony.testing.workbench import Workbench

if TYPE_CHECKING:
    from symphony.testing.sim import World

WALL_START_MS = 1_700_000_000_000
EMBED_MS = 3
CLOCK_EVERY_MS = round(WALL_CLOCK_EVERY_S * 1000)
_COMMON = frozenset({Send, SetTimer})
"""Effects that keep nothing; most are one of these."""


class Machine:
    """A node of the simulation."""

    def __init__(self, world: World, index: int, script: NodeScript, signer: Signer) -> None:
        self.world = world
        self.index = index
        self.script = script
        self.signer = signer
        self.id = NodeId(signer.public)
        self.box = hashlib.sha256(b"box" + signer.public).digest()
        """The seed of its box key."""
        self.disk = Disk(world.swarm_id, self.id)
        self.equivocator = Equivocator(signer, world.swarm_id) if script.hostile else None
        self.swarm: Swarm | None = None
        self.incarnation = 0
        self.paused_until_ms = 0
        self.jumped_ms = 0
        self.gone = False
        """Whether it never comes back."""
        self.doomed = False
        """Whether it dies as soon as it holds what is not on its disk."""
        self.connected: set[int] = set()
        self.extras: tuple[AgentScript, ...] = ()
        self._writes = 0
        self._commit_due = False
        self._commit_began_ms = -1
        """When a slow disk began its last commit: what waited until then is in it, too."""
        self.bench = Workbench(self)
        self.addresses: tuple[str, ...] = ()
        """Where others can dial it; who says nothing of that is never dialled."""

    # --- life ---------------------------------------------------------------------------------

    def boot(self) -> None:
        """Start, or start again, from what is on the disk."""
        self.incarnation += 1
        disk = self.disk
        self.extras = ()
        self.swarm = self._new_swarm(
            Random(f"{self.world.scenario.seed}/{self.index}/{self.incarnation}")
        )
        known = set(disk.met)
        if self.index:  # the first node founded the swarm; it invited the others
            known.add(self.world.machines[0].id)
        alone = disk.in_place or self.equivocator is not None
        self.world.ledger.started(self, known=len(known))
        mark = OwnLogMark(disk.mark, len(known), unasked=alone)
        whose = self.world.boxes.public(self.box), self.script.operator
        self.give(Started(self.agents(), self.incarnation, self.addresses, mark, *whose))
        self._read_clock_later()

    def _new_swarm(self, chance: Random) -> Swarm:
        """A core that knows what is on the disk."""
        verify, store = self.world.keys.verify, self.disk.store
        swarm = Swarm(
            self.signer, verify, self.world.swarm_id, chance, store.heads(), store.forks()
        )
        restore(swarm, store, self._local_now_ms, self.wall_ms, self.disk.tasks())
        return swarm

    def crash(self) -> int:
        """Lose everything that was not committed; how many entries that were."""
        self.swarm = None
        self.doomed = self._commit_due = False
        self.connected.clear()
        self.bench.running.clear()
        return self.disk.crash()

    def agents(self) -> tuple[Capability, ...]:
        """What it hosts now."""
        encoder = ENCODER if self.world.scenario.encoder else None
        base = tuple(agent.capability(encoder) for agent in self.script.agents)
        extras = (extra.capability(encoder) for extra in self.extras)
        return base + tuple(replace(extra, context_tokens=self._writes) for extra in extras)

    def write(self, count: int) -> None:
        """Host `count` more agents than the script has, each with a limit that is new."""
        self._writes += 1
        one = self.script.agents[0]
        self.extras = tuple(replace(one, name=f"extra-{n}", roles=("judge",)) for n in range(count))
        self.give(AgentsChanged(self.agents()))

    def _local_now_ms(self) -> int:
        return self.local_ms(self.world.now_ms)

    def wall_ms(self) -> int:
        return WALL_START_MS + self.world.now_ms + self.script.skew_ms + self.jumped_ms

    def _read_clock_later(self) -> None:
        """As the edge does; a clock that does not drift would tell the core what it knows."""
        if self.script.drift_ppm:
            at_ms = self.world.now_ms + CLOCK_EVERY_MS
            self.world.at(at_ms, partial(self._read_clock, self.incarnation))

    def _read_clock(self, incarnation: int) -> None:
        if incarnation == self.incarnation and self.alive:
            self.give(WallClock(self.wall_ms()))
            self._read_clock_later()

    def jump(self, by_ms: int) -> None:
        """The wall clock is set; the edge sees it and tells the core."""
        self.jumped_ms += by_ms
        self.give(WallClock(self.wall_ms()))

    @property
    def hosted(self) -> tuple[AgentScript, ...]:
        """The agents that may run here now."""
        return (*self.script.agents, *self.extras)

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
        now_ms = self.world.now_ms
        if now_ms < self.paused_until_ms and now_ms != self._commit_began_ms:
            self.later(self.paused_until_ms, happened)
            return
        effects = self.swarm.handle(self.local_ms(self.world.now_ms), happened)
        self.world.trace(self, happened, effects)
        self._run(effects)

    def hear(self, peer: NodeId, message: Message) -> None:
        """A message came from a peer."""
        heard = self.equivocator.overheard(message) if self.equivocator else message
        if heard is not None:
            self.give(Heard(peer, heard))

    def later(self, at_ms: int, happened: Input) -> None:
        """Handle an input at a world time, unless this life is over by then."""
        self.world.at(at_ms, partial(self._if_same_life, self.incarnation, happened))

    def _if_same_life(self, incarnation: int, happened: Input) -> None:
        if incarnation == self.incarnation:
            self.give(happened)

    def connect(self, peer: Machine) -> None:
        if self.alive and peer.index not in self.connected:
            self.connected.add(peer.index)
            self.disk.met.add(peer.id)
            rtt_ms = 2 * self.world.scenario.weather.delay_ms
            self.give(PeerUp(peer.id, rtt_ms, peer.script.operator))

    def disconnect(self, peer: Machine) -> None:
        if self.alive and peer.index in self.connected:
            self.connected.discard(peer.index)
            self.give(PeerDown(peer.id))

    # --- effects ------------------------------------------------------------------------------

    def _run(self, effects: Sequence[Effect]) -> None:
        """Commit what must be on the disk before the first word, and do everything in order."""
        now_ms = self.world.now_ms
        joins = now_ms == self._commit_began_ms
        first = 0 if joins else at_once(effects)
        if first:
            self._do_all(self.incarnation, effects[:first])
        rest = effects[first:] if first else effects
        unkept = self.disk.unkept
        proofs: list[ForkProof] = []
        for effect in effects:
            if type(effect) in _COMMON:
                continue
            if isinstance(effect, Append):
                unkept.add(effect.entries, now_ms)
                for entry in effect.entries:
                    self.world.appended(self, entry)
            elif isinstance(effect, Note):
                unkept.note(effect, now_ms)
            elif isinstance(effect, KeepFork):
                proofs.append(effect.proof)
                author = self.world.machines[self.world.index_of[NodeId(effect.proof.author)]]
                self.world.ledger.froze(self, author, effect.proof)
            elif isinstance(effect, Tell) and isinstance(effect.event, OwnLogChecked):
                self.world.ledger.checked(self, effect.event.answers)
        overdue = unkept.due_ms is not None and unkept.due_ms <= now_ms
        committed = joins or proofs or overdue or unkept.must_go(effects)
        if committed:
            self.disk.commit(proofs)
        if unkept.due_ms is not None:
            self._commit_later(unkept.due_ms)
        if committed and self.script.disk_ms and not joins:
            self.world.checks.marks.add("slow disk")
            done_ms = max(self.paused_until_ms, now_ms + self.script.disk_ms)
            self.paused_until_ms = done_ms + 1  # what comes at that very moment is handled after
            self._commit_began_ms = now_ms
        if now_ms == self._commit_began_ms:
            done_ms = self.paused_until_ms - 1
            self.world.at(done_ms, partial(self._do_all, self.incarnation, rest))
        else:
            self._do_all(self.incarnation, rest)

    def _do_all(self, life: int, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if not self.alive or self.incarnation != life:
                return  # it has stopped, and says no more
            self._do(effect)

    def _commit_later(self, due_ms: int) -> None:
        if not self._commit_due:
            self._commit_due = True
            self.world.at(due_ms, partial(self._commit, self.incarnation))
        if self.doomed:
            self.doomed = False
            mishaps.strike(self.world, self)

    def _commit(self, incarnation: int) -> None:
        """The entries of others have waited long enough, unless a pause holds this up."""
        if incarnation != self.incarnation or not self.alive:
            return
        if self.world.now_ms < self.paused_until_ms:
            self.world.at(self.paused_until_ms, partial(self._commit, incarnation))
            return
        self._commit_due = False
        self.disk.commit()

    def _do(self, effect: Effect) -> None:
        world = self.world
        match effect:  # the most frequent first
            case Send(peer, message):
                world.send(self, world.index_of[peer], message)
            case Append() | KeepFork() | Note():
                pass  # done already
            case SetTimer(timer, at_ms):
                self.later(max(world.now_ms, self.world_ms(at_ms)), TimerFired(timer))
            case Tell(event):
                self._tell(event)
            case Forget(task):
                self.disk.notes.pop(task, None)
            case SendSealed() | Unseal():
                handle_boxes(self, effect)
            case Publish(_, message):
                world.publish(self, message)
            case SendRange() | LookUp() | HashLog() | DropBodies():
                read(self, effect)
            case Embed(texts):
                self._embed(texts)
            case StartWork():
                self.bench.start(effect)
            case CancelWork(unit, epoch):
                self.bench.cancel(unit, epoch)
            case KeepReceipt(task, receipt):
                world.checks.tasks[task].receipts.append(receipt)
            case Reject(peer, reason):
                world.rejected(self, peer, reason)
            case Expel(invite):
                world.checks.violate(f"an invite that nobody revoked was: {invite.hex()}")
            case Meet(peer, _, wanted):
                if wanted:
                    world.introduced(self, world.machines[world.index_of[peer]])
            case BeginLog(horizon):
                world.checks.violate(f"a log of minutes begins at {horizon.size}")
            case _:
                assert_never(effect)

    def _tell(self, event: Event) -> None:
        world = self.world
        world.checks.told(world.now_ms, event, self.index)
        match event:
            case FailedOver(reason=reason) if "silent" in reason:
                mishaps.check_let_go(world, self, event)
            case TaskEnded(error="ledger_invalid") if self.equivocator is None:
                if not self.disk.copied:
                    world.checks.violate(f"node {self.index} gave up a log that is all right")
            case TaskResumed(task=task) if self.swarm is not None:
                watch = world.checks.tasks[task]
                watch.run = self.swarm.conductor.runs.get(task)
                watch.slack_ms += CLOCK_EVERY_MS * abs(self.script.drift_ppm) // 1_000_000
            case PeerSilent() | SelfDoubted():
                mishaps.mark_silence(world, event)
            case OwnLogUnconfirmed():
                world.checks.marks.add("own log unconfirmed")
            case OwnLogShort():
                mishaps.stopped_short(world, self)
            case _:
                pass

    def _embed(self, texts: tuple[str, ...]) -> None:
        if self.world.scenario.encoder:
            answer = Embedded(ENCODER, texts, {text: embed(text) for text in texts})
        else:
            answer = Embedded(None, texts, {})
        self.later(self.world.now_ms + EMBED_MS, answer)
