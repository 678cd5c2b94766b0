"""Many seeds, and what they say together: violations, marks, and the protocol's quality."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from symphony.testing.faults import MARKS
from symphony.testing.scenario import Scenario, draw
from symphony.testing.sim import Report, simulate

UNIT_MESSAGES = ("beacon", "bids", "work", "progress", "renewed", "done", "refused", "stop")
"""What counts as a message of a unit; presence and the ledger's traffic are not."""


def run_seed(scenario: Scenario) -> Report:
    """A run whose crash is a finding too: an assertion of the core becomes a violation."""
    try:
        return simulate(scenario)
    except Exception as error:  # noqa: BLE001  # whatever the core raises is the seed's finding
        text = f"{type(error).__name__}: {error}"
        return Report(scenario.seed, (text,), frozenset(), {}, (), 0, 0, "")


@dataclass(slots=True)
class Summary:
    """The sum of a batch."""

    seeds: int = 0
    failing: list[int] = field(default_factory=list)
    violations: int = 0
    marks: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    award_ms: list[int] = field(default_factory=list)

    def add(self, report: Report) -> None:
        self.seeds += 1
        self.violations += len(report.violations)
        if report.violations:
            self.failing.append(report.seed)
        self.marks |= report.marks
        self.counts.update(report.counts)
        self.award_ms.extend(report.award_ms)

    @property
    def missed(self) -> list[str]:
        """The marks that no seed hit."""
        return [mark for mark in MARKS if mark not in self.marks]

    def as_json(self, wall_s: float) -> dict[str, object]:
        """The last line of `symphony sim`. Times in simulated ms, but for `wall_s`."""
        awards = self.counts["awards"] or 1
        messages = sum(self.counts[f"sent {kind}"] for kind in UNIT_MESSAGES)
        return {
            "seeds": self.seeds,
            "violations": self.violations,
            "failing_seeds": self.failing,
            "marks_hit_pct": round(100 * (len(MARKS) - len(self.missed)) / len(MARKS), 1),
            "messages_per_unit": round(messages / awards, 2),
            "bids_per_unit": round(self.counts["bids"] / awards, 2),
            "award_ms_p50": self._percentile(50),
            "award_ms_p99": self._percentile(99),
            "wall_s": round(wall_s, 2),
        }

    def _percentile(self, percent: int) -> int:
        waits = sorted(self.award_ms)
        return waits[len(waits) * percent // 100] if waits else 0


def run_batch(
    seeds: range, *, nodes: int, loss: float | None, crash: bool
) -> Iterator[tuple[Report, Summary, float]]:
    """Run seed after seed; after each, its report, the summary so far, and the seconds so far."""
    started_s = time.perf_counter()
    summary = Summary()
    for seed in seeds:
        report = run_seed(draw(seed, nodes=nodes, loss=loss, crash=crash))
        summary.add(report)
        yield report, summary, time.perf_counter() - started_s
