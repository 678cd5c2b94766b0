"""A study: its votes, baselines, intervals, attacks, and the command that prints it."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest

from symphony.cli import main
from symphony.evaluation import as_json, as_lines, load, study
from symphony.evaluation.bootstrap import Bootstrap
from symphony.evaluation.casting import ask_in_waves, ask_until_certain, elect, is_mode
from symphony.evaluation.hostile import ATTACKS, attackers, how_many, mixed_in
from symphony.evaluation.recordings import Reply

from .conftest import records, write

BIG = [row for row in records("big") if "7b" not in str(row["model"])]
SHARED = Path(__file__).parents[2].parent / "shared" / "data"
GOLD, LIE, NOTHING = Reply("g", right=True), Reply("x", right=False), Reply(None, right=False)


def test_the_vote_of_recorded_agents():
    assert elect([GOLD, LIE, LIE], [5, 2, 2]) == "g"
    assert elect([GOLD, LIE, LIE], [1, 1, 1]) == "x"
    assert elect([NOTHING, NOTHING], [1, 1]) is None
    assert is_mode([GOLD, LIE], "g")
    assert is_mode([GOLD, LIE], "x")
    assert not is_mode([GOLD, LIE, LIE], "g")
    assert not is_mode([GOLD, NOTHING, NOTHING], None)


def test_asking_stops_when_the_vote_is_over():
    asked = ask_until_certain([GOLD] * 9, [10**6] * 9, 50_000, b"seed")
    assert (asked.answer, len(asked.agents), asked.state) == ("g", 3, "certified")
    asked = ask_until_certain([GOLD] * 9, [10**6] * 9, 0, b"seed")
    assert (asked.answer, len(asked.agents), asked.state) == ("g", 5, "exact")
    asked = ask_until_certain([GOLD, *[LIE] * 4], [9, 1, 1, 1, 1], 50_000, b"seed")
    assert (asked.answer, asked.state) == ("g", "exact")  # uneven weights: no heads are counted
    asked = ask_until_certain([NOTHING] * 3, [1, 1, 1], 50_000, b"seed")
    assert (asked.answer, len(asked.agents), asked.state) == (None, 3, "open")


def test_a_conductor_begins_as_many_chains_as_could_settle_it():
    asked = ask_in_waves([GOLD] * 9, [10**6] * 9, 50_000, b"seed")
    assert (asked.answer, len(asked.agents), asked.state) == ("g", 3, "certified")
    asked = ask_in_waves([GOLD] * 9, [10**6] * 9, 0, b"seed")
    assert (asked.answer, len(asked.agents), asked.state) == ("g", 9, "exact")
    asked = ask_in_waves([GOLD, *[LIE] * 4], [9, 1, 1, 1, 1], 50_000, b"seed")
    assert (asked.answer, len(asked.agents)) == ("g", 5)
    asked = ask_in_waves([NOTHING] * 3, [1, 1, 1], 50_000, b"seed")
    assert (asked.answer, len(asked.agents), asked.state) == (None, 3, "open")


def test_intervals_have_the_width_of_the_normal_theory():
    chance = random.Random(3)
    values = [float(chance.random() < 0.7) for _ in range(400)]
    low, high = Bootstrap(400).interval(values)
    mean = sum(values) / 400
    half = 1.96 * math.sqrt(mean * (1 - mean) / 400)
    assert low < mean < high
    assert abs((high - low) / 2 - half) < 0.15 * half


def row(report, name):
    return next(row for row in report.rows if row.rule == name)


def test_a_strong_agent_is_not_outvoted_by_weak_ones(folder):
    report = study(load(folder("toy"), "toy"), "one-strong", 50_000, pools=6)
    assert report.default_rule == "reliability"
    assert report.minus_majority.pp > 3
    assert report.minus_best_single.ci[1] > 0
    assert row(report, "oracle").accuracy >= max(item.accuracy for item in report.rows)
    assert row(report, "majority").accuracy == row(report, "match").accuracy
    assert row(report, "mean_single").accuracy < row(report, "default").accuracy
    assert row(report, "best_single").calls == 1
    assert row(report, "certified").calls < row(report, "default").calls == 5
    assert 0 <= report.false_certified <= 0.05


def test_hostile_voters_cost_little_once_they_are_known(folder):
    report = study(load(folder("toy"), "toy"), "mixed", 50_000, pools=3, hostile=True)
    assert set(report.attacks) == set(ATTACKS)
    assert all(loss.ci[1] >= -2 for loss in report.attacks.values())


def test_the_hostile_are_not_always_last():
    honest, hostile = [(GOLD,)] * 7, [(LIE,)] * 3
    orders = {tuple(mixed_in(honest, hostile, bytes([seed]))) for seed in range(40)}
    assert len(orders) > 20
    for order in orders:
        kept = [name for name in order if name.startswith("honest")]
        assert len(order) == 10
        assert len(kept) == 7
        assert [int(name[6:]) for name in kept] == sorted(int(name[6:]) for name in kept)


@pytest.mark.parametrize("attack", ATTACKS)
def test_attackers(folder, attack):
    recording = load(folder("toy"), "toy")
    pool = recording.agents[:9]
    found = attackers(recording, pool, attack)
    assert len(found) == how_many(9) == 4
    rates = [sum(reply.right for reply in row) / len(row) for row in found]
    if attack == "collude":
        assert rates == [0] * 4
        assert len(set(found)) == 1
    elif attack == "copy":
        assert set(found) == {recording.replies["strong" if "strong" in pool else "good"]}
    else:
        assert all(0.05 < rate < 0.5 for rate in rates)
        assert len(set(found)) == 4


def test_reports_say_the_same_in_words_and_in_json(folder):
    report = study(load(folder("toy"), "toy"), "equal", 100_000, pools=2, hostile=True)
    found = as_json([report], 100_000)
    (summary,) = found["summary"]
    assert found["alpha"] == 0.1
    assert summary["calls_saved_pct"] == round(100 * report.calls_saved, 2)
    assert {r["rule"] for r in found["rows"]} >= {"majority", "reliability", "best_single"}
    lines = "\n".join(as_lines(report))
    assert f"{100 * row(report, 'oracle').accuracy:.1f} %" in lines
    assert all(attack in lines for attack in ATTACKS)
    json.dumps(found, allow_nan=False)


def test_the_command_prints_one_json_line_last(folder, capsys):
    data = folder("toy", "other")
    options = ["--bench", "toy,other", "--questions", "60", "--pool", "mixed", "--json"]
    code = main(["eval", "--data", str(data), *options])
    printed = capsys.readouterr()
    assert code == 0
    found = json.loads(printed.out.splitlines()[-1])
    assert [item["bench"] for item in found["summary"]] == ["toy", "other"]
    assert "certified stop" in printed.err


@pytest.mark.parametrize(
    "options",
    [
        ["--bench", "missing"],
        ["--pool", "round"],
        ["--bench", ","],
        ["--alpha", "1"],
        ["--alpha", "0.9999999"],
        ["--alpha", "1e-9"],
        ["--alpha", "nan"],
        ["--bench", "toy,missing"],
        ["--pool", "consumer", "--bench", "big"],
        ["--engine", "oracle"],
    ],
)
def test_wrong_options_are_the_callers_fault(folder, options, capsys):
    data = folder("toy")
    write(data / "recorded_big.jsonl.gz", BIG)
    assert main(["eval", "--data", str(data), "--bench", "toy", *options]) == 2
    printed = capsys.readouterr()
    assert printed.out == "", "nothing was computed before it was found out"
    assert "internal" not in printed.err
    assert printed.err


def test_what_cannot_be_measured_is_skipped_and_said(folder, capsys):
    data = folder("toy")
    write(data / "recorded_big.jsonl.gz", BIG)
    few = ["--bench", "big,toy", "--questions", "40", "--pool", "consumer,one-strong", "--json"]
    assert main(["eval", "--data", str(data), *few]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out.splitlines()[-1])
    measured = [(item["bench"], item["pool"]) for item in found["summary"]]
    assert measured == [("big", "one-strong"), ("toy", "consumer"), ("toy", "one-strong")]
    why = "big has no two models of 7 to 12 B"
    assert found["skipped"] == [{"bench": "big", "pool": "consumer", "why": why}]
    assert f"skipped: big, consumer: {why}" in printed.err


def test_of_the_usual_benchmarks_those_count_that_are_there(folder, capsys):
    data = folder("bbh")
    few = ["--questions", "40", "--pool", "one-strong", "--json"]
    assert main(["eval", "--data", str(data), *few]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [item["bench"] for item in found["summary"]] == ["bbh"]
    assert [item["bench"] for item in found["skipped"]] == ["gsm8k", "math_l5", "crux", "mmlu_pro"]
    assert main(["eval", "--data", str(data / "empty")]) == 2


@pytest.mark.skipif(not SHARED.is_dir(), reason="no recordings of real models beside the checkout")
def test_real_recordings_hold_what_is_promised():
    report = study(load(SHARED, "math_l5", 300), "mixed", 50_000, pools=4)
    assert report.minus_best_single.ci[1] >= 0
    assert report.minus_majority.pp >= 3
    assert report.calls_saved >= 0.4
    assert abs(report.certified_minus_default.pp) <= 0.5
    assert report.false_certified <= 0.05
