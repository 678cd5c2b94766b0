"""The weight rules: what no evidence, little evidence and much evidence make of a pool."""

from dataclasses import replace
from fractions import Fraction
from itertools import chain, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symphony.core.votes.vote import Vote, tally
from symphony.core.weighing import (
    FLOOR,
    FULL_WEIGHT,
    RULES,
    CastBallot,
    Comparison,
    Evidence,
    Grounds,
    default_rule,
    weigh,
)
from symphony.core.weighing.bradley_terry import strengths_ppm
from symphony.core.weighing.confidence import exp_ppm
from symphony.core.weighing.groups import groups
from symphony.core.weighing.reliability import shrunk_rates

COUNTS = st.integers(0, 200_000)
COUNTED = st.tuples(COUNTS, COUNTS)


def ballot(chain, key="a", agent=None, **more: object):
    agent = agent or f"agent{chain}"
    return CastBallot(chain, key, agent, more.pop("node", f"node of {agent}"), **more)


def pool(*evidence: tuple[int, int]):
    """Ballots of as many agents, and what is known of them (right, wrong)."""
    ballots = [ballot(at) for at in range(len(evidence))]
    known = {f"agent{at}": Evidence(r * 1000, w * 1000) for at, (r, w) in enumerate(evidence)}
    return ballots, Grounds(evidence=known)


def winner(keys, weights):
    votes = [Vote(at, key, key, w) for at, (key, w) in enumerate(zip(keys, weights, strict=True))]
    return tally(votes)[0].key


def test_match_and_majority():
    ballots = [ballot(0, match_ppm=300_000), ballot(1, match_ppm=900_000)]
    assert weigh("match", ballots, Grounds()) == [300_000, 900_000]
    assert weigh("majority", ballots, Grounds()) == [FULL_WEIGHT, FULL_WEIGHT]


@settings(max_examples=60)
@given(st.lists(COUNTED, min_size=1, max_size=9), st.integers(0, 8))
def test_reliability_is_bounded_and_independent_of_the_order(counted, turn):
    evidence = [Evidence(*counts) for counts in counted]
    ballots = [ballot(at) for at in range(len(evidence))]
    known = dict(zip((b.agent for b in ballots), evidence, strict=True))
    weights = weigh("reliability", ballots, Grounds(evidence=known))
    assert max(weights) == FULL_WEIGHT
    assert min(weights) >= FLOOR
    shuffled = ballots[turn:] + ballots[:turn][::-1]
    again = weigh("reliability", shuffled, Grounds(evidence=known))
    assert [again[shuffled.index(b)] for b in ballots] == weights


@settings(max_examples=60)
@given(st.lists(st.integers(0, 40), min_size=2, max_size=9))
def test_who_was_right_more_often_never_weighs_less(rights):
    ballots, grounds = pool(*[(right, 40 - right) for right in rights])
    weights = weigh("reliability", ballots, grounds)
    for left, right in pairwise(rights):
        at = rights.index(left), rights.index(right)
        assert left <= right or weights[at[0]] >= weights[at[1]]


@pytest.mark.parametrize("evidence", [[(0, 0)] * 5, [(7, 3)] * 4, [(1, 1)] * 3])
def test_without_a_difference_it_is_the_plain_majority(evidence):
    ballots, grounds = pool(*evidence)
    assert weigh("reliability", ballots, grounds) == [FULL_WEIGHT] * len(evidence)


@given(st.lists(st.integers(6, 8), min_size=3, max_size=9))
def test_a_difference_within_chance_breaks_ties_and_nothing_else(rights):
    ballots, grounds = pool(*[(right, 10 - right) for right in rights])
    weights = sorted(weigh("reliability", ballots, grounds))
    half = len(weights) // 2
    assert sum(weights[: half + 1]) > sum(weights[half + 1 :]), "one head more is more weight"
    assert (weights[0] < weights[-1]) == (len(set(rights)) > 1)


def test_who_is_never_right_makes_no_noise_among_the_others():
    """Three liars in a pool of equals: the others weigh nearly alike, as they do without them."""
    equals = [(22, 8), (24, 6), (20, 10), (23, 7), (19, 11), (25, 5), (21, 9)]
    ballots, grounds = pool(*equals, (0, 30), (0, 30), (0, 30))
    weights = weigh("reliability", ballots, grounds)
    assert weights[7:] == [FLOOR] * 3
    assert weights[:7] == weigh("reliability", *pool(*equals))
    assert min(weights[:7]) > 0.9 * FULL_WEIGHT


@given(st.lists(COUNTED.filter(any), max_size=9), st.randoms())
def test_groups_are_the_same_in_any_order_and_part_no_equals(counted, chance):
    evidence = [Evidence(*counts) for counts in counted]
    found = groups(evidence)
    assert sorted(map(repr, chain(*found))) == sorted(map(repr, evidence))
    chance.shuffle(evidence)
    rates = [[Fraction(e.right_milli, e.trials_milli) for e in group] for group in groups(evidence)]
    assert rates == [[Fraction(e.right_milli, e.trials_milli) for e in group] for group in found]
    assert all(max(low) < min(high) for low, high in pairwise(rates))


def test_ten_probes_let_one_strong_agent_outweigh_four_weak_ones():
    ballots, grounds = pool((10, 0), (3, 7), (3, 7), (2, 8), (3, 7))
    weights = weigh("reliability", ballots, grounds)
    assert weights[0] > sum(weights[1:])
    ballots, grounds = pool((8, 2), (7, 3), (7, 3), (8, 2), (6, 4))
    weights = weigh("reliability", ballots, grounds)
    assert weights[0] < sum(weights[1:3])


