"""What a conductor learns of agents: the breaker, the arithmetic of expectations, and the fold."""

from dataclasses import replace
from itertools import pairwise
from math import sqrt
from statistics import NormalDist
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.core import limits
from symphony.core.beacon.breaker import Breaker
from symphony.core.beacon.expectation import (
    MIN_FIT_PPM,
    NO_EVIDENCE,
    Evidence,
    availability_ppm,
    drawn,
    expected_ppm,
    faded,
    quality_ppm,
)
from symphony.core.beacon.experience import Experience
from symphony.core.records import (
    Award,
    AwardRecord,
    Ballot,
    Candidate,
    Requirement,
    TaskRecord,
    VerdictRecord,
)

MATH = Requirement("solve", "math", "swarm", 100)
TASK = b"t" * 16
A, B, C, D = (letter * 32 for letter in (b"a", b"b", b"c", b"d"))


def award(chain, owner, *, epoch=1, lapse=None, step="s1", needs=MATH, agent="solver"):
    bid = Candidate(owner, agent, bytes(32), 500_000, 1)
    name = f"step/{chain}/{step}"
    unit = name.encode().ljust(16, b".")
    score = (500_000, 10_000, needs, (bid,), ())
    return Award(unit, name, epoch, owner, agent, bytes(32), *score, lapse)


def task(answer_type="number", task=TASK):
    args = (3, "match", "learned", "never", answer_type, "swarm", 1000, 1000)
    return TaskRecord(task, bytes(32), *args)


def verdict(*votes: Any, winner="x", blank=(), outcome="answered"):
    """Votes are (chain, owner, class)."""
    ballots = tuple(
        Ballot(chain, bytes(32), owner, "solver", MATH.skill, key.encode() * 32, 1_000_000)
        for chain, owner, key in votes
    )
    digest = None if winner is None else winner.encode() * 32
    settled = ("exact", 0, len(votes) + len(blank), "", 0, 0)
    return VerdictRecord(TASK, outcome, "match", 1, ballots, *settled, winner=digest, blank=blank)


def conducted(*votes: Any, known=None, **changes: Any):
    """The experience of one task without plans, whose chains voted like that; the agent of `known`
    was right before.
    """
    seen = Experience()
    for _ in range(10 if known else 0):
        seen.probed(known, "solver", MATH, right=True)
    seen.begun(task())
    seen.awarded(AwardRecord(TASK, tuple(award(chain, owner) for chain, owner, _ in votes)))
    seen.judged(verdict(*votes, **changes))
    return seen


def quality(seen, owner, needs=MATH):
    """More than one half: it was right; less: it was wrong; None: nothing is known."""
    found = seen.evidence(owner, "solver", needs)
    if found is None or found.right == found.wrong:
        return None
    return found.right > found.wrong


# --- the arithmetic -----------------------------------------------------------------------------


def test_the_quantiles_are_those_of_a_normal_distribution():
    wanted = [round(1000 * NormalDist().inv_cdf((n + 0.5) / 16)) for n in range(16)]
    even = Evidence(500_000, 500_000)
    drawn_milli = [(quality_ppm(even, n) - 500_000) * sqrt(1001) / 500 for n in range(16)]
    assert [round(z) for z in drawn_milli] == pytest.approx(wanted, abs=4)


EVIDENCE = st.builds(
    Evidence,
    right=st.integers(0, 40_000),
    wrong=st.integers(0, 40_000),
    kept=st.integers(0, 40_000),
    missed=st.integers(0, 40_000),
)


@given(st.integers(0, 1_000_000), EVIDENCE)
def test_an_expectation_is_a_share_that_grows_with_draw_match_and_merit(match_ppm, evidence):
    points = [expected_ppm(match_ppm, evidence, draw) for draw in range(16)]
    assert all(0 <= low <= high <= 1_000_000 for low, high in pairwise(points))
    assert expected_ppm(min(1_000_000, match_ppm + 1000), evidence, 7) >= points[7]
    late = replace(evidence, missed=evidence.missed + 1000)
    assert expected_ppm(match_ppm, late, 7) <= points[7]


def test_the_spread_of_draws_narrows_with_evidence():
    spreads = [
        quality_ppm(Evidence(n * 700, n * 300), 15) - quality_ppm(Evidence(n * 700, n * 300), 0)
        for n in (2, 10, 40)
    ]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[-1] < 300_000


def test_what_is_not_known_is_expected_to_be_middling_and_available():
    assert quality_ppm(NO_EVIDENCE, 7) < 500_000 < quality_ppm(NO_EVIDENCE, 8)
    assert availability_ppm(NO_EVIDENCE) == 1_000_000


