"""Role shock: the best agent turns bad in the middle. How fast does an election notice?

Eight agents claim more than they can, as agents do. One is the best at two of three skills; at half
time it becomes useless at everything, without saying so. `learned` is compared with `match` (which
believes what agents say), with `random`, and with an *oracle*: the same election on the same
candidates, told the true rates at every moment. All but the oracle run the core that ships.

A task counts by how often a vote of those who worked on it ends in the right answer (`answer_rate`
of their true rates), so that the luck of single answers doesn't blur the picture. What must hold:
from 50 tasks after the shock on, `learned` gets at least nine tenths of what the oracle gets.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import fmean

from symphony.core.beacon.election import rank, score, used_elsewhere
from symphony.core.ids import EntryId, NodeId, UnitId
from symphony.core.records import Candidate, Requirement, Selection
from symphony.testing.chart import Line, line_chart, write_csv, write_json
from symphony.testing.engines import ENCODER, AgentScript, embed
from symphony.testing.registry import Ask
from symphony.testing.trial import CHAINS, SKILLS, Player, Trial, answer_rate, run_trial, skill_of

SELECTIONS: tuple[Selection, ...] = ("learned", "match", "random")
AGENTS = 8
TASKS = 1_000
GRACE = 50
"""Tasks after the shock until `learned` must have recovered."""
WINDOW = 100
"""Tasks whose mean is compared: each skill comes some 33 times."""
MUST = 0.9
STAR, SECOND, THIRD, RUINED = 0.95, 0.9, 0.85, 0.05
SURE = 10**9  # milli-counts: a rate that is known and not estimated


def draw_players(seed: int, agents: int, shock: int) -> tuple[Player, ...]:
    """Player 0 is the best at the first two skills; each skill has a good second and third."""
    random = Random(f"role-shock/{seed}")
    rates = [[random.choice((0.45, 0.55, 0.65)) for _ in SKILLS] for _ in range(agents)]
    claims = [set(random.sample(SKILLS, len(SKILLS) - 1)) for _ in range(agents)]
    for at, skill in enumerate(SKILLS):
        star, second, third = random.sample(range(1, agents), 3)
        star = 0 if at < 2 else star
        for player, rate in ((star, STAR), (second, SECOND), (third, THIRD)):
            rates[player][at] = rate
            claims[player].add(skill)
    ruined = (RUINED,) * len(SKILLS)
    return tuple(
        Player(
            tuple(rates[at]),
            tuple(skill for skill in SKILLS if skill in claims[at]),
            since=shock if at == 0 else 1 << 30,
            then=ruined,
        )
        for at in range(agents)
    )


@dataclass(frozen=True, slots=True)
class Curve:
    """How one way of electing did: the rate of right answers, task by task."""

    name: str
    rates: tuple[float, ...]

    def mean(self, first: int, last: int) -> float:
        return fmean(self.rates[first:last])

    def smooth(self, width: int) -> list[float]:
        """The mean of the `width` tasks up to each one."""
        ends = range(1, len(self.rates) + 1)
        return [fmean(self.rates[max(0, end - width) : end]) for end in ends]


@dataclass(frozen=True, slots=True)
class Findings:
    """What the study found, the mean over its seeds."""

    curves: tuple[Curve, ...]
    shock: int
    seeds: int
    violations: tuple[str, ...]

    def curve(self, name: str) -> Curve:
        return next(curve for curve in self.curves if curve.name == name)

    def share(self, name: str, first: int, last: int) -> float:
        """Of what the oracle gets."""
        return self.curve(name).mean(first, last) / self.curve("oracle").mean(first, last)

    @property
    def regained_after(self) -> int | None:
        """So many tasks after the shock, the next `WINDOW` reach what must be reached."""
        last = len(self.curve("oracle").rates) - WINDOW
        found = (at for at in range(self.shock, last + 1) if self.recovered(at))
        return next((at - self.shock for at in found), None)

    def recovered(self, first: int) -> bool:
        """Do the tasks from `first` on get what they must?"""
        return self.share("learned", first, first + WINDOW) >= MUST

    def as_json(self) -> dict[str, object]:
        tasks = len(self.curves[0].rates)
        spans = {
            "before": (self.shock - min(WINDOW, self.shock), self.shock),
            "first_50": (self.shock, self.shock + GRACE),
            "after_50": (self.shock + GRACE, self.shock + GRACE + WINDOW),
            "end": (max(0, tasks - WINDOW), tasks),
        }
        spans = {name: span for name, span in spans.items() if span[1] <= tasks}
        accuracy = {
            curve.name: {span: round(curve.mean(*at), 4) for span, at in spans.items()}
            for curve in self.curves
        }
        shares = {
            name: {span: round(self.share(name, *at), 4) for span, at in spans.items()}
            for name in SELECTIONS
        }
        return {
            "scenario": "role-shock",
            "seeds": self.seeds,
            "tasks": tasks,
            "shock": self.shock,
            "accuracy": accuracy,
            "share_of_oracle": shares,
            "regained_after": self.regained_after,
            "violations": len(self.violations),
        }


def run(ask: Ask) -> Findings:
    """Run the study: every selection on every seed."""
    tasks, agents = ask.tasks or TASKS, ask.nodes or AGENTS
    shock = tasks // 2
    rates: dict[str, list[Sequence[float]]] = {}
    violations: list[str] = []
    for seed in ask.seeds:
        players = draw_players(seed, agents, shock)
        rates.setdefault("oracle", []).append(_oracle(players, seed, tasks))
        for selection in SELECTIONS:
            tried = run_trial(Trial(players, selection, tasks, seed))
            violations += [f"seed {seed}, {selection}: {text}" for text in tried.violations]
            found = [_rate(players, r.number, r.skill, r.owners.values()) for r in tried.rounds]
            rates.setdefault(selection, []).append(found)
    curves = [
        Curve(name, tuple(fmean(column) for column in zip(*found, strict=True)))
        for name, found in rates.items()
    ]
    findings = Findings(tuple(curves), shock, len(ask.seeds), tuple(violations))
    if tasks < shock + GRACE + WINDOW or findings.recovered(shock + GRACE):
        return findings
    share = findings.share("learned", shock + GRACE, shock + GRACE + WINDOW)
    text = f"learned gets {share:.1%} of the oracle's accuracy {GRACE} tasks after the shock"
    return Findings(findings.curves, shock, findings.seeds, (*findings.violations, text))


def _rate(players: Sequence[Player], task: int, skill: int, owners: Collection[int]) -> float:
    return answer_rate(tuple(players[owner].chance(task, skill) for owner in owners))


def _oracle(players: Sequence[Player], seed: int, tasks: int) -> list[float]:
    """The election, told the truth."""
    found = []
    capabilities = [
        AgentScript("agent", ("solve",), player.claims, "smol").capability(ENCODER)
        for player in players
    ]
    nodes = [NodeId(bytes([at + 1]) * 32) for at in range(len(players))]
    for task in range(tasks):
        skill = skill_of(seed, task)
        needs = Requirement("solve", SKILLS[skill], "swarm", 0, embed(SKILLS[skill]), ENCODER)
        latest: dict[int, tuple[str, bytes]] = {}
        owners: list[int] = []
        for chain in range(CHAINS):
            unit = UnitId(task.to_bytes(8, "big") + chain.to_bytes(8, "big"))
            bids = []
            for node, player, capability in zip(nodes, players, capabilities, strict=True):
                right = round(player.chance(task, skill) * SURE)
                seen = (right, SURE - right, 0, 0)
                points = score("learned", unit, node, capability, needs, seen)
                bids.append(Candidate(node, "agent", node, points, 4, seen))
            lineages = {EntryId(node): "smol" for node in nodes}
            winner = rank("learned", unit, bids, lineages, used_elsewhere(chain, latest))[0]
            latest[chain] = "smol", winner.owner
            owners.append(winner.owner[0] - 1)
        found.append(_rate(players, task, skill, owners))
    return found


def plot(found: Findings, directory: Path) -> list[Path]:
    """A drawing, and the numbers behind it."""
    lines = [Line(curve.name, curve.smooth(GRACE)) for curve in found.curves]
    drawing = line_chart(
        "Right answers before and after the best agent turns bad",
        "task",
        f"rate of right answers, mean of the last {GRACE}",
        lines,
        marks={found.shock: "shock", found.shock + GRACE: f"+{GRACE}"},
    )
    directory.mkdir(parents=True, exist_ok=True)
    svg = directory / "role-shock.svg"
    svg.write_text(drawing, encoding="utf-8")
    columns = {curve.name: curve.rates for curve in found.curves}
    return [
        svg,
        write_csv(directory / "role-shock.csv", "task", columns),
        write_json(directory / "role-shock.json", found.as_json()),
    ]
