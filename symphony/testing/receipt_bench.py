"""How long a reader needs for a receipt: nine ballots of planned chains, by evidence, real keys.

Ten nodes in one process, the shipping core, perfect links. Each chain has a plan and two steps;
answers are split so that the vote goes to the last ballot. Evidence comes from probe entries of
other nodes. What is measured is `verify_receipt` alone, in CPU time of this process, the median of
many rounds; and every single bit of the receipt is what a reader's check must notice, so some are
changed, too.
"""

from __future__ import annotations

import hashlib
import heapq
import time
from collections import deque
from itertools import count
from random import Random
from statistics import median
from typing import Any

from ledger import Entry, Kind, pack, seal
from symphony.core.effects import Effect, Embed, KeepReceipt, Publish, Send, SetTimer, StartWork
from symphony.core.ids import NodeId, SwarmId, TaskId
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
)
from symphony.core.messages import Entries
from symphony.core.receipts.receipt import verify_receipt
from symphony.core.records import PROBE, Capability, ProbeOutcome, ProbeRecord, Skill
from symphony.core.spec import TaskSpec
from symphony.core.swarm import Swarm
from symphony.errors import ReceiptInvalid
from symphony.testing.signing import RealKeys

NODES = 10
BALLOTS = 9
WALL_MS = 1_700_000_000_000
SWARM = SwarmId(hashlib.sha256(b"a swarm that is measured").digest())
PLAN = (
    '{"steps":[{"id":"s1","question":"How much is 6 x 7?","needs":[],"skill":"math"},'
    '{"id":"s2","question":"Is that so?","needs":["s1"],"skill":"math"}]}'
)
MAX_EFFECTS = 100_000  # of the whole task: it takes some two thousand


def measure_receipt(*, rounds: int = 30, probes: int = 16, flips: int = 64) -> dict[str, Any]:
    """The numbers of one receipt. `probes` entries of evidence with 16 outcomes each; `flips` bits
    are changed, one at a time.
    """
    receipt = Bench(probes).receipt()
    report, times = verify_receipt(receipt), []
    for _ in range(rounds):
        began = time.process_time()
        report = verify_receipt(receipt)
        times.append((time.process_time() - began) * 1000)
    random = Random(1)
    caught = sum(_refused(receipt, random.randrange(8 * len(receipt))) for _ in range(flips))
    return {
        "bench": "receipt",
        "ballots": len(report.ballots),
        "entries": report.signatures,
        "evidence": report.evidence,
        "bytes": len(receipt),
        "verify_ms": round(median(times), 2),
        "verify_max_ms": round(max(times), 2),
        "bits_flipped": flips,
        "bits_refused": caught,
    }


