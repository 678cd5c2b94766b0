"""Liars, free riders and silent owners: what becomes of those that take work and deliver nothing.

Thirty agents in a hundred are *liars*: their capability text is copied from what is asked for, so
they match every skill perfectly, and they are right one time in ten. Besides there are free riders,
that send empty or senseless results at once, and silent owners, that bid for everything and never
begin what they are given. The honest claim the two skills that they have, in words of their own,
and one in four is slow. They suffer: nodes crash, are cut off, and are paused while tasks run.

What must hold: after each skill was asked for 100 times, the liars get at most a twentieth of the
awards; each rider and each silent owner is out of business within ten units (excluded by its
breaker, or so little expected of it that it gets no more); and no honest agent is ever excluded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from symphony.core.records import Selection
from symphony.testing.chart import Line, line_chart, write_csv, write_json
from symphony.testing.faults import Action, Crash, Pause, Split
from symphony.testing.network import Weather
from symphony.testing.registry import Ask
from symphony.testing.trial import CHAINS, SKILLS, START_MS, Player, Trial, Tried, run_trial

AGENTS, TASKS = 20, 300
LIARS, RIDERS, SILENT = 0.3, 0.1, 0.1
SETTLED_UNITS = 100
"""Units of a skill after which its liars must be known."""
MOST_SHARE = 0.05
MOST_UNITS = 10
EVERY_MS = 3_000
WINDOW = 20


def draw_players(seed: int, agents: int) -> tuple[Player, ...]:
    """Liars first, then riders, silent owners, and the honest."""
    random = Random(f"liars/{seed}")
    liars, riders, silent = (round(share * agents) for share in (LIARS, RIDERS, SILENT))
    players = [Player((0.1,) * len(SKILLS)) for _ in range(liars)]
    players += [Player((0.0,) * len(SKILLS), manner="sends junk") for _ in range(riders)]
    players += [Player((0.0,) * len(SKILLS), manner="is silent") for _ in range(silent)]
    for at in range(agents - len(players)):
        lacks = at % len(SKILLS)
        rates = tuple(0.3 if k == lacks else random.uniform(0.7, 0.95) for k in range(len(SKILLS)))
        claims = tuple(f"{s} of all kinds" for k, s in enumerate(SKILLS) if k != lacks)
        players.append(Player(rates, claims, latency_ms=1_500 if at % 4 == 3 else 60))
    return tuple(players)


def draw_actions(seed: int, agents: int, tasks: int) -> tuple[Action, ...]:
    """Every half a minute something breaks at some node that is not the conductor."""
    random = Random(f"liars/actions/{seed}")
    actions: list[Action] = []
    for at_ms in range(START_MS + 10_000, START_MS + tasks * EVERY_MS - 20_000, 30_000):
        node = random.randint(1, agents)
        match random.randrange(3):
            case 0:
                actions.append(Crash(at_ms, node, random.choice((50, 8_000))))
            case 1:
                apart = frozenset(random.sample(range(1, agents + 1), agents // 3))
                noticed = random.random() < 0.5
                both_ways = random.random() < 0.5
                actions.append(Split(at_ms, apart, both_ways, 15_000, noticed))
            case _:
                actions.append(Pause(at_ms, node, random.choice((500, 9_500, 15_000))))
    return tuple(actions)


@dataclass(frozen=True, slots=True)
class Findings:
    """What the study found. Shares are of all awards, over all seeds."""

    share_after: float
    liar_shares: tuple[float, ...]
    units_of_idle: tuple[int, ...]
    excluded_idle: int
    honest_excluded: int
    seeds: int
    tasks: int
    violations: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        return {
            "scenario": "liars",
            "seeds": self.seeds,
            "tasks": self.tasks,
            "liar_share_after_100_units": round(self.share_after, 4),
            "most_units_of_a_rider_or_silent_owner": max(self.units_of_idle, default=0),
            "riders_and_silent_owners": len(self.units_of_idle),
            "of_them_excluded": self.excluded_idle,
            "honest_excluded": self.honest_excluded,
            "violations": len(self.violations),
        }


def run(ask: Ask, selection: Selection = "learned") -> Findings:
    """Run the study on every seed."""
    agents, tasks = ask.nodes or AGENTS, ask.tasks or TASKS
    after: Counter[bool] = Counter()
    series: list[list[float]] = []
    units: list[int] = []
    violations: list[str] = []
    excluded_idle = honest = 0
    for seed in ask.seeds:
        players = draw_players(seed, agents)
        actions = draw_actions(seed, agents, tasks)
        weather = Weather(loss=0.01)
        tried = run_trial(Trial(players, selection, tasks, seed, EVERY_MS, weather, actions))
        violations += [f"seed {seed}: {text}" for text in tried.violations]
        after.update(_late_awards(players, tried))
        series.append(list(_shares(players, tried)))
        for at, player in enumerate(players):
            if player.manner != "works":
                units.append(_units_until_out(tried, at))
                excluded_idle += at in tried.excluded
            elif not _lies(player) and at in tried.excluded:
                honest += 1
                violations.append(f"seed {seed}: honest agent {at} was excluded")
    share = after[True] / max(1, after.total())
    if share > MOST_SHARE:
        violations.append(f"liars get {share:.1%} of the awards once they are known")
    if max(units, default=0) > MOST_UNITS:
        violations.append(f"{max(units)} units went to somebody that delivers nothing")
    mean = tuple(sum(column) / len(column) for column in zip(*series, strict=True))
    return Findings(
        share, mean, tuple(units), excluded_idle, honest, len(ask.seeds), tasks, tuple(violations)
    )


def _lies(player: Player) -> bool:
    return player.manner == "works" and player.claims == SKILLS


def _late_awards(players: Sequence[Player], tried: Tried) -> Iterator[bool]:
    """For each award once its skill is settled: does it go to a liar?"""
    asked: Counter[int] = Counter()
    for found in tried.rounds:
        if asked[found.skill] >= SETTLED_UNITS:
            yield from (_lies(players[at]) for at in found.awarded)
        asked[found.skill] += CHAINS


def _shares(players: Sequence[Player], tried: Tried) -> Iterator[float]:
    """The liars' share of the awards of the last `WINDOW` tasks, task by task."""
    for end in range(1, len(tried.rounds) + 1):
        window = [at for found in tried.rounds[max(0, end - WINDOW) : end] for at in found.awarded]
        yield sum(_lies(players[at]) for at in window) / max(1, len(window))


def _units_until_out(tried: Tried, player: int) -> int:
    """How many units it was given until its breaker opened; all of them, if that never did."""
    until = tried.excluded.get(player, len(tried.rounds))
    return sum(found.awarded.count(player) for found in tried.rounds[:until])


def plot(found: Findings, directory: Path) -> list[Path]:
    """A drawing, and the numbers behind it."""
    directory.mkdir(parents=True, exist_ok=True)
    drawing = line_chart(
        "Awards to liars",
        "task",
        f"share of the awards of the last {WINDOW} tasks",
        [Line("liars", found.liar_shares), Line("most", [MOST_SHARE] * len(found.liar_shares))],
        marks={},
    )
    svg = directory / "liars.svg"
    svg.write_text(drawing, encoding="utf-8")
    columns = {"liars": found.liar_shares}
    return [
        svg,
        write_csv(directory / "liars.csv", "task", columns),
        write_json(directory / "liars.json", found.as_json()),
    ]