def test_a_new_key_weighs_as_little_as_the_weakest_known_one():
    ballots, grounds = pool((45, 5), (10, 40), (0, 0), (1, 1))
    weights = weigh("reliability", ballots, grounds)
    assert weights[2] == weights[3] == weights[1] < weights[0]


@given(st.lists(COUNTED, max_size=6))
def test_rates_stay_strictly_between_zero_and_one(counted):
    assert all(0 < rate < 1 for rate in shrunk_rates([Evidence(*counts) for counts in counted]))


def test_the_default_waits_for_evidence_on_nearly_all():
    assert default_rule(*pool((0, 0), (90, 0))) == "majority"
    assert default_rule(*pool((5, 0), (2, 3))) == "reliability"
    assert default_rule(*pool((5, 0), (2, 3), (5, 5), (0, 0))) == "reliability"
    assert default_rule(*pool((50, 0), (20, 30), (2, 2), (0, 0))) == "majority"
    assert default_rule([], Grounds()) == "majority"


def test_nobody_drowns_what_is_known_by_naming_agents():
    known = {name: Evidence(9_000, 1_000) for name in "abc"}
    ballots = [ballot(at, agent=name) for at, name in enumerate("abc")]
    idle = [ballot(9, agent=f"idle{at}", node=f"n{at}", operator="eve") for at in range(40)]
    assert default_rule([*ballots, *idle], Grounds(evidence=known)) == "reliability"
    many = [replace(one, operator="") for one in idle]
    assert default_rule([*ballots, *many], Grounds(evidence=known)) == "majority"


def test_confidence():
    ballots = [ballot(0, logprob_milli=-100), ballot(1, logprob_milli=-2000), ballot(2)]
    assert weigh("confidence", ballots, Grounds()) == [904_837, 135_335, 135_335]
    assert weigh("confidence", [ballot(0), ballot(1)], Grounds()) == [FULL_WEIGHT, FULL_WEIGHT]
    assert weigh("confidence", [ballot(0, logprob_milli=-900_000)], Grounds()) == [FLOOR]
    assert exp_ppm(0) == FULL_WEIGHT


@given(st.integers(-19_000, 0))
def test_the_exponential_is_one(milli):
    import math

    assert abs(exp_ppm(milli) - math.exp(milli / 1000) * 1e6) <= 1


def both_orders(judge, better, worse, node="elsewhere", operator=""):
    return (
        Comparison(judge, node, better, worse, better, operator),
        Comparison(judge, node, worse, better, better, operator),
    )


def test_ranked_without_comparisons_is_the_majority():
    ballots = [ballot(0, "a"), ballot(1, "b"), ballot(2, "b")]
    assert weigh("ranked", ballots, Grounds()) == [FULL_WEIGHT] * 3


def test_ranked_judges_can_lift_a_lone_answer():
    ballots = [ballot(0, "a"), ballot(1, "b"), ballot(2, "b")]
    words = sum((both_orders(f"judge{at}", 0, 1, node=f"n{at}") for at in range(5)), ())
    weights = weigh("ranked", ballots, Grounds(comparisons=words))
    assert weights[0] == FULL_WEIGHT
    assert winner("abb", weights) == "a"


@pytest.mark.parametrize(
    "words",
    [
        both_orders("agent1", 1, 0),  # on its own answer
        both_orders("stranger", 1, 0, node="node of agent1"),  # on that of its own node
        both_orders("agent2", 1, 0),  # on an answer equal to its own
        both_orders("stranger", 1, 0, operator="op of 1"),  # on that of its own operator
        (Comparison("judge", "elsewhere", 1, 0, 1),),  # in one order only
        (Comparison("judge", "n", 1, 0, 1), Comparison("judge", "n", 0, 1, 0)),  # the first place
        both_orders("judge", 1, 2),  # within one class
        both_orders("judge", 1, 9),  # on a ballot that is not there
        (Comparison("judge", "n", 1, 0, 7), Comparison("judge", "n", 0, 1, 7)),  # for a third
    ],
)
def test_judgements_that_do_not_count(words):
    ballots = [ballot(0, "a"), ballot(1, "b"), ballot(2, "b")]
    ballots[1] = replace(ballots[1], operator="op of 1")
    assert weigh("ranked", ballots, Grounds(comparisons=words)) == [FULL_WEIGHT] * 3


def test_judges_weigh_by_their_own_evidence():
    ballots = [ballot(0, "a"), ballot(1, "b")]
    words = both_orders("good", 0, 1, "n1") + both_orders("x", 1, 0, "n2")
    words += both_orders("y", 1, 0, "n3")
    known = {"good": Evidence(95_000, 5_000), "x": Evidence(50_000, 50_000)}
    known["y"] = known["x"]
    weights = weigh("ranked", ballots, Grounds(evidence=known, comparisons=words))
    assert weights[0] > weights[1]


def test_bradley_terry_finds_the_strengths_that_made_the_wins():
    """Wins in the expected proportions of strengths 4 : 2 : 1, so often that the ties vanish."""
    true = {"a": 4, "b": 2, "c": 1}
    wins = {(i, j): 10**12 * true[i] // (true[i] + true[j]) for i in true for j in true if i != j}
    found = strengths_ppm(list(true), wins)
    assert found["a"] == FULL_WEIGHT
    assert abs(found["b"] - 500_000) < 50
    assert abs(found["c"] - 250_000) < 50
    assert strengths_ppm(["a"], {}) == {"a": FULL_WEIGHT}


@pytest.mark.parametrize("rule", RULES)
def test_no_rule_stumbles_over_an_empty_vote(rule):
    assert weigh(rule, [], Grounds()) == []
