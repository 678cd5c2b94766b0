"""The vote, its exact stop, and the arithmetic of leases, each against a dumb twin."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.core.beacon.lease import conductor_until_ms, owner_until_ms, renew_every_ms
from symphony.core.votes.vote import Vote, decided, tally
from symphony.core.weighing import FULL_WEIGHT

WEIGHTS = st.integers(0, FULL_WEIGHT)
BALLOTS = st.lists(st.tuples(st.sampled_from("abc"), WEIGHTS), max_size=8)


def votes_of(ballots):
    return [Vote(at, key, key.upper(), weight) for at, (key, weight) in enumerate(ballots)]


@given(BALLOTS, st.randoms())
def test_the_order_of_the_votes_does_not_matter(ballots, random):
    votes = votes_of(ballots)
    shuffled = votes.copy()
    random.shuffle(shuffled)
    assert tally(shuffled) == tally(votes)


@given(BALLOTS)
def test_the_winner_has_the_largest_sum(ballots):
    classes = tally(votes_of(ballots))
    sums = {key: sum(w for k, w in ballots if k == key) for key, _ in ballots}
    assert {item.key: item.weight for item in classes} == sums
    if classes:
        assert classes[0].weight == max(sums.values())


@pytest.mark.parametrize(
    ("ballots", "winner"),
    [
        ([("a", 5), ("b", 3), ("b", 2)], "b"),  # equal sums: more ballots
        ([("a", 3), ("a", 3), ("b", 4), ("b", 2)], "b"),  # then the heavier single ballot
        ([("b", 3), ("a", 3)], "b"),  # then the earliest chain
        ([("a", 0)], "a"),
    ],
)
def test_ties(ballots, winner):
    assert tally(votes_of(ballots))[0].key == winner


@given(BALLOTS, st.integers(0, 3))
def test_the_exact_stop_is_never_wrong(ballots, outstanding):
    """Whatever the remaining ballots are, a decided winner stays."""
    votes = votes_of(ballots)
    classes = tally(votes)
    if not decided(classes, outstanding * FULL_WEIGHT):
        return
    extremes = [("a", FULL_WEIGHT), ("b", FULL_WEIGHT), ("c", FULL_WEIGHT), ("new", FULL_WEIGHT)]
    for rest in product([*extremes, ("a", 0)], repeat=outstanding):
        assert tally(votes_of([*ballots, *rest]))[0].key == classes[0].key


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=7), st.integers(0, 3))
def test_the_exact_stop_of_a_majority_misses_nothing_but_ties(keys, outstanding):
    """If nothing that may come makes another answer even, the vote is over."""
    classes = tally(votes_of([(key, FULL_WEIGHT) for key in keys]))
    lead = classes[0].weight - (classes[1].weight if len(classes) > 1 else 0)
    out = outstanding * FULL_WEIGHT
    assert decided(classes, out) == (lead > out)


def test_nothing_is_decided_without_a_ballot():
    assert not decided([], 0)


@given(
    lease_ms=st.integers(100, 60_000),
    sent_ms=st.integers(0, 10**6),
    travel_ms=st.integers(0, 10**5),
    owner_ppm=st.integers(-99_000, 99_000),
    conductor_ppm=st.integers(-99_000, 99_000),
)
def test_owner_and_conductor_never_both_hold(
    lease_ms, sent_ms, travel_ms, owner_ppm, conductor_ppm
):
    """In true time, with clocks whose rates differ by less than 10 % from it each."""
    owner_for_ms = owner_until_ms(sent_ms, lease_ms) - sent_ms
    conductor_for_ms = conductor_until_ms(0, lease_ms)
    owner_ends = sent_ms + owner_for_ms * 1_000_000 / (1_000_000 + owner_ppm)
    answered = sent_ms + travel_ms
    conductor_ends = answered + conductor_for_ms * 1_000_000 / (1_000_000 + conductor_ppm)
    assert owner_ends <= conductor_ends + 2


@given(st.integers(1, 10**6))
def test_two_renewals_may_get_lost(lease_ms):
    assert renew_every_ms(lease_ms) >= 1
    if lease_ms >= 10:
        assert 2 * renew_every_ms(lease_ms) < owner_until_ms(0, lease_ms)
