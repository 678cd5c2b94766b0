"""The stops: never wrong where they are exact, wrong at most α where they certify."""

from fractions import Fraction
from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symphony.core.weighing import Draw, certify, draw_order

FIVE_PERCENT = 50_000


def certify_all(keys, pool_weight, alpha_ppm=FIVE_PERCENT):
    draws = [Draw(key, 1) for key in keys]
    return certify(draws, pool_weight - len(draws), alpha_ppm)


def test_four_ballots_alike_of_nine_certify_and_five_decide():
    states = [certify_all("a" * n, 9).state for n in range(1, 6)]
    assert states == ["open", "open", "open", "certified", "exact"]
    assert certify_all("", 9).key is None
    assert certify_all("aaaa", 9, alpha_ppm=0).state == "open"


def test_a_pool_without_end_needs_six_alike_and_knows_no_exact_stop():
    states = [certify([Draw("a", 1)] * n, None, FIVE_PERCENT).state for n in range(1, 30)]
    assert states.index("certified") == 5
    assert set(states) == {"open", "certified"}


def test_draws_without_an_answer_count_for_nobody():
    assert certify_all([None] * 3, 9).state == "open"
    assert certify_all(["a", None, "a", "a", "a"], 9).state == "certified"


def probability(order, weights):
    """The chance of this order of draws."""
    chance, left = Fraction(1), sum(weights)
    for at in order:
        chance *= Fraction(weights[at], left)
        left -= weights[at]
    return chance


def false_certification(pool, alpha_ppm):
    """The exact probability that, somewhere on the way, a class is certified that is not the
    unique mode: every order of draws is followed until something is certified."""
    sums = {key: sum(w for k, w in pool if k == key) for key, _ in pool}
    top = [key for key in sums if sums[key] == max(sums.values())]
    mode = top[0] if len(top) == 1 else None

    def wrong(draws, left) -> Fraction:
        found = certify(draws, sum(weight for _, weight in left), alpha_ppm)
        if found.state != "open":
            assert found.state == "certified" or found.key == mode  # an exact stop is never wrong
            return Fraction(found.key != mode)
        total = Fraction(0)
        for kind in set(left):
            share = Fraction(kind[1] * left.count(kind), sum(weight for _, weight in left))
            rest = left.copy()
            rest.remove(kind)
            total += share * wrong([*draws, Draw(*kind)], rest)
        return total

    return wrong([], list(pool))


@pytest.mark.parametrize(
    ("votes", "weights"),
    [
        ("aaabbb", (1, 1, 1, 1, 1, 1)),  # no unique mode: any certificate is false
        ("aabbb", (1, 1, 1, 1, 1)),
        ("aaabb", (2, 2, 1, 3, 2)),  # a tie of weights
        ("aaabbc", (9, 1, 1, 9, 2, 1)),
        ("abcd", (1, 1, 1, 1)),
        ("aaaabbbb", (1,) * 8),
        ("aaaabb", (1, 1, 1, 1, 2, 2)),
    ],
)
def test_false_certification_stays_below_the_level_in_every_order_of_draws(votes, weights):
    for alpha_ppm in (100_000, 300_000, 600_000):
        pool = list(zip(votes, weights, strict=True))
        wrong = false_certification(pool, alpha_ppm)
        assert wrong <= Fraction(alpha_ppm, 10**6)


def test_the_bound_is_not_idle():
    """At a high level some false certificates do happen, so the test above could fail."""
    assert false_certification([("a", 1)] * 3 + [("b", 1)] * 3, 600_000) > 0


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 5)), min_size=1, max_size=6))
def test_the_exact_stop_survives_whatever_comes(draws):
    for count in range(1, len(draws) + 1):
        seen = [Draw(key, weight) for key, weight in draws[:count]]
        rest = [weight for _, weight in draws[count:]]
        found = certify(seen, sum(rest), 0)
        if found.state != "exact":
            continue
        for keys in product("abcd", repeat=len(rest)):
            more = [Draw(key, w) for key, w in zip(keys, rest, strict=True)]
            assert certify(seen + more, 0, 0).key == found.key
            assert certify(seen + more, 0, 0).state == "exact"


def test_the_order_of_draws_follows_the_weights():
    weights = [6, 3, 1, 0]
    orders = [tuple(draw_order(weights, seed.to_bytes(4, "big"))) for seed in range(3000)]
    assert set(map(frozenset, orders)) == {frozenset({0, 1, 2})}
    for order in permutations(range(3)):
        share = orders.count(order) / len(orders)
        assert abs(share - probability(order, weights)) < 0.03
    assert draw_order(weights, b"x") == draw_order(weights, b"x")
    assert draw_order([], b"x") == []
