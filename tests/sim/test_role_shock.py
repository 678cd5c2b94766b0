"""The study of a role shock: what it measures, and what it draws."""

from random import Random
from xml.etree import ElementTree as ET

import pytest

from symphony.testing import role_shock
from symphony.testing.chart import Line, line_chart
from symphony.testing.registry import Ask
from symphony.testing.trial import WRONG_ANSWERS, Player, Trial, answer_rate, run_trial


def test_the_rate_of_right_answers_is_that_of_the_vote():
    assert answer_rate((0.9, 0.9)) == pytest.approx(0.9)  # the earliest chain decides
    assert answer_rate((1.0, 0.0, 1.0)) == pytest.approx(1)
    random, hits = Random(1), 0
    for _ in range(20_000):
        said = [
            0 if random.random() < rate else random.randint(1, WRONG_ANSWERS)
            for rate in (0.8, 0.5, 0.3)
        ]
        hits += max(said, key=lambda value: (said.count(value), -said.index(value))) == 0
    assert answer_rate((0.8, 0.5, 0.3)) == pytest.approx(hits / 20_000, abs=0.01)


def test_a_trial_meets_the_same_tasks_under_every_selection_and_repeats_itself():
    players = (Player((1.0, 1.0, 1.0)), Player((0.0, 0.0, 0.0)), Player((1.0, 1.0, 1.0)))
    found = [run_trial(Trial(players, kind, 8, 3)) for kind in ("learned", "learned", "match")]
    assert found[0] == found[1]
    assert not any(tried.violations for tried in found)
    assert [r.skill for r in found[0].rounds] == [r.skill for r in found[2].rounds]
    assert all(r.outcome == "answered" and len(r.owners) == 3 for r in found[0].rounds)


def test_a_short_study_says_and_draws_what_it_found(tmp_path):
    found = role_shock.run(Ask(range(1), nodes=4, tasks=20))
    assert not found.violations
    said = found.as_json()
    assert set(said["accuracy"]) == {"oracle", "learned", "match", "random"}
    assert said["accuracy"]["oracle"]["before"] >= said["accuracy"]["random"]["before"]
    svg, csv, _ = role_shock.plot(found, tmp_path / "plots")
    assert len(ET.parse(svg).findall("{http://www.w3.org/2000/svg}polyline")) == 4
    rows = csv.read_text().splitlines()
    assert (rows[0], len(rows)) == ("task,oracle,learned,match,random", 21)


def test_a_chart_escapes_what_it_is_told():
    drawn = line_chart("<&>", "x", "y", [Line("a<b", [0.0, 2.0, -1.0])], {1: "<"})
    texts = [item.text for item in ET.fromstring(drawn).iter() if item.text]
    assert "<&>" in texts
    assert "a<b" in texts


@pytest.mark.slow
def test_learning_recovers_from_a_shock():
    found = role_shock.run(Ask(range(1)))
    assert not found.violations
    assert found.share("match", 550, 650) < found.share("learned", 550, 650)