def test_what_an_agent_says_counts_less_the_more_is_known_of_it():
    """Who claims less and was right overtakes who claims all and was wrong half of the time."""
    liar, honest = Evidence(10_000, 10_000), Evidence(18_000, 2_000)
    assert expected_ppm(1_000_000, NO_EVIDENCE, 7) > expected_ppm(400_000, NO_EVIDENCE, 7)
    assert expected_ppm(1_000_000, liar, 7) < expected_ppm(400_000, honest, 7)


@given(st.integers(0, 15), st.integers(0, 900_000), st.integers(10, 100))
def test_of_two_that_are_equally_unknown_the_better_match_is_expected_to_do_more(draw, low, more):
    """Whatever the draw: it is one for all bidders of a unit, as a newcomer's spread is."""
    low_ppm, high_ppm = max(MIN_FIT_PPM, low), max(MIN_FIT_PPM, low) + 1000 * more
    assert expected_ppm(low_ppm, NO_EVIDENCE, draw) < expected_ppm(high_ppm, NO_EVIDENCE, draw)


def test_a_draw_hangs_on_the_unit_and_on_nothing_else_and_is_even():
    draws = [drawn(n.to_bytes(16, "big")) for n in range(1600)]
    assert all(60 < draws.count(value) < 145 for value in range(16))


@given(st.integers(0, 40_000), st.lists(st.integers(0, 1000), max_size=20))
def test_what_is_known_fades_by_as_much_as_the_new_says(count, weights):
    left = count
    for weight in weights:
        assert faded(left) <= faded(left, weight) <= left
        left = faded(left, weight)
    assert faded(count, 0) == count


# --- the breaker --------------------------------------------------------------------------------


def missed_one_by_one(count, breaker=None, start=1):
    breaker = breaker or Breaker()
    for number in range(start, start + count):
        breaker = breaker.missed(number, number)
    return breaker


def test_who_always_misses_is_excluded_at_the_eighth_unit_and_gets_a_second_chance_later():
    assert missed_one_by_one(7).state(7) == "active"
    out = missed_one_by_one(8)
    until = 8 + limits.BREAKER_PAUSE
    assert [out.state(n) for n in (8, until - 1, until)] == ["excluded", "excluded", "probe"]
    assert out.kept() == Breaker()
    again = out.missed(until + 1, until + 1)
    assert again.state(until + 2 * limits.BREAKER_PAUSE) == "excluded"
    assert again.state(until + 1 + 2 * limits.BREAKER_PAUSE) == "probe"


def test_pauses_have_an_end():
    breaker, now = Breaker(), 0
    for _ in range(60):
        now = max(now + 1, breaker.until)
        breaker = breaker.missed(now, now)
    assert breaker.until - now == limits.BREAKER_PAUSE << limits.BREAKER_DOUBLINGS


def test_a_hand_full_of_work_lost_at_once_is_one_incident():
    """Twelve units are out when the node is cut off; it comes back and is cut off once more."""
    breaker = Breaker()
    for number in range(12):
        breaker = breaker.missed(number, 20)
    for number in range(21, 30):
        breaker = breaker.missed(number, 40)
    assert (breaker.incidents, breaker.state(41)) == (2, "active")
    assert breaker.missed(41, 42).state(42) == "excluded"


@given(st.lists(st.booleans(), max_size=60))
def test_one_delivery_in_seven_units_keeps_the_breaker_closed(deliveries):
    breaker = Breaker()
    for number, delivered in enumerate(deliveries):
        breaker = breaker.kept() if delivered or number % 7 == 0 else breaker.missed(number, number)
        assert breaker.state(number) == "active"


# --- the fold -----------------------------------------------------------------------------------


def test_ballots_are_judged_by_those_of_others():
    seen = conducted((0, A, "x"), (1, B, "x"), (2, C, "y"))
    assert [quality(seen, owner) for owner in (A, B, C)] == [True, True, False]
    assert quality(conducted((0, A, "x"), (1, A, "x")), A) is None


def test_who_agrees_with_a_good_name_is_believed():
    """B and C contradict each other, and A, known to be good, agrees with B."""
    seen = conducted((0, A, "x"), (1, B, "x"), known=A)
    plain = conducted((0, A, "x"), (1, B, "x"))
    rights = [s.evidence(B, "solver", MATH).right for s in (seen, plain)]
    assert rights[0] > rights[1]


def test_who_voted_delivered():
    seen = conducted((0, A, "x"), winner=None, outcome="cancelled")
    assert quality(seen, A) is None
    assert seen.evidence(A, "solver", MATH).kept == 1000


