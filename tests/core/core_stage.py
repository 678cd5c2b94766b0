"""A stage for one `Swarm`: scripted peers around it, a clock in hand, and a readable transcript.

The node under test is called `me`. Peers have a name, a key and a log of their own; what they say
is made by the same code that real nodes use. Every effect becomes one line of the transcript.
"""

import hashlib
from dataclasses import replace
from random import Random
from typing import Any

from ledger import Head, HybridClock, Kind, seal
from symphony.core.effects import (
    Append,
    CancelWork,
    Effect,
    Embed,
    Forget,
    KeepReceipt,
    Note,
    Publish,
    Reject,
    Send,
    SetTimer,
    StartWork,
    Tell,
)
from symphony.core.ids import NodeId, SwarmId, TaskId, salted_digest
from symphony.core.inputs import (
    Embedded,
    Heard,
    Input,
    PeerUp,
    Started,
    Submit,
    TimerFired,
    WallClock,
    WorkDone,
    WorkFailed,
)
from symphony.core.messages import Beacon, Bid, Bids, Done, Entries, Work, encode_order
from symphony.core.peers.presence import Presence
from symphony.core.records import CAPABILITY, RESULT, Capability, ResultRecord, Skill
from symphony.core.spec import TaskSpec
from symphony.core.swarm import Swarm
from symphony.core.timers import PublishDue
from symphony.testing.signing import FastKeys

WALL_MS = 1_700_000_000_000
SWARM = SwarmId(hashlib.sha256(b"a swarm on a stage").digest())
TASK = TaskId(b"t" * 16)
DAY_MS = 24 * 3600 * 1000


def capability(name="solver", **changes: Any):
    """An agent that can solve; `changes` are fields of `Capability`."""
    plain = Capability(
        agent=name,
        roles=("solve",),
        skills=(Skill("math", "adds and multiplies numbers"),),
        model="smol-1b",
        lineage="smol",
        engine="scripted",
        context_tokens=8192,
        concurrency=2,
        privacy=("swarm", "open", "local"),
        manifest=hashlib.sha256(name.encode()).digest(),
    )
    return replace(plain, **changes)


class Peer:
    """Another node: it signs entries, bids and results."""

    def __init__(self, name, keys) -> None:
        self.name = name
        self.signer = keys.signer(name.encode().ljust(32, b"."))
        self.id = NodeId(self.signer.public)
        self.clock = HybridClock()
        self.head: Head | None = None

    def entry(self, kind, body, now_ms=0, *, expires=False):
        hlc = self.clock.tick(WALL_MS + now_ms)
        until = hlc + (DAY_MS << 16) if expires else None
        entry = seal(self.signer, SWARM, self.head, kind=kind, body=body, hlc=hlc, expires=until)
        self.head = entry.head
        return entry

    def declare(self, agent):
        return self.entry(Kind.CAPABILITY, CAPABILITY.encode(agent), expires=True)

    def bids(self, beacon: Beacon, capability_entry, *, agent="solver", free=2):
        offers = tuple(
            Bid(call.unit, agent, capability_entry.id, free, 0, 0) for call in beacon.calls
        )
        return Bids(beacon.beacon, offers)

    def result(self, work: Work, text, *, award, status="ok", now_ms=0, **changes: Any):
        """A `Done` for this work, as an honest owner makes it; `changes` spoil the record."""
        record = ResultRecord(
            task=TASK,
            unit=work.unit,
            epoch=work.epoch,
            award=award,
            agent="solver",
            status=status,
            input=salted_digest("input", work.salt, encode_order(work.order)),
            output=salted_digest("output", work.salt, text.encode()),
            model="smol-1b",
            engine="scripted",
            seed=work.order.seed,
            prompt_tokens=10,
            completion_tokens=5,
            elapsed_ms=7,
        )
        entry = self.entry(Kind.RESULT, RESULT.encode(replace(record, **changes)), now_ms)
        return Done(entry.encode(), work.unit, work.epoch, text)


