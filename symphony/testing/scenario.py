"""What a seed means: the nodes, their agents, the tasks, and what goes wrong when.

A scenario is a value. `draw` makes one from a seed; tests write their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import get_args

from symphony.core.records import AnswerType, Planning, Privacy, Role, Rule, Selection
from symphony.core.spec import TaskSpec
from symphony.testing.engines import SKILLS, AgentScript
from symphony.testing.faults import Action, draw_actions, draw_kinds, draw_weather
from symphony.testing.mischief import Mischief, Pretence
from symphony.testing.network import Weather

FAULTS_MS = 40_000
"""How long the first phase lasts; then everything is healed and must come to rest."""


@dataclass(frozen=True, slots=True)
class NodeScript:
    """One node: its agents, and how wrong its clocks are."""

    agents: tuple[AgentScript, ...]
    offset_ms: int = 0
    drift_ppm: int = 0
    skew_ms: int = 0
    operator: str = ""
    """Who runs it, as its invite says."""
    hostile: bool = False
    mischief: Mischief = ""
    pretence: Pretence = ""
    disk_ms: int = 0
    """How long a commit holds everything up."""
    newer: bool = False
    """Whether it speaks a later version, whose messages have fields that nobody knows."""
    newcomer: bool = False
    """Whether it begins with nothing where others begin with a common ledger (`scale`)."""


@dataclass(frozen=True, slots=True)
class TaskScript:
    """A task, where and when it is submitted, and when its client loses interest."""

    at_ms: int
    node: int
    spec: TaskSpec
    cancel_after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything about a run that is not drawn while it runs."""

    seed: int
    nodes: tuple[NodeScript, ...]
    tasks: tuple[TaskScript, ...]
    weather: Weather = field(default_factory=Weather)
    actions: tuple[Action, ...] = ()
    kinds: frozenset[str] = frozenset()
    encoder: bool = True
    real_keys: bool = False
    wire_share: float = 0.05
    faults_ms: int = FAULTS_MS
    audit: bool = False
    """Whether every stored byte is checked at the end, and what the nodes said of the ledger."""
    large: bool = False
    """Whether the nodes begin with one common ledger and have few neighbours each (`scale`)."""
    expect: tuple[tuple[str, int], ...] = ()
    """Outcomes, and how many tasks must end so at least."""


def draw(
    seed: int, *, nodes: int = 7, tasks: int = 3, loss: float | None = None, crash: bool = True
) -> Scenario:
    """The scenario of a seed. `loss` and `crash` override what the seed says."""
    random = Random(seed)
    kinds = draw_kinds(random, crash=crash)
    count = 3 * tasks if "crowd" in kinds else tasks
    scripts = tuple(draw_task(random, kinds, nodes, FAULTS_MS - 15_000) for _ in range(count))
    busy = [(script.at_ms, script.node) for script in scripts]
    return Scenario(
        seed=seed,
        nodes=tuple(draw_node(random, kinds, index) for index in range(nodes)),
        tasks=scripts,
        weather=draw_weather(random, kinds, loss),
        actions=draw_actions(random, kinds, nodes, busy, FAULTS_MS),
        kinds=kinds,
        encoder="no_encoder" not in kinds,
        real_keys=random.random() < 0.03,
    )


def draw_node(random: Random, kinds: frozenset[str], index: int) -> NodeScript:
    """The first node can do everything, so that no swarm is hopeless from the start."""
    agents = [_agent(random, kinds, "solver", ("solve",))]
    if index == 0 or random.random() < 0.4:
        agents.append(_agent(random, kinds, "planner", ("plan",)))
    if random.random() < 0.3:
        agents.append(_agent(random, kinds, "helper", ("solve", "judge")))
    return NodeScript(
        agents=tuple(agents),
        offset_ms=random.randrange(1_000_000),
        drift_ppm=random.randrange(-40_000, 40_001) if "drift" in kinds else 0,
        skew_ms=random.randrange(-120_000, 120_001) if "skew" in kinds else 0,
        operator=("", "alice", "alice", "bob")[index % 4],
    )


def _agent(
    random: Random, kinds: frozenset[str], name: str, roles: tuple[Role, ...]
) -> AgentScript:
    skills = random.sample(sorted(SKILLS), random.randint(1, len(SKILLS)))
    if roles == ("plan",):
        skills = ["planning"]
    return AgentScript(
        name=name,
        roles=roles,
        skills=tuple(skills),
        lineage=random.choice(("smol", "qwen", "gemma")),
        concurrency=random.randint(1, 3),
        latency_ms=random.choice((20, 300, 9_000 if "slow" in kinds else 1_500)),
        right=random.choice((0.4, 0.7, 0.95)),
        fails=random.choice((0.05, 0.3)) if "engine_fails" in kinds else 0.0,
        hangs=0.1 if "engine_hangs" in kinds else 0.0,
        bad_plans=random.choice((0.3, 0.8)) if "bad_plans" in kinds else 0.0,
        privacy=random.choice((("swarm", "open", "local"), ("swarm", "open"), ("swarm",))),
    )


def draw_task(random: Random, kinds: frozenset[str], nodes: int, spread_ms: int) -> TaskScript:
    """A task of any sort, submitted at any node within `spread_ms` after the start."""
    answer_type: AnswerType = random.choice(get_args(AnswerType))
    rule: Rule = random.choice(get_args(Rule))
    selection: Selection = random.choice(get_args(Selection))
    planning: Planning = random.choice(get_args(Planning))
    privacy: Privacy = random.choice(("swarm", "swarm", "swarm", "open", "local"))
    case = random.randrange(10_000)
    spec = TaskSpec(
        prompt=f"What is the number of case {case}?",
        max_nodes=2 if case % 4 == 0 else 0,
        chains=random.choice((1, 3, 3, 3, 5)),
        rule=rule,
        selection=selection,
        planning=planning,
        answer_type=answer_type,
        choices=("red", "green", "blue") if answer_type == "choice" else (),
        skill=random.choice(("", "math", "code", "playing the violin")),
        privacy=privacy,
        budget_tokens=random.choice((1_500, 4_000)) if "poor" in kinds else 50_000,
        deadline_ms=random.choice((500, 3_000)) if "hurry" in kinds else 30_000,
        max_tokens=random.choice((64, 256)),
    )
    return TaskScript(
        at_ms=1_500 + random.randrange(300 if "crowd" in kinds else spread_ms),
        node=random.randrange(nodes),
        spec=spec,
        cancel_after_ms=random.randrange(4_000) if _wants_cancel(random, kinds) else None,
    )


def _wants_cancel(random: Random, kinds: frozenset[str]) -> bool:
    return random.random() < 0.3 and "cancel" in kinds
