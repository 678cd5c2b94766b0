"""The ledger under everything that is hard on it: no invariant is ever violated."""

import signal
import subprocess
import sys

import pytest

from symphony.testing import Summary, Wish, draw_storm, run_batch, run_seed, tell
from symphony.testing.batch import WORTH_IT
from symphony.testing.faults import Action, Crash, Forge, Restore, Tear, Write
from symphony.testing.scenario import NodeScript, Scenario, draw
from symphony.testing.storm import MARKS

SEEDS = 40
RARE = {"real keys", "copy over the living files", "own log unconfirmed"}
NOT_HERE = {mark for mark in MARKS if mark.startswith(("task resumed", "hedge"))}
"""What the other scenario is for: here few tasks run while nodes crash."""


def test_no_storm_violates_an_invariant():
    summary = Summary(MARKS)
    found = []
    for seed in range(SEEDS):
        report = run_seed(draw_storm(seed))
        summary.add(report)
        found += [f"seed {seed}: {text}" for text in report.violations]
    assert not found, "\n".join([*found, "replay: symphony sim --scenario ledger --story SEED"])
    assert set(summary.missed) <= RARE | NOT_HERE, (
        f"the simulator no longer meets: {summary.missed}"
    )
    shares = summary.shares()
    for mark in ("torn database", "restored copy", "equivocation", "crash with a lost tail"):
        assert shares[mark] >= 15, f"{mark} in {shares[mark]} % of the seeds only"


def calm(*actions: Action, hostile=()):
    """Five nodes, a good network, and nothing but these actions."""
    solver = draw(1).nodes[1].agents[:1]
    nodes = tuple(NodeScript(solver, hostile=index in hostile) for index in range(5))
    return Scenario(7, nodes, (), actions=actions, faults_ms=20_000, audit=True)


def test_a_torn_database_is_filled_up_by_peers():
    report = run_seed(calm(Write(3_000, 1, 3), Tear(6_000, 1, 500, commits=2)))
    assert report.violations == ()
    assert {"torn database", "own entries fetched from peers"} <= report.marks


def test_what_nobody_else_heard_is_lost_and_the_node_stays_shut():
    """It was written and spoken of, but nobody lived to hear it: better silent than forked."""
    report = run_seed(calm(Write(3_000, 1, 3), Tear(3_020, 1, 500, commits=1)))
    assert report.violations == ()
    assert "own log short" in report.marks


def test_an_old_copy_goes_on_from_what_its_peers_know():
    restore = Restore(9_000, 1, 500, copied_ms=4_000, in_place=False)
    report = run_seed(calm(Write(3_000, 1, 2), Write(6_000, 1, 3), restore))
    assert report.violations == ()
    assert {"restored copy", "own entries fetched from peers"} <= report.marks
    assert "forked in ignorance" not in report.counts


def test_two_histories_are_frozen_at_one_place_everywhere():
    lie = Forge(6_000, 4, back=1, length=3, to=frozenset({0, 2}), deaf=True)
    lower = Forge(9_000, 4, back=3, length=1, to=frozenset({1}), deaf=True)
    report = run_seed(calm(Write(3_000, 4, 4), lie, lower, hostile={4}))
    assert report.violations == ()
    assert {"equivocation again", "log frozen", "freeze moved down"} <= report.marks


def test_a_second_history_whose_beginning_is_never_shown():
    lie = Forge(6_000, 4, back=0, length=3, to=frozenset({0, 2}), deaf=True, hidden=2)
    report = run_seed(calm(lie, Write(8_000, 4, 4), hostile={4}))
    assert report.violations == ()
    assert "log frozen" in report.marks


def test_a_crash_that_lies_in_wait_takes_what_was_not_on_the_disk():
    report = run_seed(calm(Crash(2_000, 2, 500, in_wait=True), Write(3_000, 1, 3)))
    assert report.violations == ()
    assert "crash with a lost tail" in report.marks


def test_processes_change_nothing_but_the_time():
    seeds = range(WORTH_IT)
    wish = Wish("ledger", nodes=3)
    alone = [report for report, _, _ in run_batch(seeds, wish)]
    together = [report for report, _, _ in run_batch(seeds, wish, jobs=2)]
    assert alone == together
    assert [report.seed for report in alone] == list(seeds)


def test_an_error_in_another_process_comes_through():
    with pytest.raises(ValueError, match="empty range"):
        list(run_batch(range(WORTH_IT), Wish(nodes=0), jobs=2))


def test_an_interrupt_ends_all_processes_cleanly():
    code = (
        "import signal\n"
        "from symphony.testing import *\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # background jobs ignore it
        "if __name__ == '__main__':\n"
        "    for at, _ in enumerate(run_batch(range(100_000), jobs=2)):\n"
        "        print(at, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "0\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode != 0
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert said.count("Traceback") == 1


def test_a_story_of_a_storm():
    lines = list(tell(draw_storm(2)))
    assert lines[0].startswith("seed 2: ")
    assert lines[-1].startswith("digest ")
