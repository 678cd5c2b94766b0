"""The scenario of durable tasks, and whether it would notice a broken rule."""

from __future__ import annotations

import pytest

from symphony.core.stewards import charges
from symphony.testing import Scenario, run_batch
from symphony.testing.batch import run_seed
from symphony.testing.registry import family
from symphony.testing.wish import Wish

SEEDS = range(5)


def drawn(seed: int) -> Scenario:
    return family("stewards").draw(seed, Wish(scenario="stewards"))


def broken(seeds: range = SEEDS) -> str:
    """What is violated within these seeds; empty if nothing is."""
    return " ".join(text for seed in seeds for text in run_seed(drawn(seed)).violations)


def test_durable_tasks_end_whoever_is_lost() -> None:
    *_, (_, summary, _) = run_batch(SEEDS, Wish(scenario="stewards"))
    assert summary.violations == 0, summary.failing
    assert {"conductor lost for good", "task taken over and answered"} <= set(summary.marks)


def test_a_steward_that_waits_for_ever_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: charges.Charge) -> int:
        return 1 << 40

    monkeypatch.setattr(charges.Charge, "due_ms", never)
    assert "never ended" in broken(range(4))