def _refused(receipt: bytes, bit: int) -> bool:
    changed = bytearray(receipt)
    changed[bit // 8] ^= 1 << (bit % 8)
    try:
        verify_receipt(bytes(changed))
    except ReceiptInvalid:
        return True
    return False


class Bench:
    """Ten nodes that answer one task."""

    def __init__(self, probes: int) -> None:
        keys = RealKeys()
        signers = [keys.signer(bytes([at + 1]) * 32) for at in range(NODES)]
        ids = [NodeId(signer.public) for signer in signers]
        self._swarms = {
            node: Swarm(signer, keys.verify, SWARM, Random(at))
            for at, (node, signer) in enumerate(zip(ids, signers, strict=True))
        }
        self._now_ms = 1_000
        self._due: deque[tuple[NodeId, Input]] = deque()
        self._timers: list[tuple[int, int, NodeId, SetTimer]] = []
        self._numbers = count()
        self._answered = 0
        self._receipt = b""
        for node in ids:
            self._give(node, WallClock(WALL_MS + self._now_ms))
            agents = () if node == ids[0] else _agents()
            self._give(node, Started(agents, 1))
        for node in ids:
            for other in ids:
                if other != node:
                    self._give(node, PeerUp(other, 1))
        for at in range(probes):
            entry = _probe(keys, at, ids[1:])
            self._swarms[ids[0]].evidence.meet(NodeId(entry.author))
            self._give(ids[0], Heard(NodeId(entry.author), Entries((entry.encode(),))))
        self._home = ids[0]

    def receipt(self) -> bytes:
        """Run the task to its end."""
        spec = TaskSpec(
            "How much is 6 x 7?",
            chains=BALLOTS,
            rule="reliability",
            planning="always",
            answer_type="number",
            budget_tokens=10**6,
        )
        self._run(2_000)  # until everybody knows everybody's agents
        self._give(self._home, Submit(TaskId(b"t" * 16), b"s" * 16, spec))
        self._run(spec.deadline_ms)
        assert self._receipt, "the task did not end"
        return self._receipt

    def _run(self, ms: int) -> None:
        """Deliver what is under way and let timers come due, for so long or to the end."""
        end_ms = self._now_ms + ms
        for _ in range(MAX_EFFECTS):
            if self._receipt:
                return
            if self._due:
                self._give(*self._due.popleft())
            elif self._timers and self._timers[0][0] <= end_ms:
                at_ms, _, node, timer = heapq.heappop(self._timers)
                self._now_ms = max(self._now_ms, at_ms)
                self._due.append((node, TimerFired(timer.timer)))
            else:
                self._now_ms = end_ms
                return

    def _give(self, node: NodeId, happened: Input) -> None:
        for effect in self._swarms[node].handle(self._now_ms, happened):
            self._do(node, effect)

    def _do(self, node: NodeId, effect: Effect) -> None:
        match effect:
            case Send(peer, message) if peer in self._swarms:
                self._due.append((peer, Heard(node, message)))
            case SetTimer(_, at_ms):
                heapq.heappush(self._timers, (at_ms, next(self._numbers), node, effect))
            case Embed(texts):
                self._due.append((node, Embedded(None, texts, {})))
            case StartWork():
                self._due.append((node, self._done(effect)))
            case KeepReceipt(_, receipt):
                self._receipt = receipt
            case Publish(_, message):
                self._due += [(peer, Heard(node, message)) for peer in self._swarms if peer != node]
            case _:
                pass

    def _done(self, work: StartWork) -> WorkDone:
        """What the scripted model says: a plan, a word on a step, or one of three answers."""
        output = PLAN if work.order.role == "plan" else "It is 42, I think."
        if work.order.final and work.order.role == "solve":
            self._answered += 1
            output = f"We count.\nAnswer: {41 + self._answered % 2}"
        return WorkDone(
            unit=work.unit,
            epoch=work.epoch,
            output=output,
            model="scripted-1b",
            engine="scripted",
            prompt_tokens=40,
            completion_tokens=20,
            elapsed_ms=10,
        )


def _agents() -> tuple[Capability, ...]:
    """A planner and a solver, alike on every node."""
    skills = {
        "plan": Skill("planning", "splits a question into steps"),
        "solve": Skill("math", "adds and multiplies numbers"),
    }
    return tuple(
        Capability(
            agent=f"{role}r",
            roles=(role,),
            skills=(skills[role],),
            model="scripted-1b",
            lineage="scripted",
            engine="scripted",
            context_tokens=8192,
            concurrency=4,
            privacy=("swarm", "open", "local"),
            manifest=hashlib.sha256(role.encode()).digest(),
        )
        for role in ("plan", "solve")
    )


def _probe(keys: RealKeys, at: int, about: list[NodeId]) -> Entry:
    """The first entry of a prober's log: each node's solver, right more or less often."""
    outcomes = tuple(
        ProbeOutcome(about[n % len(about)], "solver", "math", bytes(32), (n * 7 + at) % 3 > 0)
        for n in range(16)
    )
    signer = keys.signer(bytes([100 + at]) * 32)
    body = PROBE.encode(ProbeRecord(outcomes))
    return seal(signer, SWARM, None, kind=Kind.PROBE, body=body, hlc=pack(WALL_MS + at))
