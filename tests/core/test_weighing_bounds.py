"""Caps, echoes and effective votes: what being many, or being alike, is worth."""

from hypothesis import given, settings
from hypothesis import strategies as st

from symphony.core.weighing import (
    FULL_WEIGHT,
    NO_CAPS,
    Agreement,
    Caps,
    CastBallot,
    Evidence,
    Grounds,
    effective_milli,
    weigh,
)
from symphony.core.weighing.caps import capped
from symphony.core.weighing.resemblance import pair


def agents(*names: str, node=None, lineage=""):
    return [
        CastBallot(at, "a", name, node or f"node of {name}", "", lineage)
        for at, name in enumerate(names)
    ]


@settings(max_examples=80)
@given(
    st.lists(st.tuples(st.integers(1, 10**6), st.sampled_from(["", "x", "y", "z"])), max_size=9),
    st.integers(1, 999_999),
)
def test_a_party_holds_its_share_or_its_heaviest_ballot(ballots, share):
    weights, parties = [w for w, _ in ballots], [p for _, p in ballots]
    after = capped(weights, parties, share)
    assert all(new <= old for new, old in zip(after, weights, strict=True))
    for party in {"x", "y", "z"} & set(parties):
        members = [at for at, name in enumerate(parties) if name == party]
        others = sum(weights) - sum(weights[at] for at in members)
        if others:
            allowed = max(others * share / (10**6 - share), *(weights[at] for at in members))
            assert sum(after[at] for at in members) <= allowed
    assert [after[at] for at, p in enumerate(parties) if not p] == [
        weights[at] for at, p in enumerate(parties) if not p
    ]


def test_ten_keys_on_one_node_do_not_outvote_two_others():
    ballots = agents(*"abcdefghij", node="one") + agents("k", "l")
    weights = weigh("majority", ballots, Grounds(caps=Caps()))
    assert sum(weights[:10]) <= sum(weights[10:])


def test_caps_leave_a_single_strong_agent_and_a_lonely_party_alone():
    assert capped([1_000_000, 1_000], ["x", "y"], 500_000) == [1_000_000, 1_000]
    assert capped([5, 5, 5], ["x", "x", "x"], 500_000) == [5, 5, 5]
    assert capped([5, 5], ["x", "x"], None) == [5, 5]
    assert Caps(None, None, None) == NO_CAPS


def history(together, **agreed: int):
    """`ab=90` says that a and b agreed 90 times of `together`."""
    return {
        pair(names[0], names[1]): Agreement(together * 1000, count * 1000)
        for names, count in agreed.items()
    }


def test_copies_weigh_together_as_much_as_one():
    """d and e copy c; all five are equally good."""
    known = dict.fromkeys("abcde", Evidence(70_000, 30_000))
    seen = history(
        200, ab=120, ac=120, bc=120, ad=120, bd=120, ae=120, be=120, cd=200, ce=200, de=200
    )
    weights = weigh("reliability", agents(*"abcde"), Grounds(evidence=known, agreement=seen))
    assert weights[0] == weights[1] == FULL_WEIGHT
    assert 0.9 * FULL_WEIGHT < sum(weights[2:]) < 1.3 * FULL_WEIGHT


def test_usual_agreement_costs_nothing():
    known = dict.fromkeys("abc", Evidence(70_000, 30_000))
    seen = history(200, ab=130, bc=125, ac=128)
    weights = weigh("reliability", agents(*"abc"), Grounds(evidence=known, agreement=seen))
    assert weights == [FULL_WEIGHT] * 3


def test_an_echo_takes_little_from_the_strong_agent_it_echoes():
    known = {"a": Evidence(90_000, 10_000), "b": Evidence(30_000, 70_000)}
    known |= {"c": Evidence(32_000, 68_000), "d": Evidence(31_000, 69_000)}
    seen = history(100, ab=95, ac=35, ad=35, bc=35, bd=35, cd=35)
    alone = weigh("reliability", agents(*"abcd"), Grounds(evidence=known))
    weights = weigh("reliability", agents(*"abcd"), Grounds(evidence=known, agreement=seen))
    assert weights[0] > 0.95 * alone[0]
    assert weights[1] < alone[1]


def test_effective_votes():
    grounds = Grounds()
    five = agents(*"abcde")
    assert effective_milli(five, [FULL_WEIGHT] * 5, grounds) == 2272  # 5 / (1 + 4 · 0.3)
    assert effective_milli(five[:1], [FULL_WEIGHT], grounds) == 1000
    assert effective_milli(five, [FULL_WEIGHT, 0, 0, 0, 0], grounds) == 1000
    assert effective_milli([], [], grounds) == 0
    family = agents(*"abcde", lineage="llama")
    assert effective_milli(family, [FULL_WEIGHT] * 5, grounds) == 1470


def test_effective_votes_learn_from_history():
    known = dict.fromkeys("ab", Evidence(50_000_000, 50_000_000))
    two = agents("a", "b")
    copies = Grounds(evidence=known, agreement=history(100_000, ab=100_000))
    strangers = Grounds(evidence=known, agreement=history(100_000, ab=27_500))
    assert effective_milli(two, [5, 5], copies) <= 1001
    assert effective_milli(two, [5, 5], strangers) == 2000


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["", "l", "m"]), st.integers(0, 10**6)),
        max_size=8,
    )
)
def test_effective_votes_lie_between_one_and_the_number_of_ballots(cast):
    ballots = [CastBallot(at, "k", a, "n", "", lin) for at, (a, lin, _) in enumerate(cast)]
    weights = [weight for _, _, weight in cast]
    worth = effective_milli(ballots, weights, Grounds())
    assert worth == 0 if not sum(weights) else 999 <= worth <= len(cast) * 1000
