"""The simulated world: one thread, one heap of events, everything from one seed.

The world owns time, the network, the disks, the engines and all randomness; the protocol is the
very code that ships (`symphony.core.swarm`). A run has two phases. First *safety*: tasks are
submitted while things break. Then everything is healed and *liveness* is checked: within a
bounded time every task has ended, all ledgers are equal and nobody works any more.

The same seed gives the same run, event by event; `Report.digest` is a hash over all of them.

After FoundationDB's simulation and TigerBeetle's VOPR, scaled down to a swarm.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from ledger import Entry
from symphony.core import limits, messages
from symphony.core.effects import Append, Effect
from symphony.core.ids import NodeId, SwarmId, TaskId
from symphony.core.inputs import Cancel, Input, Submit
from symphony.core.messages import Bids, Done, Entries, Message
from symphony.testing import bequest, ledger_audit, mishaps
from symphony.testing.checks import Checks, Watch
from symphony.testing.effort import Effort
from symphony.testing.faults import Jump
from symphony.testing.impostors import Rumours, boasted
from symphony.testing.ledger_checks import LedgerChecks
from symphony.testing.machine import Machine
from symphony.testing.mischief import from_the_future, leaves
from symphony.testing.network import Network
from symphony.testing.outcome import Observer, Report
from symphony.testing.scenario import Scenario, TaskScript
from symphony.testing.sealing import Boxes, PlainBoxes, RealBoxes
from symphony.testing.signing import FastKeys, KeyRing, RealKeys

REST_MS = 180_000
"""After healing, a swarm must have come to rest by then: a dozen rounds of comparing heads."""
LOOK_EVERY_MS = 1_000
SLOW_COMMITS = 40
"""A slow disk may hold up the end of a task by so many commits: each message may cost one."""
MAX_EVENTS = 2_000_000
SKEWED_EACH = 4
"""Of the messages of a later version, the first of each kind and every fourth after it has a field
that nobody knows: all of them would cost as much as a third of the protocol.
"""
SYNC_KINDS = ("heads", "reconcile", "want", "entries", "head_asked", "head_told", "fork")
"""Messages that make ledgers equal."""
SYNC_MESSAGES = 3
"""For each pair of nodes and round of comparing, until all are at rest: each node may have a gap in
each log, which takes a question and an answer, and there are heads and proofs of forks. Measured in
some 300 runs: one at the most; two with hostile nodes, a cut and every tenth message lost.
"""


class World:
    """A run of one scenario."""

    def __init__(self, scenario: Scenario, observer: Observer | None = None) -> None:
        self.scenario = scenario
        self.random = Random(f"world/{scenario.seed}")
        self.now_ms = 0
        self.keys: KeyRing = RealKeys() if scenario.real_keys else FastKeys()
        self.boxes: Boxes = RealBoxes(self.random) if scenario.real_keys else PlainBoxes()
        self.swarm_id = SwarmId(hashlib.sha256(f"swarm/{scenario.seed}".encode()).digest())
        self.checks = Checks(self.keys.verify, scenario.kinds)
        self.ledger = LedgerChecks(self.checks, self.swarm_id)
        self.effort = Effort(self)
        self.network = Network(self.random, scenario.weather)
        self.rumours = Rumours()
        self.machines = self._build()
        self.index_of = {machine.id: machine.index for machine in self.machines}
        self._observer = observer
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._events = 0
        self._most_events = MAX_EVENTS * max(1, len(scenario.nodes) // 64)
        self._digest = hashlib.blake2b(digest_size=16)
        jumps = (act.by_ms for act in scenario.actions if isinstance(act, Jump))
        self._rest_ms = REST_MS + sum(map(abs, jumps))
        """An entry of a clock that is minutes ahead is held back until its time has come."""
        self._link_version: dict[tuple[int, int], int] = {}

    def _build(self) -> list[Machine]:
        """The machines, none of them started."""
        return [
            Machine(self, index, script, self.keys.signer(self.random.randbytes(32)))
            for index, script in enumerate(self.scenario.nodes)
        ]

    def neighbours(self, machine: Machine) -> Sequence[Machine]:  # noqa: ARG002
        """Whom a machine may be connected to: everybody, in order."""
        return self.machines

    # --- time ---------------------------------------------------------------------------------

    def at(self, at_ms: int, act: Callable[[], None]) -> None:
        """Do something at a world time; things of one time are done in the order of asking."""
        self._events += 1
        heapq.heappush(self._heap, (at_ms, self._events, act))

    def _run_until(self, end_ms: int) -> None:
        heap = self._heap
        while heap and heap[0][0] <= end_ms:
            self.now_ms, _, act = heapq.heappop(heap)
            act()
            if self._events > self._most_events:
                text = f"more than {self._most_events} events: something runs in circles"
                self.checks.violate(text)
                return
        self.now_ms = end_ms

    def run(self) -> Report:
        """Both phases. Assertion errors of the core come through: they are bugs."""
        if self.scenario.real_keys:
            self.checks.marks.add("real keys")
        for machine in self.machines:
            self._mark_clock(machine)
            self.at(self._start_ms(machine), partial(self.boot, machine))
        for task in self.scenario.tasks:
            self.at(task.at_ms, partial(self._submit, task))
        for action in self.scenario.actions:
            mishaps.prepare(self, action)
        self.at(LOOK_EVERY_MS, self._look)
        self._run_until(self.scenario.faults_ms)
        self._heal()
        healed = self._synced()
        while self.now_ms < self.scenario.faults_ms + self._rest_ms and not self._at_rest():
            self._run_until(self.now_ms + LOOK_EVERY_MS)
        self._check_rest()
        self._check_cost(self._synced() - healed)
        bequest.check(self)
        self.checks.finished(self.scenario.expect)
        return self._report()

    # --- nodes --------------------------------------------------------------------------------

    def _start_ms(self, machine: Machine) -> int:  # noqa: ARG002
        """When a machine is first started: all within 200 ms."""
        return self.random.randrange(200)

    def boot(self, machine: Machine) -> None:
        if machine.alive or machine.gone:
            return
        if machine.incarnation:
            self.checks.marks.add("restart")
            self.note(f"node {machine.index} starts again")
        machine.boot()
        for other in self.neighbours(machine):
            self.link_changed(machine, other)

    def stop(self, machine: Machine, why: str) -> None:
        """The process of a node ends; its peers notice."""
        lost = machine.crash()
        for task, watch in self.checks.tasks.items():
            if watch.script.node == machine.index and not watch.ended:
                self.checks.crashed(watch, machine.disk.steps_kept(task))
        if lost:
            self.checks.marks.add("crash with a lost tail")
            why += f", and forgets {lost} entries"
        self.note(f"node {machine.index} {why}")
        for other in self.neighbours(machine):
            self.link_changed(machine, other)

    def _submit(self, script: TaskScript) -> None:
        machine = self.machines[script.node]
        if machine.swarm is None:
            return
        task = TaskId(self.random.randbytes(16))
        watch = Watch(script, self.now_ms, None)
        pause_ms = max(0, machine.paused_until_ms - self.now_ms)
        watch.slack_ms += pause_ms + script.spec.deadline_ms * 5 // 100
        watch.slack_ms += SLOW_COMMITS * machine.script.disk_ms
        self.checks.tasks[task] = watch
        if not machine.swarm.gate.may_append():
            watch.slack_ms += REST_MS  # it is held back, and its time begins when the log is open
        machine.give(Submit(task, self.random.randbytes(16), script.spec))
        watch.run = machine.swarm.conductor.runs.get(task)
        if script.cancel_after_ms is not None:
            machine.later(self.now_ms + script.cancel_after_ms, Cancel(task))

    # --- links --------------------------------------------------------------------------------

    def heal_links(self) -> None:
        if self.network.blocked:
            self.note("the partition heals")
        self.network.heal()
        self.links_changed()

    def links_changed(self) -> None:
        for machine in self.machines:
            for other in self.neighbours(machine):
                if other.index > machine.index:
                    self.link_changed(machine, other)

    def link_changed(self, one: Machine, other: Machine) -> None:
        """The two learn of it after a time, unless the link has changed again by then."""
        if one is other:
            return
        pair = (min(one.index, other.index), max(one.index, other.index))
        version = self._link_version.get(pair, 0) + 1
        self._link_version[pair] = version
        up = one.alive and other.alive and self.network.linked(*pair)
        after_ms = self.random.randrange(1, 100) if up else self.random.randrange(50, 4_000)
        self.at(self.now_ms + after_ms, partial(self._notice, pair, version, up))

    def _notice(self, pair: tuple[int, int], version: int, up: bool) -> None:
        if self._link_version[pair] != version:
            return
        one, other = self.machines[pair[0]], self.machines[pair[1]]
        if up and (pair[1] in one.connected) == (pair[0] in other.connected):
            one.connect(other)
            other.connect(one)
            return
        one.disconnect(other)  # also when one side restarted before the other noticed
        other.disconnect(one)
        if up:
            one.connect(other)
            other.connect(one)

    def introduced(self, machine: Machine, other: Machine) -> None:
        """A machine dials another; here all are connected that can be."""

    def publish(self, source: Machine, message: Message) -> None:
        """Gossip: everybody connected gets it, and in a full mesh that is all of them."""
        counts, kind = self.checks.counts, message.type
        before = counts[f"sent {kind}"]
        for index in sorted(source.connected):
            self.send(source, index, message)
        counts[f"gossiped {kind}"] += counts[f"sent {kind}"] - before

    def send(self, source: Machine, target: int, message: Message) -> None:
        """Put a message on its way; a sampled share passes through its wire form."""
        if target not in source.connected:
            self.checks.counts["undeliverable"] += 1
            return
        kind = message.type
        if source.script.mischief and not leaves(self, source, message):
            return
        if source.script.pretence == "lying bidder" and isinstance(message, Bids):
            message = boasted(source, message)
        self.checks.counts[f"sent {kind}"] += 1
        if isinstance(message, Done) and message.begun:
            self.checks.marks.add("step begun ahead")
        if source.script.newer and self.checks.counts[f"sent {kind}"] % SKEWED_EACH == 1:
            self.checks.marks.add("version skew")
            message = from_the_future(message)
        if self.random.random() < self.scenario.wire_share:
            self.checks.marks.add("wire form")
            raw = messages.encode(message)
            self.checks.counts[f"wire {kind}"] += 1
            self.checks.counts[f"wire bytes {kind}"] += len(raw)
            if len(raw) > limits.MAX_FRAME_BYTES:
                self.checks.violate(f"a {kind} of {len(raw)} bytes is no frame")
            message = messages.decode(raw)
        receiver = self.machines[target]
        self.ledger.sends(source, receiver, message)
        incarnation = receiver.incarnation
        for at_ms in self.network.arrivals(source.index, target, self.now_ms):
            self.at(at_ms, partial(self._deliver, source, receiver, incarnation, message))

    def _deliver(self, source: Machine, to: Machine, incarnation: int, message: Message) -> None:
        """Only to the life that it was sent to, over a link that still stands."""
        connected = to.incarnation == incarnation and source.index in to.connected
        if connected and self.network.open(source.index, to.index):
            if isinstance(message, Entries):
                self.checks.counts["entries heard"] += len(message.entries)
            self.ledger.heard(to, message)
            to.hear(source.id, message)

    # --- checks -------------------------------------------------------------------------------

    def trace(self, machine: Machine, happened: Input, effects: Sequence[Effect]) -> None:
        """Fold what was handled into the digest of the run."""
        names = [type(effect).__name__ for effect in effects]
        line = f"{self.now_ms} {machine.index} {type(happened).__name__} {' '.join(names)}"
        self._digest.update(line.encode())
        if "Append" in names:
            for effect in effects:
                if isinstance(effect, Append):
                    self._digest.update(effect.entries[-1].id)
        if self._observer is not None:
            self._observer.handled(self.now_ms, machine.index, happened, effects)

    def note(self, text: str) -> None:
        """Something that the world did, for whoever looks on."""
        if self._observer is not None:
            self._observer.noted(self.now_ms, text)

    def appended(self, machine: Machine, entry: Entry) -> None:
        """A node has accepted an entry, or signed it."""
        own = entry.author == machine.id
        self.checks.counts["entries new"] += not own
        self.checks.appended(entry, own=own)
        self.ledger.appended(machine, entry)

    def rejected(self, machine: Machine, peer: NodeId, reason: str) -> None:
        """Among honest nodes nobody is ever rejected."""
        other = self.machines[self.index_of[peer]]
        if other.script.mischief == "flooder":
            self.checks.marks.add("flood refused")
        if self.ledger.honest(machine) and self.ledger.honest(other):
            self.checks.violate(f"node {machine.index} rejected {other.index}: {reason}")

    def _look(self) -> None:
        for machine in self.machines:
            self.ledger.look(machine)
        self.effort.look()
        self.at(self.now_ms + LOOK_EVERY_MS, self._look)

    def _mark_clock(self, machine: Machine) -> None:
        if machine.script.drift_ppm:
            self.checks.marks.add("clock drift")
        if machine.script.skew_ms:
            self.checks.marks.add("clock skew")

    def _heal(self) -> None:
        self.network.calm = True
        self.note("everything is healed; now it must come to rest")
        self.heal_links()
        for machine in self.machines:
            machine.doomed = False
            self.boot(machine)

    def _at_rest(self) -> bool:
        return not self._unrest()

    def _unrest(self) -> list[str]:
        """What keeps the swarm from being at rest."""
        return self._busy() + list(ledger_audit.unrest(self.machines, self.ledger))

    def _busy(self) -> list[str]:
        """Who still works."""
        found: list[str] = []
        swarms = [machine.swarm for machine in self.machines if machine.swarm is not None]
        if any(len(swarm.conductor) for swarm in swarms):
            found.append("tasks that never ended")
        if any(swarm.worker.jobs.running or swarm.worker.jobs.queued for swarm in swarms):
            found.append("owners that still work")
        if any(machine.bench.running for machine in self.machines):
            found.append("engines that still run")
        if bequest.waiting(self):
            found.append("durable tasks that nobody took over")
        return found

    def _check_rest(self) -> None:
        for text in self._unrest():
            self.checks.violate(f"{self._rest_ms // 1000} s after healing: {text}")
        if self.scenario.audit:
            for text in ledger_audit.Audit(self.machines, self.ledger).problems():
                self.checks.violate(text)

    def _synced(self) -> int:
        """How many messages about the ledger were sent so far, but for the gossip of new entries:
        who still works goes on writing, at a pace of its own.
        """
        counts = self.checks.counts
        return sum(counts[f"sent {kind}"] - counts[f"gossiped {kind}"] for kind in SYNC_KINDS)

    def _check_cost(self, sent: int) -> None:
        """Did catching up take a bounded number of messages?"""
        rounds = 1 + (self.now_ms - self.scenario.faults_ms) // limits.SYNC_EVERY_MS
        most = SYNC_MESSAGES * len(self.machines) ** 2 * rounds
        if sent > most:
            self.checks.violate(f"{sent} messages made the ledgers equal, more than {most}")

    def _report(self) -> Report:
        for mark, count in (
            ("loss", self.network.lost),
            ("repeat", self.network.repeated),
            ("overtaking", self.network.overtaken),
        ):
            if count:
                self.checks.marks.add(mark)
        return Report(
            seed=self.scenario.seed,
            violations=tuple(self.checks.violations),
            marks=frozenset(self.checks.marks),
            counts=dict(sorted(self.checks.counts.items())),
            award_ms=tuple(self.checks.award_ms),
            events=self._events,
            sim_ms=self.now_ms,
            digest=self._digest.hexdigest(),
        )
