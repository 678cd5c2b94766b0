"""A trial: one conductor, a stream of tasks, and agents of which everything is known.

The core, the network and the clock are those of the simulator; only the agents are the trial's.
A *player* is a node with one agent: what it claims in its capability, how often it is really right
at each skill, and whether it works at all. Which tasks come, and what an agent answers, hangs on
the seed and the task alone, so that trials of different selections meet the same questions.

What a trial tells is who was elected for what, and what came of it, task by task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from random import Random
from typing import Literal

from symphony.core.effects import Effect, Tell
from symphony.core.events import FailedOver, TaskAccepted, TaskEnded, UnitAwarded
from symphony.core.ids import NodeId, TaskId
from symphony.core.inputs import Input
from symphony.core.messages import Message, Order, Work
from symphony.core.records import Selection
from symphony.core.spec import TaskSpec
from symphony.testing.engines import AgentScript, Attempt, truth
from symphony.testing.faults import Action
from symphony.testing.machine import Machine
from symphony.testing.network import Weather
from symphony.testing.scenario import NodeScript, Scenario, TaskScript
from symphony.testing.sim import World
from symphony.testing.workbench import Workbench

SKILLS = ("arithmetic", "geometry", "chemistry")
CHAINS = 3
CONDUCTOR = 0
START_MS = 3_000
WRONG_ANSWERS = 6
"""What a wrong solver says is one of so many values, each as likely."""

Manner = Literal["works", "sends junk", "is silent"]


@dataclass(frozen=True, slots=True)
class Player:
    """One node with one agent. `right` is by skill, from task `since` on that of `then`."""

    right: tuple[float, ...]
    claims: tuple[str, ...] = SKILLS
    manner: Manner = "works"
    since: int = 1 << 30
    then: tuple[float, ...] = ()
    latency_ms: int = 60

    def chance(self, task: int, skill: int) -> float:
        """How often it is right at this skill when this task comes."""
        return (self.then if task >= self.since else self.right)[skill]


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried. Tasks come one after the other, `every_ms` apart."""

    players: tuple[Player, ...]
    selection: Selection
    tasks: int
    seed: int
    every_ms: int = 600
    weather: Weather = field(default_factory=Weather)
    actions: tuple[Action, ...] = ()


@dataclass(slots=True)
class Round:
    """One task: its skill, who was given its units, in order, and who had them in the end."""

    number: int
    skill: int
    awarded: list[int] = field(default_factory=list)
    owners: dict[str, int] = field(default_factory=dict)
    lapses: list[str] = field(default_factory=list)
    outcome: str = ""


def skill_of(trial_seed: int, task: int) -> int:
    """Which skill a task asks for."""
    return Random(f"{trial_seed}/skill/{task}").randrange(len(SKILLS))


@lru_cache(maxsize=65_536)
def answer_rate(rates: tuple[float, ...]) -> float:
    """How often a vote of owners that are right so often ends in the right answer: the class with
    most ballots wins, and of equal ones that of the earliest chain.
    """
    total = 0.0
    for said in product(range(WRONG_ANSWERS + 1), repeat=len(rates)):
        likely = 1.0
        for value, rate in zip(said, rates, strict=True):
            likely *= rate if value == 0 else (1 - rate) / WRONG_ANSWERS
        most = max(said, key=lambda value: (said.count(value), -said.index(value)))
        total += likely if most == 0 else 0.0
    return total


class _Bench(Workbench):
    """The engine of one player."""

    def __init__(self, machine: Machine, player: Player, seed: int) -> None:
        super().__init__(machine)
        self._player = player
        self._node = machine.index
        self._seed = seed

    def attempt(self, script: AgentScript, order: Order) -> Attempt:
        name, task = order.question.split()[:2]
        random = Random(f"{self._seed}/{self._node}/{task}/{order.seed}")
        if self._player.manner == "sends junk":
            return Attempt(5, random.choice(("", "I would rather not say.", "...")))
        right = random.random() < self._player.chance(int(task), SKILLS.index(name))
        after_ms = max(1, round(random.lognormvariate(0, 0.6) * script.latency_ms))
        wrong = 0 if right else random.randint(1, WRONG_ANSWERS)
        return Attempt(after_ms, f"We count.\nAnswer: {truth(order.question) + wrong}")


