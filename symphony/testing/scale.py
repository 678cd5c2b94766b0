"""Ten thousand nodes in one process: does the cost of a task grow with the swarm?

All nodes run the core that ships, whole, under the checks of `checks`. What makes ten thousand of
them possible, and what is left out for it:

- **A common ledger.** The nodes have been up before: all begin with one ledger that holds
  everybody's capabilities (`shared_ledger`), as after a restart. A few newcomers begin with
  nothing and fetch it all from their peers; a few nodes change an agent, and all must hear of it.
- **Few neighbours.** A real node keeps 24 to 64 connections. Here conductors have 24 and the
  others about 4, drawn at random; without that, meeting each other would be most of the run.
  A conductor that is introduced to a node with a rare skill is connected to it from then on.
- **Gossip is heard late, but in time.** What is published is kept in one list, and a node takes in
  what had reached it by now before it compares ledgers with anybody, or conducts a task. A node
  that does neither takes in nothing: for all that others see of it, it is still to hear it.
- **Some compare ledgers.** On meeting all do; after that, of the periodic comparisons, only those
  of `COMPARING` nodes and of the conductors are made. These are the nodes whose ledgers and
  directories must be equal in the end, together with the newcomers; the bounds of memory are
  looked at for 64 nodes a second.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from symphony.core.inputs import Input, Submit, TimerFired
from symphony.core.messages import Entries, Message
from symphony.core.spec import TaskSpec
from symphony.core.swarm import Swarm
from symphony.core.timers import SyncDue
from symphony.testing.faults import Write
from symphony.testing.machine import WALL_START_MS, Machine
from symphony.testing.network import Weather
from symphony.testing.outcome import Report
from symphony.testing.remembering import remembering
from symphony.testing.scenario import Scenario, TaskScript, draw_node
from symphony.testing.shared_ledger import CommonLedger
from symphony.testing.sim import LOOK_EVERY_MS, World

if TYPE_CHECKING:
    from symphony.testing.wish import Wish

NEIGHBOURS, OF_CONDUCTORS = 4, 24
COMPARING = 256
NEWCOMERS = 8
LOOKED_AT = 64
JOIN_MS = 1_000
"""Newcomers start when the others have met."""
SETTLED_MS = 6_000
"""By then all nodes have started, met their neighbours and opened their logs."""
TASKS_WITHIN_MS = 10_000
TASK_EVERY_MS = 5_000
"""For each node: more tasks, and its log grows by more than 20 entries a second."""
COMPARED_BY = frozenset({"heads", "reconcile", "want", "entries", "fork"})
"""Messages of those who compare ledgers."""
HOPS_MS = 40
"""Gossip needs six hops or so to reach ten thousand nodes."""

MARKS = ("answered", "wire form", "sync by heads")


def draw_large(seed: int, wish: Wish) -> Scenario:
    """Calm but for what is wished for, and a few newcomers and news."""
    random = Random(f"scale/{seed}")
    nodes, tasks = wish.nodes, 100 if wish.tasks is None else wish.tasks
    newcomers = frozenset(random.sample(range(1, nodes), min(NEWCOMERS, nodes // 50)))
    scripts = tuple(
        replace(draw_node(random, frozenset(), index), newcomer=index in newcomers)
        for index in range(nodes)
    )
    within_ms = max(TASKS_WITHIN_MS, TASK_EVERY_MS * tasks // nodes)
    old = [index for index in range(nodes) if index not in newcomers]
    news = random.sample(old, min(100, nodes // 100))
    return Scenario(
        seed=seed,
        nodes=scripts,
        tasks=tuple(_task(random, random.choice(old), within_ms) for _ in range(tasks)),
        weather=Weather(loss=wish.loss or 0.0),
        actions=tuple(Write(SETTLED_MS - 2_000 + at, node, 1) for at, node in enumerate(news)),
        faults_ms=SETTLED_MS + within_ms,
        large=True,
    )


def _task(random: Random, node: int, within_ms: int) -> TaskScript:
    spec = TaskSpec(
        prompt=f"What is the number of case {random.randrange(10_000)}?",
        answer_type="number",
        skill=random.choice(("math", "code", "facts")),
        deadline_ms=60_000,
    )
    return TaskScript(SETTLED_MS + random.randrange(within_ms), node, spec)


class LargeMachine(Machine):
    """A node that begins with the common ledger, unless it is a newcomer."""

    world: LargeWorld
    heard = 0
    """How much of the gossip it has taken in."""
    compares = True

    def _new_swarm(self, chance: Random) -> Swarm:
        if self.script.newcomer or self.incarnation > 1:
            return super()._new_swarm(chance)
        return self.world.common.swarm(self, chance, self._local_now_ms(), self.wall_ms())

    def boot(self) -> None:
        self.heard = self.world.gossip_until()  # what passed while it was down is not repeated
        super().boot()

    def give(self, happened: Input) -> None:
        if isinstance(happened, Submit) or (
            isinstance(happened, TimerFired) and isinstance(happened.timer, SyncDue)
        ):
            self.world.catch_up(self)
        super().give(happened)

    def later(self, at_ms: int, happened: Input) -> None:
        periodic = isinstance(happened, TimerFired) and isinstance(happened.timer, SyncDue)
        if self.compares or not periodic:
            super().later(at_ms, happened)


class LargeWorld(World):
    """A world of many nodes with few neighbours each."""

    machines: list[LargeMachine]  # type: ignore[assignment]

    def _build(self) -> list[Machine]:
        scenario = self.scenario
        machines = [
            LargeMachine(self, index, script, self.keys.signer(self.random.randbytes(32)))
            for index, script in enumerate(scenario.nodes)
        ]
        members = [machine for machine in machines if not machine.script.newcomer]
        self.common = CommonLedger(self.swarm_id, members, WALL_START_MS)
        for entry in self.common.entries:
            self.ledger.signed[entry.author, entry.seq] = entry.id
            self.ledger.entries[entry.author][entry.id] = entry
        random = Random(f"links/{scenario.seed}")
        conductors = {task.node for task in scenario.tasks}
        compared = {*random.sample(range(len(machines)), min(COMPARING, len(machines)))}
        self._compared = sorted(
            compared | conductors | {m.index for m in machines} - {m.index for m in members}
        )
        for machine in machines:
            machine.compares = machine.index in self._compared
            if machine.index in conductors:
                machine.addresses = (f"/sim/{machine.index}",)
            if not machine.script.newcomer:
                machine.disk = self.common.disk(machine)
        self._links = _links(random, len(machines), conductors)
        self._gossip: list[tuple[LargeMachine, Message]] = []
        self._gossip_ms: list[int] = []
        return list[Machine](machines)

    def _start_ms(self, machine: Machine) -> int:
        return self.random.randrange(200) + (JOIN_MS if machine.script.newcomer else 0)

    def neighbours(self, machine: Machine) -> Sequence[Machine]:
        return [self.machines[index] for index in self._links[machine.index]]

    def run(self) -> Report:
        with remembering():
            return super().run()

    def introduced(self, machine: Machine, other: Machine) -> None:
        """One was told where the other is, and dials it."""
        if other.index not in self._links[machine.index]:
            self.checks.marks.add("introduced")
            self._links[machine.index].append(other.index)
            self._links[other.index].append(machine.index)
            self.link_changed(machine, other)

    # --- gossip -------------------------------------------------------------------------------

    def publish(self, source: Machine, message: Message) -> None:
        """Entries go to all, what else is gossiped to the neighbours."""
        if not isinstance(message, Entries):
            super().publish(source, message)
            return
        assert isinstance(source, LargeMachine)
        self.checks.counts["sent entries"] += 1
        self._gossip.append((source, message))
        self._gossip_ms.append(self.now_ms + HOPS_MS)

    def gossip_until(self) -> int:
        """How much of the gossip has reached everybody by now."""
        return bisect_right(self._gossip_ms, self.now_ms)

    def catch_up(self, machine: LargeMachine) -> None:
        """Let a node hear what has reached it by now."""
        until = self.gossip_until()
        while machine.heard < until and machine.alive:
            source, message = self._gossip[machine.heard]
            machine.heard += 1
            if source is not machine:
                assert isinstance(message, Entries)
                self.checks.counts["entries heard"] += len(message.entries)
                self.ledger.heard(machine, message)
                machine.hear(source.id, message)

    def _deliver(self, source: Machine, to: Machine, incarnation: int, message: Message) -> None:
        if message.type in COMPARED_BY:
            assert isinstance(to, LargeMachine)
            self.catch_up(to)
        super()._deliver(source, to, incarnation, message)

    # --- checks -------------------------------------------------------------------------------

    def _look(self) -> None:
        start = self.now_ms // LOOK_EVERY_MS * LOOKED_AT
        for index in range(start, start + LOOKED_AT):
            self.ledger.look(self.machines[index % len(self.machines)])
        self.at(self.now_ms + LOOK_EVERY_MS, self._look)

    def _unrest(self) -> list[str]:
        found = self._busy()
        if found:
            return found  # what is written while others work is on its way
        heads, agents = set(), set()
        for index in self._compared:
            machine = self.machines[index]
            self.catch_up(machine)
            if machine.swarm is not None:
                roster = machine.swarm.journal.book.roster
                heads.add(hashlib.sha256(b"".join(roster.rows(0, len(roster)))).digest())
            if len(heads) > 1:
                return ["ledgers that differ"]
        for index in self._compared:
            swarm = self.machines[index].swarm
            if swarm is not None:
                agents.add(self.common.news(swarm.directory))
        return ["directories that differ"] * (len(agents) > 1)

    def _check_cost(self, sent: int) -> None:
        """Comparisons are made by few here; what they cost a node is checked in small worlds."""


def _links(random: Random, nodes: int, conductors: set[int]) -> list[list[int]]:
    """Who is connected to whom: each node draws some of the others."""
    links: list[set[int]] = [set() for _ in range(nodes)]
    for index in range(nodes):
        wanted = OF_CONDUCTORS if index in conductors else NEIGHBOURS // 2
        for other in random.sample(range(nodes), min(nodes, wanted)):
            if other != index:
                links[index].add(other)
                links[other].add(index)
    return [sorted(others) for others in links]
