"""What ballots say of those that cast them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.core.beacon.judging import judgements
from symphony.core.records import Ballot

A, B, C = (letter * 32 for letter in (b"a", b"b", b"c"))


def judged(*votes: Any, answer_type="number", rates=None):
    """Votes are (owner, answer); owners are right half of the time unless `rates` says more."""
    ballots = [
        Ballot(chain, bytes(32), owner, "solver", "math", answer.encode() * 32, 1)
        for chain, (owner, answer) in enumerate(votes)
    ]
    known = rates or {}
    found = judgements(ballots, answer_type, lambda ballot: known.get(ballot.owner, 500_000))
    return [found.get(chain, 0) for chain in range(len(votes))]


def test_two_that_agree_are_right_and_the_third_is_wrong():
    first, second, third = judged((A, "x"), (B, "x"), (C, "y"))
    assert first == second > 300
    assert third < -500


def test_three_that_differ_count_against_each():
    assert all(-700 < signed < -200 for signed in judged((A, "x"), (B, "y"), (C, "z")))


def test_a_good_name_weighs_more_for_others_and_nothing_for_itself():
    rates = {A: 900_000}
    known, other = judged((A, "x"), (B, "y"), rates=rates)
    assert other < -800
    assert known == judged((A, "x"), (B, "y"))[0]


def test_a_bad_name_convicts_but_not_against_a_good_one_that_agrees():
    alone = judged((A, "x"), (B, "y"), (C, "z"), rates={A: 200_000})[0]
    assert alone < judged((A, "x"), (B, "y"), (C, "z"))[0] - 200
    assert judged((A, "x"), (B, "x"), (C, "x"), rates={A: 200_000, B: 800_000})[0] > 800


def test_liars_that_are_known_as_such_go_on_losing_their_names_among_themselves():
    """Else they would vote for ever: each other's ballots say nothing against them."""
    rates = dict.fromkeys((A, B, C), 250_000)
    assert all(signed < -250 for signed in judged((A, "x"), (B, "y"), (C, "z"), rates=rates))


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ([(A, "x")], [0]),  # alone
        ([(A, "x"), (A, "x")], [0, 0]),  # agreeing with oneself
        ([(A, "x"), (A, "x"), (A, "y")], [0, 0, -1000]),  # contradicting oneself
    ],
)
def test_one_owner_says_little_about_itself(votes, expected):
    assert judged(*votes) == expected


def test_texts_that_differ_prove_nothing():
    first, second, third = judged((A, "x"), (B, "x"), (C, "y"), answer_type="text")
    assert first == second > 0
    assert third == 0


VOTES = st.lists(st.tuples(st.sampled_from([A, B, C]), st.sampled_from("xyz")), max_size=16)


@given(VOTES, st.integers(0, 1_000_000), st.randoms())
def test_judgements_are_bounded_and_do_not_depend_on_the_order(votes, rate, random):
    rates = {A: rate}
    found = judged(*votes, rates=rates)
    assert all(-1000 <= signed <= 1000 for signed in found)
    order = list(range(len(votes)))
    random.shuffle(order)
    assert judged(*(votes[at] for at in order), rates=rates) == [found[at] for at in order]
