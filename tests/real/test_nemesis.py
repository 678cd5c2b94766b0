"""Seven real processes are killed, frozen, parted and filled up; every task ends in time."""

from __future__ import annotations

import pytest

from symphony.testing.nemesis import SHORT, Size, run

pytestmark = [pytest.mark.real, pytest.mark.slow]


def held(size: Size) -> None:
    report = run(size)
    assert report["violations"] == [], report
    assert sum(report["outcomes"].values()) == size.tasks
    assert report["faults"]["kill"] > size.kills
    assert report["failover_kill_ms_samples"] == size.kills
    if report["refused"]:
        pytest.skip(f"no partitions, the kernel refuses namespaces: {report['refused']}")
    assert {"kill", "stop", "partition", "full disk"} <= report["faults"].keys()
    if size.tasks >= 100:
        assert report["failovers"]["kill"] >= 1


def test_a_short_torment() -> None:
    held(SHORT)


def test_a_hundred_tasks_under_every_fault() -> None:
    held(Size())