class _Machine(Machine):
    """A silent owner bids like everybody else, and never begins what it is given."""

    silent = False

    def hear(self, peer: NodeId, message: Message) -> None:
        if not (self.silent and isinstance(message, Work)):
            super().hear(peer, message)


class _Notes:
    """Looks on, and writes down what the conductor tells."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._index: dict[NodeId, int] = {}
        self._rounds: dict[TaskId, Round] = {}
        self.rounds: list[Round] = []

        self._machines: Sequence[Machine] = ()
        self.excluded: dict[int, int] = {}

    def know(self, machines: Sequence[Machine]) -> None:
        self._index = {machine.id: machine.index - 1 for machine in machines}
        self._machines = machines

    def handled(
        self, now_ms: int, node: int, happened: Input, effects: Sequence[Effect], /
    ) -> None:
        del now_ms, happened
        if node != CONDUCTOR:
            return
        for effect in effects:
            if isinstance(effect, Tell):
                self._told(effect.event)

    def _told(self, event: object) -> None:
        match event:
            case TaskAccepted(task=task):
                number = len(self.rounds)
                found = Round(number, skill_of(self._trial.seed, number))
                self._rounds[task] = found
                self.rounds.append(found)
            case UnitAwarded(task=task, unit=unit, owner=owner):
                player = self._index[owner]
                self._rounds[task].awarded.append(player)
                self._rounds[task].owners[unit] = player
            case FailedOver(task=task, reason=reason):
                self._rounds[task].lapses.append(reason)
            case TaskEnded(task=task, outcome=outcome):
                self._rounds[task].outcome = outcome
                self._look()
            case _:
                pass

    def _look(self) -> None:
        """Whose breaker is open now?"""
        swarm = self._machines[CONDUCTOR].swarm
        assert swarm is not None
        for node, player in self._index.items():
            if player >= 0 and swarm.experience.state(node, "agent") == "excluded":
                self.excluded.setdefault(player, len(self.rounds))

    def noted(self, now_ms: int, text: str) -> None:
        """What the world does is none of a trial's business."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a trial. `excluded`: by player, the number of the task at whose end its breaker
    was first found open.
    """

    rounds: tuple[Round, ...]
    violations: tuple[str, ...]
    excluded: dict[int, int]


def run_trial(trial: Trial) -> Tried:
    """Run it to its end."""
    notes = _Notes(trial)
    world = World(_scenario(trial), notes)
    for at, player in enumerate(trial.players, start=1):
        old = world.machines[at]
        machine = _Machine(world, at, old.script, old.signer)
        machine.silent = player.manner == "is silent"
        machine.bench = _Bench(machine, player, trial.seed)
        world.machines[at] = machine
    notes.know(world.machines)
    report = world.run()
    return Tried(tuple(notes.rounds), report.violations, notes.excluded)


def _scenario(trial: Trial) -> Scenario:
    nodes = [NodeScript(())]
    for player in trial.players:
        agent = AgentScript(
            "agent", ("solve",), player.claims, "smol", 4, latency_ms=player.latency_ms
        )
        nodes.append(NodeScript((agent,)))
    tasks = [_task(trial, number) for number in range(trial.tasks)]
    end_ms = START_MS + trial.tasks * trial.every_ms + 1_000
    return Scenario(
        trial.seed,
        tuple(nodes),
        tuple(tasks),
        trial.weather,
        trial.actions,
        wire_share=0.0,
        faults_ms=end_ms,
    )


def _task(trial: Trial, number: int) -> TaskScript:
    skill = SKILLS[skill_of(trial.seed, number)]
    spec = TaskSpec(
        prompt=f"{skill} {number} : what is the number?",
        chains=CHAINS,
        rule="majority",
        selection=trial.selection,
        planning="never",
        answer_type="number",
        skill=skill,
        deadline_ms=30_000,
    )
    return TaskScript(START_MS + number * trial.every_ms, CONDUCTOR, spec)
