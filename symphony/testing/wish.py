"""What a person wants simulated: a scenario, its size, and faults on top of what a seed draws.

A wish is checked once, before anything runs; one that contradicts itself is a `UsageError`. What
it adds to a scenario is drawn from generators of its own, so that adding churn changes nothing
else about a seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from symphony.errors import UsageError
from symphony.testing import registry
from symphony.testing.faults import Action, Crash, Forge, Split
from symphony.testing.scenario import Scenario

MAX_SEEDED_NODES = 64
"""Above, comparing all ledgers each second takes over; `scale` looks in another way."""
MAX_NODES = 16_384
"""As many logs as a book may know."""
MAX_CHURN = 60.0
"""Crashes per node and minute: one a second is a node that never starts."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What each seed of a batch is to mean. None leaves it to the seed, or to the scenario."""

    scenario: str = "swarm"
    nodes: int = 7
    loss: float | None = None
    crash: bool = True
    tasks: int | None = None
    byzantine: float = 0
    """How many nodes are hostile; below 1 it is their share."""
    partition: bool = False
    """Whether every seed has a partition."""
    churn: float = 0.0
    """Crashes per node and minute, besides those that the seed draws."""

    @property
    def marks(self) -> tuple[str, ...]:
        """What a batch should have run into."""
        return registry.family(self.scenario).marks

    @property
    def hostile(self) -> int:
        """How many nodes are hostile."""
        return round(self.byzantine * self.nodes) if self.byzantine < 1 else int(self.byzantine)

    def check(self) -> None:
        """Raises `UsageError` for what can't be."""
        name = self.scenario
        if not 1 <= self.nodes <= MAX_NODES:
            raise UsageError(f"--nodes {self.nodes}", hint=f"a swarm has 1 to {MAX_NODES} nodes")
        if self.nodes > MAX_SEEDED_NODES and name not in registry.LARGE:
            raise UsageError(
                f"scenario {name} checks everything, and is for {MAX_SEEDED_NODES} nodes at most",
                hint="use --scenario scale, which says what it leaves out",
            )
        if name in registry.LARGE and (self.byzantine or self.partition):
            raise UsageError(
                f"scenario {name} has neither hostile nodes nor partitions",
                hint=f"use --nodes {MAX_SEEDED_NODES} or fewer, or --loss and --churn",
            )
        if self.tasks is not None and not 0 <= self.tasks <= 10_000:
            raise UsageError(f"--tasks {self.tasks}", hint="0 to 10000 tasks")
        if self.loss is not None and not 0 <= self.loss <= 1:
            raise UsageError(f"--loss {self.loss}", hint="a share of messages, from 0 to 1")
        if not 0 <= self.churn <= MAX_CHURN:
            raise UsageError(
                f"--churn {self.churn}", hint=f"0 to {MAX_CHURN:g} crashes per node and minute"
            )
        if self.churn and not self.crash:
            raise UsageError("--churn and --no-crash contradict each other", hint="leave one out")
        if self.partition and self.nodes < 2:
            raise UsageError("one node can't be partitioned", hint="use --nodes 2 or more")
        if self.byzantine < 0 or (self.byzantine >= 1 and self.byzantine != int(self.byzantine)):
            raise UsageError(
                f"--byzantine {self.byzantine:g}", hint="a number of nodes, or a share below 1"
            )
        if self.hostile and self.hostile > (self.nodes - 1) // 2:
            raise UsageError(
                f"{self.hostile} hostile nodes of {self.nodes}",
                hint="more than half of the nodes, with the first one, must be honest",
            )

    def draw(self, seed: int) -> Scenario:
        """The scenario of a seed."""
        drawn = registry.family(self.scenario).draw(seed, self)
        actions: list[Action] = [*drawn.actions]
        if self.hostile:
            drawn = self._with_hostile(drawn)
            actions += _forgeries(drawn)
        if self.partition and not any(isinstance(action, Split) for action in actions):
            actions.append(_split(drawn))
        if self.churn:
            actions += self._crashes(drawn)
        actions.sort(key=lambda action: action.at_ms)
        return replace(drawn, actions=tuple(actions), kinds=drawn.kinds.union(self._kinds()))

    def _kinds(self) -> Iterator[str]:
        """What the wish adds is a kind of fault as any other: checks that hold in calm weather only
        ask which there are.
        """
        if self.loss:
            yield "loss"
        if self.hostile:
            yield "hostile"
        if self.partition:
            yield "partition"
        if self.churn:
            yield "churn"

    def _with_hostile(self, drawn: Scenario) -> Scenario:
        """Never the first node, which invited the others; tasks are submitted to honest ones."""
        random = Random(f"hostile/{drawn.seed}")
        chosen = set(random.sample(range(1, self.nodes), self.hostile))
        nodes = tuple(
            replace(node, hostile=node.hostile or index in chosen)
            for index, node in enumerate(drawn.nodes)
        )
        tasks = tuple(
            replace(task, node=0) if nodes[task.node].hostile else task for task in drawn.tasks
        )
        return replace(drawn, nodes=nodes, tasks=tasks)

    def _crashes(self, drawn: Scenario) -> Iterator[Crash]:
        random = Random(f"churn/{drawn.seed}")
        mean_ms = 60_000 / (self.churn * self.nodes)
        at_ms = 2_000 + random.expovariate(1 / mean_ms)
        while at_ms < drawn.faults_ms - 1_000:
            down_ms = random.choice((50, 1_000, 8_000))
            yield Crash(round(at_ms), random.randrange(self.nodes), down_ms)
            at_ms += random.expovariate(1 / mean_ms)


def _forgeries(drawn: Scenario) -> Iterator[Forge]:
    """Each hostile node signs a second history once, for some of the others."""
    random = Random(f"forge/{drawn.seed}")
    for index, node in enumerate(drawn.nodes):
        if not node.hostile or any(
            isinstance(action, Forge) and action.node == index for action in drawn.actions
        ):
            continue
        others = [other for other in range(len(drawn.nodes)) if other != index]
        yield Forge(
            at_ms=random.randrange(2_000, drawn.faults_ms - 10_000),
            node=index,
            back=random.choice((0, 1, 2)),
            length=random.choice((1, 2, 6)),
            to=frozenset(random.sample(others, random.randint(1, min(16, len(others))))),
            deaf=random.random() < 0.7,
        )


def _split(drawn: Scenario) -> Split:
    random = Random(f"split/{drawn.seed}")
    nodes = len(drawn.nodes)
    apart = frozenset(random.sample(range(nodes), random.randint(1, nodes - 1)))
    for_ms = random.choice((4_000, 15_000))
    at_ms = random.randrange(2_000, drawn.faults_ms - for_ms - 1_000)
    return Split(at_ms, apart, both_ways=True, for_ms=for_ms, noticed=random.random() < 0.5)
