"""Many seeds, and what they say together: violations, marks, and the protocol's quality.

Seeds share nothing, so a batch runs them in several processes. Their reports come back in the
order of the seeds, whichever process was quicker: the same batch says the same, however many
processes it has. Only a few seeds per process are under way at any time.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from symphony.testing.faults import MARKS
from symphony.testing.outcome import Report
from symphony.testing.scenario import Scenario
from symphony.testing.wish import Wish
from symphony.testing.worlds import simulate

AHEAD = 4
"""Seeds under way for each process: enough that none waits, few enough to end soon."""
WORTH_IT = 16
"""Fewer seeds than this are done before a second process has started."""

UNIT_MESSAGES = ("beacon", "bids", "work", "progress", "renewed", "done", "refused", "stop")
"""What counts as a message of a unit; presence and the ledger's traffic are not."""


def run_seed(scenario: Scenario) -> Report:
    """A run whose crash is a finding too: an assertion of the core becomes a violation."""
    try:
        return simulate(scenario)
    except Exception as error:  # noqa: BLE001  # whatever the core raises is the seed's finding
        text = f"{type(error).__name__}: {error}"
        return Report(scenario.seed, (text,), frozenset(), {}, (), 0, 0, "")


class Source(Protocol):
    """Where the scenarios of a batch come from; it must be picklable, for other processes."""

    @property
    def marks(self) -> tuple[str, ...]:
        """What a batch should have run into."""

    def draw(self, seed: int) -> Scenario:
        """The scenario of a seed."""


@dataclass(slots=True)
class Summary:
    """The sum of a batch. `wanted` are the marks that it is measured by."""

    wanted: Sequence[str] = MARKS
    seeds: int = 0
    failing: list[int] = field(default_factory=list)
    violations: int = 0
    marks: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    award_ms: list[int] = field(default_factory=list)

    def add(self, report: Report) -> None:
        self.seeds += 1
        self.violations += len(report.violations)
        if report.violations:
            self.failing.append(report.seed)
        self.marks.update(report.marks)
        self.counts.update(report.counts)
        self.award_ms.extend(report.award_ms)

    @property
    def missed(self) -> list[str]:
        """The marks that no seed hit."""
        return [mark for mark in self.wanted if not self.marks[mark]]

    def as_json(self, wall_s: float) -> dict[str, object]:
        """The last line of `symphony sim`. Times in simulated ms, but for `wall_s`."""
        awards = self.counts["awards"] or 1
        messages = sum(self.counts[f"sent {kind}"] for kind in UNIT_MESSAGES)
        hit = len(self.wanted) - len(self.missed)
        return {
            "seeds": self.seeds,
            "violations": self.violations,
            "failing_seeds": self.failing,
            "marks_hit_pct": round(100 * hit / len(self.wanted), 1) if self.wanted else 100.0,
            "messages_per_unit": round(messages / awards, 2),
            "bytes_per_unit": round(sum(map(self._bytes, UNIT_MESSAGES)) / awards),
            "bids_per_unit": round(self.counts["bids"] / awards, 2),
            "award_ms_p50": self._percentile(50),
            "award_ms_p99": self._percentile(99),
            "redundancy": round(
                self.counts["entries heard"] / (self.counts["entries new"] or 1), 2
            ),
            "answered": self.counts["tasks answered"],
            "peak_mib": peak_mib(),
            "wall_s": round(wall_s, 2),
        }

    def _bytes(self, kind: str) -> float:
        """Of all messages of a kind, from those that passed through their wire form."""
        looked_at = self.counts[f"wire {kind}"] or 1
        return self.counts[f"sent {kind}"] * self.counts[f"wire bytes {kind}"] / looked_at

    def _percentile(self, percent: int) -> int:
        waits = sorted(self.award_ms)
        return waits[len(waits) * percent // 100] if waits else 0

    def shares(self) -> dict[str, float]:
        """In how many of a hundred seeds each mark was hit."""
        seeds = self.seeds or 1
        return {mark: round(100 * self.marks[mark] / seeds, 1) for mark in self.wanted}


def peak_mib() -> int:
    """The most memory that this process, or one that ran seeds for it, ever had."""
    processes = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(one).ru_maxrss for one in processes) >> 10


def usable_cpus() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def run_batch(
    seeds: range, wish: Source | None = None, *, jobs: int = 1
) -> Iterator[tuple[Report, Summary, float]]:
    """Run all seeds; after each, its report, the summary so far, and the seconds so far."""
    wish = wish or Wish()
    jobs = jobs if len(seeds) >= WORTH_IT else 1
    started_s = time.perf_counter()
    summary = Summary(wish.marks)
    for report in _reports(seeds, wish, jobs):
        summary.add(report)
        yield report, summary, time.perf_counter() - started_s


def _reports(seeds: range, wish: Source, jobs: int) -> Iterator[Report]:
    if jobs == 1:
        for seed in seeds:
            yield _run(seed, wish)
        return
    fresh = multiprocessing.get_context("spawn")  # safe whatever threads the caller has
    pool = ProcessPoolExecutor(jobs, fresh, initializer=_leave_interrupts)
    try:
        waiting = iter(seeds)
        running: deque[Future[Report]] = deque()
        running.extend(pool.submit(_run, seed, wish) for seed in islice(waiting, AHEAD * jobs))
        while running:
            report = running.popleft().result()
            running.extend(pool.submit(_run, seed, wish) for seed in islice(waiting, 1))
            yield report
    finally:
        pool.shutdown(cancel_futures=True)


def _run(seed: int, wish: Source) -> Report:
    return run_seed(wish.draw(seed))


def _leave_interrupts() -> None:
    """An interrupt from the keyboard reaches all processes; the first one ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