class Stage:
    """The node under test, and everything it did."""

    def __init__(self, *agents: Capability, peers="", encoder=None, keys=None) -> None:
        self.keys = keys or FastKeys()
        self.signer = self.keys.signer(b"me".ljust(32, b"."))
        self.now_ms = 1_000
        self.encoder = encoder
        self.effects: list[Effect] = []
        self.lines: list[str] = []
        self.timers: list[SetTimer] = []
        self.finished = set()
        self.peers = {name: Peer(name, self.keys) for name in peers.split()}
        self.swarm = Swarm(self.signer, self.keys.verify, SWARM, Random(7))
        self.me = self.swarm.me
        self.capabilities = {}
        self.give(WallClock(WALL_MS + self.now_ms))
        self.give(Started(tuple(agents), 1))
        for peer in self.peers.values():
            self.give(PeerUp(peer.id, 2))
            entry = peer.declare(capability())
            self.capabilities[peer.name] = entry
            self.give(Heard(peer.id, Entries((entry.encode(),))))
        self.lines.clear()
        self.effects.clear()

    def give(self, happened: Input) -> list[Effect]:
        """One input; embeddings are answered at once, since none are to be had here."""
        effects = self.swarm.handle(self.now_ms, happened)
        self.effects += effects
        for effect in effects:
            if isinstance(effect, SetTimer):
                self.timers.append(effect)
            if (line := self._line(effect)) is not None:
                self.lines.append(line)
        for effect in effects:
            if isinstance(effect, Embed):
                effects = [*effects, *self.give(Embedded(None, effect.texts, {}))]
        return effects

    def give_nothing(self):
        """Let out what was done to the node's parts behind its back."""
        return self.give(WallClock(WALL_MS + self.now_ms))

    def heard(self, name, message):
        return self.give(Heard(self.peers[name].id, message))

    def submit(self, prompt="What is 6 x 7?", **spec: Any):
        """A task with the id `TASK`, without planning unless told otherwise."""
        spec = {"chains": 1, "planning": "never", "answer_type": "number", **spec}
        return self.give(Submit(TASK, b"s" * 16, TaskSpec(prompt, **spec)))

    def wait(self, ms):
        """Let time pass, and feed back every timer that comes due, in order."""
        end_ms = self.now_ms + ms
        while due := [timer for timer in self.timers if timer.at_ms <= end_ms]:
            timer = min(due, key=lambda item: item.at_ms)
            self.timers.remove(timer)
            self.now_ms = max(self.now_ms, timer.at_ms)
            self.give(TimerFired(timer.timer))
        self.now_ms = end_ms

    def oldest_work(self):
        """The oldest unit that an engine of this node was given and has not ended yet."""
        over = self.finished | {(effect.unit, effect.epoch) for effect in self.of(CancelWork)}
        work = next(e for e in self.of(StartWork) if (e.unit, e.epoch) not in over)
        self.finished.add((work.unit, work.epoch))
        return work

    def fail(self, reason):
        """The engine of this node gives its oldest unit up."""
        work = self.oldest_work()
        return self.give(WorkFailed(work.unit, work.epoch, reason, 5))

    def finish(self, output, **changes: Any):
        """The engine of this node finishes its oldest unit."""
        work = self.oldest_work()
        done = WorkDone(
            unit=work.unit,
            epoch=work.epoch,
            output=output,
            model="smol-1b",
            engine="scripted",
            prompt_tokens=10,
            completion_tokens=5,
            elapsed_ms=20,
        )
        self.now_ms += 20
        return self.give(replace(done, **changes))

    # --- reading what happened ----------------------------------------------------------------

    def of(self, kind):
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def told(self, kind):
        return [effect.event for effect in self.of(Tell) if isinstance(effect.event, kind)]

    def sent(self, name, kind):
        """The messages of one type to one peer."""
        peer = self.peers[name].id
        sends = [effect.message for effect in self.of(Send) if effect.peer == peer]
        return [message for message in sends if isinstance(message, kind)]

    def entries(self, kind):
        found = [entry for effect in self.of(Append) for entry in effect.entries]
        return [entry for entry in found if entry.kind == kind and entry.author == self.me]

    def bid(self, name, **changes: Any):
        """The peer answers the last beacon that it got."""
        beacon = self.sent(name, Beacon)[-1]
        bids = self.peers[name].bids(beacon, self.capabilities[name], **changes)
        return self.heard(name, bids)

    def done(self, name, text, **changes: Any):
        """The peer hands over a result for the last work that it got."""
        work = self.sent(name, Work)[-1]
        award = self.entries(Kind.AWARD)[-1].id
        changes = {"award": award, "now_ms": self.now_ms, **changes}
        return self.heard(name, self.peers[name].result(work, text, **changes))

    def play(self):
        """The transcript since the last call."""
        lines, self.lines = self.lines, []
        return "\n".join(lines)

    def name(self, node):
        if node == self.me:
            return "me"
        return next((peer.name for peer in self.peers.values() if peer.id == node), "?")

    def _line(self, effect: Effect) -> str | None:
        match effect:
            case Append(entries):
                return "append " + ", ".join(Kind(entry.kind).name.lower() for entry in entries)
            case Send(_, Presence()):
                return None
            case Send(peer, message):
                epoch = f" epoch {message.epoch}" if hasattr(message, "epoch") else ""
                return f"send {message.type}{epoch} to {self.name(peer)}"
            case SetTimer(PublishDue()) | Publish() | Note() | Forget():
                return None
            case SetTimer(timer, at_ms):
                return f"timer {type(timer).__name__} in {at_ms - self.now_ms} ms"
            case StartWork():
                return f"start {effect.agent} epoch {effect.epoch}"
            case CancelWork(_, epoch):
                return f"cancel epoch {epoch}"
            case KeepReceipt():
                return "keep receipt"
            case Tell(event):
                return self._event(event)
            case Reject(peer, reason):
                return f"reject {self.name(peer)}: {reason}"
            case Embed(texts):
                return f"embed {len(texts)}"
            case _:
                return type(effect).__name__

    def _event(self, event) -> str:
        shown = {
            "beacon": ("units", "asked"),
            "bid": ("units",),
            "award": ("unit", "epoch", "bids"),
            "result": ("unit",),
            "plan": ("chain", "fallback"),
            "failover": ("unit", "epoch", "reason"),
            "chain_failed": ("chain", "reason"),
            "ballot": ("chain", "answer"),
            "verdict": ("outcome", "answer", "stop", "error"),
        }
        words = [str(getattr(event, field)) for field in shown.get(event.type, ())]
        return " | ".join([f"tell {event.type}", *words])
