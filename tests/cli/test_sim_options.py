"""`symphony sim`: what it refuses, and scenarios of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Run

EXAMPLE = Path(__file__).parents[2] / "examples" / "06_partition.yaml"


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("--scenario", "calm"), "no scenario 'calm'", "swarm"),
        (("--churn", "1", "--no-crash"), "contradict", "leave one out"),
        (("--byzantine", "4"), "4 hostile nodes of 7", "honest"),
        (("--byzantine", "1.5"), "--byzantine 1.5", "a share below 1"),
        (("--nodes", "1", "--partition"), "can't be partitioned", "--nodes 2"),
        (("--nodes", "20000"), "--nodes 20000", "1 to 16384"),
        (("--nodes", "0"), "Invalid value for '--nodes'", "sim --help"),
        (("--seeds", "1000001"), "Invalid value for '--seeds'", "sim --help"),
        (("--scenario", "liars", "--nodes", "3"), "--nodes 3", "4 to 256 nodes"),
        (("--scenario", "role-shock", "--tasks", "19"), "--tasks 19", "20 to 100000 tasks"),
        (("--loss", "2"), "--loss 2", "from 0 to 1"),
        (("--plot", "out"), "has no plots", "symphony sim list"),
        (("--seeds", "3", "run", "x.yaml"), "--seeds has no meaning", "sim run --help"),
        (("run", "nowhere.yaml"), "can't be read", "docs/simulator.md"),
    ],
)
def test_what_contradicts_itself_is_refused(
    run: Run, arguments: tuple[str, ...], message: str, hint: str
) -> None:
    done = run("sim", *arguments)
    assert done.code == 2
    assert message in done.err
    assert hint in done.err.splitlines()[-1]
    assert done.out == ""


def test_hostile_nodes_churn_and_partitions_on_top_of_a_seed(run: Run) -> None:
    more = ("--byzantine", "0.3", "--churn", "2", "--partition")
    done = run("sim", "--seeds", "2", "--first-seed", "3", "--json", *more)
    assert done.code == 0, done.err
    said = json.loads(done.out.splitlines()[-1])
    assert said["violations"] == 0
    assert said["failing_seeds"] == []
    assert {"messages_per_unit", "bids_per_unit", "award_ms_p50", "award_ms_p99"} <= said.keys()
    assert said["marks"]["crash"] == 100
    assert said["marks"]["partition"] + said["marks"]["one-way partition"] >= 100


def test_a_scenario_of_ones_own_is_told_and_counted(run: Run) -> None:
    told = run("sim", "run", str(EXAMPLE))
    assert told.code == 0, told.err
    assert "partition: [3, 4] <-/-> [0, 1, 2]" in told.out
    assert told.out.count("ENDS answered") == 2
    counted = run("sim", "run", str(EXAMPLE), "--seeds", "3", "--json")
    assert json.loads(counted.out)["seeds"] == 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("do: crash", "do: burn", "21: actions.1: no action 'burn'; there are crash,"),
        ("node: 2, down_ms", "node: 9, down_ms", "actions[1]: no node 9"),
        ("loss: 0.01", "lost: 0.01", "weather.lost: Extra inputs are not permitted"),
        ("count: 4", "count: four", "nodes.1.count: Input should be a valid integer"),
        ("at_ms: 8000", "at_ms: 80000", "tasks[1]: at 80000 ms, but faults_ms is 20000"),
        ("expect: {answered: 2}", "expect: {won: 2}", "no outcome of a task"),
        ("faults_ms: 20000", "faults_ms: &a 20000", "anchors and aliases"),
    ],
)
def test_a_wrong_file_says_where(
    run: Run, tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = EXAMPLE.read_text()
    assert old in text
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text.replace(old, new))
    done = run("sim", "run", str(wrong))
    assert done.code == 2
    assert message in done.err
    assert f"{wrong}:" in done.err


def test_what_is_expected_and_does_not_come_is_a_violation(run: Run, tmp_path: Path) -> None:
    wrong = tmp_path / "more.yaml"
    wrong.write_text(EXAMPLE.read_text().replace("answered: 2", "answered: 3"))
    done = run("sim", "run", str(wrong), "--json")
    assert done.code == 1
    assert "2 tasks answered, fewer than 3" in done.err
