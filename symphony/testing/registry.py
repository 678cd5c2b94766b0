"""Every scenario that `symphony sim --scenario NAME` knows, one line each.

There are two sorts. A *family* draws a `Scenario` for each seed; the simulator runs it under all
invariants. A *study* is a program of its own around simulated agents: it answers one question
with numbers, and may draw them. The module of a study is imported only when it is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from symphony.errors import UsageError
from symphony.testing import bequest, faults, hardships, impostors, scale, scenario, storm
from symphony.testing.scenario import Scenario

if TYPE_CHECKING:
    from symphony.testing.wish import Wish


@dataclass(frozen=True, slots=True)
class Family:
    """Seeds of one sort. `marks` are what a batch of them should have run into."""

    about: str
    draw: Callable[[int, Wish], Scenario]
    marks: tuple[str, ...]


STUDY_NODES = (4, 256)
"""Fewer have nobody to choose between; with more, each task looks at all of them."""
STUDY_TASKS = (20, 100_000)
"""Fewer show nothing; a hundred thousand take a day."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a study is asked: None leaves a size to the study."""

    seeds: range
    nodes: int | None = None
    tasks: int | None = None

    def check(self) -> None:
        """Raises `UsageError` for sizes that no study makes sense of."""
        for name, asked, least, most in (
            ("nodes", self.nodes, *STUDY_NODES),
            ("tasks", self.tasks, *STUDY_TASKS),
        ):
            if asked is not None and not least <= asked <= most:
                raise UsageError(f"--{name} {asked}", hint=f"a study has {least} to {most} {name}")


class Findings(Protocol):
    """What a study found."""

    @property
    def violations(self) -> Sequence[str]:
        """What should have held and did not; the command then fails."""

    def as_json(self) -> dict[str, object]:
        """The last line of the command."""


class StudyModule(Protocol):
    """What the module of a study offers."""

    def run(self, ask: Ask, /) -> Findings:
        """Answer the question."""

    def plot(self, found: Findings, directory: Path, /) -> Sequence[Path]:
        """Write what was found as files, SVG and CSV; their paths."""


@dataclass(frozen=True, slots=True)
class Study:
    """A program that is run as a scenario."""

    about: str
    module: str

    def load(self) -> StudyModule:
        return cast("StudyModule", importlib.import_module(self.module))


def _swarm(seed: int, wish: Wish) -> Scenario:
    tasks = 3 if wish.tasks is None else wish.tasks
    drawn = scenario.draw(seed, nodes=wish.nodes, tasks=tasks, loss=wish.loss, crash=wish.crash)
    return impostors.disguise(bequest.bequeath(hardships.harden(drawn)))


def _stewards(seed: int, wish: Wish) -> Scenario:
    tasks = 3 if wish.tasks is None else wish.tasks
    drawn = scenario.draw(seed, nodes=wish.nodes, tasks=tasks, loss=wish.loss, crash=wish.crash)
    return bequest.bequeath(drawn, always=True)


def _ledger(seed: int, wish: Wish) -> Scenario:
    return storm.draw_storm(seed, nodes=wish.nodes, loss=wish.loss, crash=wish.crash)


MARKS = (*faults.MARKS, *hardships.MARKS, *impostors.MARKS)

SCENARIOS: dict[str, Family | Study] = {
    "swarm": Family("tasks under faults", _swarm, MARKS),
    "stewards": Family("durable tasks, conductors lost for good", _stewards, bequest.MARKS),
    "ledger": Family("all that is hard on a ledger", _ledger, storm.MARKS),
    "scale": Family("a hundred tasks in a swarm of any size", scale.draw_large, scale.MARKS),
    "liars": Study("agents that overstate themselves", "symphony.testing.liars"),
    "role-shock": Study("the best agent turns bad", "symphony.testing.role_shock"),
}

LARGE = frozenset({"scale"})
"""Those that are made for more nodes than `wish.MAX_SEEDED_NODES`."""


def find(name: str) -> Family | Study:
    """Raises `UsageError` if there is none of this name."""
    if name not in SCENARIOS:
        known = ", ".join(sorted(SCENARIOS))
        raise UsageError(f"there is no scenario {name!r}", hint=f"use one of: {known}")
    return SCENARIOS[name]


def family(name: str) -> Family:
    """Raises `UsageError` for a study: it has no seeds that could be told or replayed."""
    found = find(name)
    if isinstance(found, Study):
        raise UsageError(
            f"scenario {name} is a study, not a family of seeds",
            hint=f"symphony sim --scenario {name}, with --seeds, --nodes, --tasks or --plot only",
        )
    return found
