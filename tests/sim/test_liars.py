"""The study of liars: what it measures, on a swarm small enough for a test."""

from symphony.testing import liars
from symphony.testing.registry import Ask
from symphony.testing.trial import Player, Trial, run_trial

GOOD, BAD = (0.95, 0.95, 0.95), (0.05, 0.05, 0.05)


def test_who_sends_junk_is_excluded_and_the_honest_are_not():
    players = (Player(GOOD), Player(GOOD), Player(GOOD, manner="sends junk"))
    tried = run_trial(Trial(players, "learned", 40, 1))
    assert not tried.violations
    given = sum(found.awarded.count(2) for found in tried.rounds)
    assert set(tried.excluded) <= {2}
    assert given <= liars.MOST_UNITS


def test_the_study_says_and_draws_what_it_found(tmp_path):
    found = liars.run(Ask(range(1), nodes=10, tasks=12))
    said = found.as_json()
    assert said["riders_and_silent_owners"] == 2
    assert said["honest_excluded"] == 0
    assert not found.violations
    assert all(path.stat().st_size for path in liars.plot(found, tmp_path))