def test_a_step_before_the_last_counts_by_half_and_each_agent_for_itself():
    seen = Experience()
    seen.begun(task())
    seen.awarded(AwardRecord(TASK, (award(0, A), award(1, B))))
    seen.awarded(AwardRecord(TASK, (award(0, C, step="s2"), award(1, D, step="s2"))))
    seen.judged(verdict((0, C, "x"), (1, D, "x")))
    gains = [seen.evidence(owner, "solver", MATH).right for owner in (A, C)]
    fresh = NO_EVIDENCE.right
    assert 0 < gains[0] - fresh < gains[1] - fresh < 1000
    assert seen.evidence(A, "other", MATH) is None


def test_what_an_agent_does_at_one_skill_says_a_little_about_others():
    seen = Experience()
    for _ in range(10):
        seen.probed(A, "solver", MATH, right=False)
    other = seen.evidence(A, "solver", Requirement("solve", "law", "swarm", 1))
    same = seen.evidence(A, "solver", replace(MATH, skill=" MATH  "))
    assert sum(other.counts[:2]) == limits.PRIOR_MILLI
    assert other.right < NO_EVIDENCE.right
    assert quality_ppm(same, 15) < quality_ppm(other, 15)


@pytest.mark.parametrize("lapse", ["failed", "late", "junk", "gone", "refused", "slow"])
def test_units_that_are_not_delivered(lapse):
    """All of them cost availability; only what is the owner's fault moves the breaker."""
    seen = Experience()
    for number in range(8):
        task_id = bytes([number]) * 16
        seen.awarded(AwardRecord(task_id, (award(0, A),)))
        seen.awarded(AwardRecord(task_id, (award(0, B, epoch=2, lapse=lapse),)))
    assert availability_ppm(seen.evidence(A, "solver", MATH)) < 450_000
    assert seen.evidence(B, "solver", MATH) is None
    faulty = lapse in ("failed", "late", "junk")
    assert seen.state(A, "solver") == ("excluded" if faulty else "active")


def test_an_award_that_was_never_used_is_nobodys_fault():
    seen = Experience()
    seen.awarded(AwardRecord(TASK, (award(0, A),)))
    seen.awarded(AwardRecord(TASK, (award(0, B, epoch=2, lapse="unused"),)))
    assert seen.evidence(A, "solver", MATH) is None


def test_a_chain_that_ends_in_nothing_is_held_against_its_last_owner():
    seen = Experience()
    seen.awarded(AwardRecord(TASK, (award(0, A), award(1, B))))
    seen.awarded(AwardRecord(TASK, (award(0, C, step="s2"),)))
    seen.awarded(AwardRecord(TASK, (award(0, D, epoch=2, lapse="late"),)))
    seen.judged(verdict((1, B, "x"), blank=(0,)))
    found = {o: seen.evidence(o, "solver", MATH) for o in (A, B, C, D)}
    assert [found[o] and found[o].missed for o in (A, B, C, D)] == [1000, 0, 1000, None]


def test_what_is_not_renewed_is_forgotten_by_halves():
    seen = Experience()
    for _ in range(20):
        seen.probed(A, "solver", MATH, right=False)
    before = seen.evidence(A, "solver", MATH)
    for number in range(2 * limits.FORGET_AWARDS):
        seen.awarded(AwardRecord(number.to_bytes(16, "big"), (award(0, B),)))
    after = seen.evidence(A, "solver", MATH)
    assert before.wrong > 10_000
    assert before.wrong / 5 < after.wrong < before.wrong / 2.5


def test_an_excluded_agent_starts_its_second_chance_with_a_clean_sheet():
    seen = Experience()
    for number in range(8 + limits.BREAKER_PAUSE):
        task_id = number.to_bytes(16, "big")
        owner = A if number < 8 else B
        seen.awarded(AwardRecord(task_id, (award(0, owner),)))
        seen.awarded(AwardRecord(task_id, (award(0, C, epoch=2, lapse="late"),)))
        if number == 10:
            assert seen.state(A, "solver") == "excluded"
    assert seen.state(A, "solver") == "probe"
    assert availability_ppm(seen.evidence(A, "solver", MATH)) == 1_000_000


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(limits, "MAX_EXPERIENCES", 5)
    monkeypatch.setattr(limits, "MAX_OPEN_TASKS", 5)
    seen = Experience()
    for number in range(20):
        seen.probed(bytes([number]) * 32, "solver", MATH, right=True)
        seen.probed(A, "solver", replace(MATH, skill=f"skill {number}"), right=True)
        seen.awarded(AwardRecord(bytes([number]) * 16, (award(0, B),)))
    assert len(list(seen)) == 5
    assert (len(seen._skills), len(seen._open)) == (5, 5)
