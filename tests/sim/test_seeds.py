"""Whole swarms under faults: no invariant is ever violated, and a seed is a seed."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from symphony.core.spec import TaskSpec
from symphony.testing import (
    NodeScript,
    Scenario,
    Summary,
    TaskScript,
    Wish,
    baseline,
    draw,
    run_seed,
    simulate,
    tell,
)
from symphony.testing.engines import AgentScript
from symphony.testing.faults import Jump, Write

SEEDS = baseline.SEEDS
BASELINE = Path(__file__).with_name("baseline.json")
REGRESSIONS = Path(__file__).with_name("regressions.txt")


def regressions():
    """Seeds that failed once: `scenario seed nodes [tasks]  # why`, one a line. Those with many
    tasks take long.
    """
    lines = (line.split("#")[0].split() for line in REGRESSIONS.read_text().splitlines())
    for scenario, seed, *size in filter(None, lines):
        marks = [pytest.mark.slow] if len(size) > 1 else []
        yield pytest.param(scenario, int(seed), *map(int, [*size, 0][:2]), marks=marks)


def test_no_seed_violates_an_invariant():
    summary = Summary(Wish().marks)
    found = []
    for seed in range(SEEDS):
        report = run_seed(Wish().draw(seed))
        summary.add(report)
        found += [f"seed {seed}: {text}" for text in report.violations]
    assert not found, "\n".join([*found, "replay: symphony sim --story SEED"])
    said = summary.as_json(1.0)
    assert said["marks_hit_pct"] >= 90, f"the simulator no longer meets: {summary.missed}"
    assert said["messages_per_unit"] < 25
    assert said["award_ms_p50"] <= 250
    base = json.loads(BASELINE.read_text())
    worse = baseline.regressions(base, baseline.numbers(summary))
    assert not worse, f"python -m symphony.testing.baseline {BASELINE} accepts it: {worse}"


def test_a_number_that_got_worse_is_noticed_beyond_its_margin():
    base = json.loads(BASELINE.read_text())
    assert baseline.regressions(base, base) == []
    worse = base | {"messages_per_unit": base["messages_per_unit"] * 1.2}
    [said] = baseline.regressions(base, worse)
    assert said.startswith("messages_per_unit: ")
    assert baseline.regressions(worse, base) == []


@pytest.mark.parametrize(("scenario", "seed", "nodes", "tasks"), list(regressions()))
def test_what_failed_once_holds_for_ever(scenario, seed, nodes, tasks):
    wish = Wish(scenario, nodes=nodes, tasks=tasks or None)
    assert run_seed(wish.draw(seed)).violations == ()


@pytest.mark.parametrize("seed", [0, 10, 31, 80])
def test_a_third_of_hostile_nodes_breaks_nothing(seed):
    """Some of these runs have a flooder beside those that sign two histories."""
    assert run_seed(Wish(byzantine=0.3).draw(seed)).violations == ()


@pytest.mark.parametrize("nodes", [1, 2, 20])
def test_small_and_larger_swarms(nodes):
    for seed in range(3):
        assert run_seed(draw(seed, nodes=nodes, tasks=2)).violations == ()


def digest_in_a_process(hash_seed):
    code = "from symphony.testing import *; print(*(simulate(draw(s)).digest for s in (4, 5)))"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=True, timeout=60
    )
    return done.stdout.decode().split()


def test_the_same_seed_is_the_same_run_in_any_process():
    here = [simulate(draw(seed)).digest for seed in (4, 5)]
    assert here[0] != here[1]
    assert digest_in_a_process("1") == digest_in_a_process("2") == here


def test_a_story_is_readable_and_ends_with_its_digest():
    lines = list(tell(draw(3, tasks=1, crash=False)))
    assert lines[0].startswith("seed 3: ")
    assert any("ENDS" in line for line in lines)
    assert any("goes to" in line for line in lines)
    assert lines[-1].startswith("digest ")


def test_a_clock_set_back_does_not_keep_a_node_from_writing():
    """Its next entries are dated ahead of it by what it said before; they are its own."""
    solver = draw(1).nodes[1].agents[:1]
    back = (Write(3_000, 1, 1), Jump(5_000, 1, -600_000), Write(6_000, 1, 2))
    report = run_seed(Scenario(3, (NodeScript(solver),) * 3, (), actions=back, faults_ms=10_000))
    assert report.violations == ()
    assert "clock jump" in report.marks


def test_what_waits_for_a_slow_disk_is_committed_together():
    """As at the real edge: a commit for each input would take this crowd past its deadlines."""
    agents = (AgentScript("solver", ("solve",), ("math",), "smol", concurrency=64, latency_ms=20),)
    spec = TaskSpec(prompt="What is 6 x 7?", chains=1, planning="never", deadline_ms=3_000)
    tasks = tuple(TaskScript(2_000 + at, 0, replace(spec, skill="math")) for at in range(40))
    nodes = (NodeScript((), disk_ms=60), NodeScript(agents), NodeScript(agents))
    crowd = Scenario(5, nodes, tasks, faults_ms=10_000, expect=(("answered", 40),))
    report = run_seed(crowd)
    assert report.violations == ()
    assert "slow disk" in report.marks


def test_what_a_wish_adds_is_no_calm_weather() -> None:
    wish = Wish(loss=0.1, byzantine=2, partition=True, churn=1.0)
    assert wish.draw(0).kinds >= {"loss", "hostile", "partition", "churn"}
    report = run_seed(Wish(byzantine=0.3).draw(777001))  # a hostile steward takes a task over
    assert report.violations == ()
    assert "two verdicts, one counts" in report.marks
