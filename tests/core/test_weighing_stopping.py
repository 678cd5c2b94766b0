"""The stops: wrong at most α where they certify, whatever the pool; and what asking on is worth."""

from collections import Counter
from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symphony.core.weighing import any_order, certify, draw_order, enough, even
from symphony.core.weighing.prospect import WORTH_PPM, worth_asking
from symphony.core.weighing.stopping import SURE, WHOLE, boundary_for

FIVE_PERCENT = 50_000


def certified(keys, pool, alpha_ppm=FIVE_PERCENT):
    return certify(keys, pool, alpha_ppm).key


def test_three_alike_of_nine_certify_and_else_more_than_half_is_needed():
    assert [certified("a" * n, 9) for n in range(1, 5)] == [None, None, "a", "a"]
    assert certify("aaa", 9, FIVE_PERCENT).e_milli == 20_999  # 9·8·7 / 4·3·2, down
    assert certified("aabaa", 9) is None
    assert certified("aabaaba", 9) == "a"
    assert certified("aaa", 9, 10_000) is None
    assert certify("aaaaaaaaa", 9, 0).state == "open"


def test_what_was_certified_first_stays_so_and_no_answer_counts_for_nobody():
    assert certified("aaabbbbb", 9) == "a"
    assert certified([None, None, None], 9) is None
    assert certified([None, "a", "a", "a"], 9) is None
    assert certified("abc", 3) is None


def false_certification(pool, alpha_ppm):
    """The exact probability that a class is certified that another one outnumbers: every order of
    draws is followed until something is certified. Where any order will do, the worst one counts.
    """
    heads = Counter(key for key in pool if key is not None)
    top = max(heads.values())

    def wrong(draws, left) -> Fraction:
        found = certify(draws, len(pool), alpha_ppm)
        if found.state == "certified":
            return Fraction(heads[found.key] < top)
        free = any_order(draws, len(pool), alpha_ppm)
        total = Fraction(0)
        for key in set(left):
            rest = left.copy()
            rest.remove(key)
            then = wrong([*draws, key], rest)
            share = Fraction(left.count(key), len(left))
            total = max(total, then) if free else total + share * then
        return total

    return wrong([], list(pool))


def test_chance_is_needed_until_one_of_the_first_three_of_nine_dissents():
    assert [any_order(draws, 9, FIVE_PERCENT) for draws in ("", "a", "aa")] == [False] * 3
    assert all(any_order(draws, 9, FIVE_PERCENT) for draws in ("ab", "aab", [None], "aba"))
    assert any_order("", 9, 0)
    assert not any_order("abaa", 16, FIVE_PERCENT)  # six of seven would do


POOLS = [
    "aaaabbbbb",
    "aabbb",
    "aaabbcc",
    "aabbccdd",
    "aabbccc",
    "aabbbcc",
    "abbccdd",
    "aaaabbbb",
]


@pytest.mark.parametrize("pool", [*POOLS, [*"aabbb", None, None], [*"aaaabbbbb", None]])
def test_false_certification_stays_below_the_level_in_every_order_of_draws(pool):
    for alpha_ppm in (20_000, FIVE_PERCENT, 200_000, 500_000):
        bound = boundary_for(len(pool), alpha_ppm).risk
        assert bound * WHOLE <= alpha_ppm * SURE
        assert false_certification(pool, alpha_ppm) * SURE <= bound


@pytest.mark.parametrize("pool", ["aabb", "aaabbb", "aabbc"])
def test_answers_that_are_level_are_certified_at_the_level_each(pool):
    for alpha_ppm in (FIVE_PERCENT, 200_000):
        orders = set(permutations(pool))
        first = sum(certify(order, len(pool), alpha_ppm).key == "a" for order in orders)
        assert first * WHOLE <= alpha_ppm * len(orders)


def test_the_bound_is_reached():
    """The worst pool is as bad as the risk says, so the test above could fail."""
    assert false_certification("aaaabbbbb", FIVE_PERCENT) == Fraction(24, 504)
    assert boundary_for(9, FIVE_PERCENT).risk == -(-24 * SURE // 504)


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=1, max_size=8))
def test_no_pool_beats_the_risk(pool):
    if any(pool):
        bound = boundary_for(len(pool), 300_000).risk
        assert false_certification(pool, 300_000) * SURE <= bound <= 300_000 * SURE


def expected_gain(counts, left):
    """Votes that the end is expected to add to the answer: the largest class instead of the one
    that leads now. Hoppe's urn, draw by draw."""
    leader = counts.index(max(counts))

    def largest(now, rest, pick) -> Fraction:
        if not rest:
            return Fraction(pick(now))
        total = sum(now) + 1
        ways = [(k, [*now[:i], k + 1, *now[i + 1 :]]) for i, k in enumerate(now)]
        ways.append((1, [*now, 1]))
        return sum(
            (Fraction(k, total) * largest(to, rest - 1, pick) for k, to in ways), Fraction(0)
        )

    return largest(counts, left, max) - largest(counts, left, lambda end: end[leader])


@pytest.mark.parametrize("counts", [[2, 1], [1, 1, 1], [3, 1], [2, 2, 1], [3, 2], [4, 1, 1]])
def test_what_the_rest_is_worth(counts):
    for left in (1, 3, 4):
        gain = expected_gain(counts, left)
        assert worth_asking(counts, max(counts), left) == (
            gain >= Fraction(WORTH_PPM, WHOLE) * (sum(counts) + left)
        )


def test_a_vote_is_left_divided_only_where_the_next_ballot_will_hardly_end_it():
    assert enough("aabac", 9, "a", FIVE_PERCENT)
    assert enough("aabacd", 9, "a", FIVE_PERCENT)  # one more for a would end it; one of two is not
    assert not enough("aaab", 6, "a", FIVE_PERCENT)  # it may well be for a
    assert not enough("aaba", 9, "a", FIVE_PERCENT)  # a and b may yet change places
    assert not enough("aa", 9, "a", FIVE_PERCENT)
    assert not enough([], 9, "a", FIVE_PERCENT)


def test_weights_that_are_even():
    assert even([5, 5, 5])
    assert even([10, 8, 6, 5])
    assert not even([100, 1, 1])
    assert even([])


def test_each_order_of_draws_is_as_likely_as_another():
    orders = [tuple(draw_order(3, seed.to_bytes(4, "big"))) for seed in range(3000)]
    for order in permutations(range(3)):
        assert abs(orders.count(order) / len(orders) - 1 / 6) < 0.03
    assert draw_order(9, b"x") == draw_order(9, b"x")
    assert draw_order(0, b"x") == []
