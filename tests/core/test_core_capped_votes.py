"""Caps under the rules whose weights are the ballots' own: exact stops hold whoever comes."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from symphony.core.votes.settling import Ballots, Cast, settle
from symphony.core.weighing import FULL_WEIGHT, Caps, CastBallot, Grounds, weigh

GROUNDS = Grounds(caps=Caps())
PARTY = st.tuples(st.sampled_from("ABCD"), st.sampled_from(["", "", "o"]), st.sampled_from("qrs"))
MATCHES = (0, 300_000, FULL_WEIGHT)
OFTEN = (300_000, *[FULL_WEIGHT] * 4)
SAID = st.tuples(st.sampled_from("xxxxxy"), PARTY, st.sampled_from(OFTEN))  # so that many are exact


def cast(chain: int, key: str, party: tuple[str, str, str], match: int = FULL_WEIGHT) -> Cast:
    node, operator, lineage = party
    return Cast(CastBallot(chain, key, node, node, operator, lineage, match), key)


def ends(chains, voted, more):
    """How the vote ends when these ballots come, too."""
    return settle("match", Ballots(chains, (*voted, *more), 0, chains), 0, GROUNDS).classes


def is_safe(now, classes) -> bool:
    """Is the leader still ahead of all others?"""
    return classes[0].key == now and (len(classes) == 1 or classes[0].weight > classes[1].weight)


@settings(max_examples=60)
@given(st.lists(SAID, min_size=2, max_size=4))
def test_a_last_chain_of_unknown_owner_can_not_turn_an_exact_vote(said) -> None:
    voted = tuple(cast(at, *item) for at, item in enumerate(said))
    chains = len(voted) + 1
    now = settle("match", Ballots(chains, voted, 1, chains - 1), 0, GROUNDS)
    if now.state != "exact":
        return
    leader = now.classes[0].key
    assert is_safe(leader, ends(chains, voted, ()))
    parties = product([*"ABCD", "new"], ["", "o", "new"], [*"qrs", "new"])
    for party, key, match in product(parties, "xyz", MATCHES):
        last = cast(chains - 1, key, party, match)
        assert is_safe(leader, ends(chains, voted, (last,)))


@settings(max_examples=60)
@given(st.lists(SAID, min_size=2, max_size=5), st.lists(PARTY, min_size=1, max_size=2))
def test_chains_of_known_owners_can_not_turn_an_exact_vote(said, out) -> None:
    voted = tuple(cast(at, *item) for at, item in enumerate(said))
    chains = len(voted) + len(out)
    awaited = tuple(cast(len(voted) + at, "", party).ballot for at, party in enumerate(out))
    now = settle("match", Ballots(chains, voted, len(out), len(voted), awaited), 0, GROUNDS)
    if now.state != "exact":
        return
    for answers in product([None, *product("xyz", MATCHES)], repeat=len(out)):
        more = [
            cast(len(voted) + at, answer[0], out[at], answer[1])
            for at, answer in enumerate(answers)
            if answer is not None
        ]
        assert is_safe(now.classes[0].key, ends(chains, voted, more))


def state(chains, parties, awaited=()):
    voted = tuple(cast(at, "x", (*party, "", "q")[:3]) for at, party in enumerate(parties))
    out = tuple(cast(len(voted), "", (party, "", "q")).ballot for party in awaited)
    known = Ballots(chains, voted, chains - len(voted), len(voted), out)
    return settle("majority", known, 0, GROUNDS).state


def test_two_nodes_of_three_settle_a_vote_and_one_node_alone_does_not() -> None:
    assert state(3, [("A", ""), ("B", "")]) == "exact"
    assert state(3, [("A", ""), ("A", "")]) == "open"  # a lone ballot elsewhere would be level
    assert state(3, [("A", "o"), ("B", "o")]) == "open"  # of one operator
    assert state(3, [("A", ""), ("A", "")], "A") == "exact"
    five = [(name, "") for name in "ABCDE"]
    assert state(9, five) == "open"  # four unknown ones may be of one node, or of new lineages
    assert state(9, five, "FGHI") == "exact"


@settings(max_examples=60)
@given(st.lists(SAID, min_size=1, max_size=9))
def test_no_party_holds_more_than_its_cap_of_the_ballots(said) -> None:
    """Unless one ballot alone does, or nobody else votes; each cap as the last one leaves it."""
    ballots = [cast(at, key, party).ballot for at, (key, party, _) in enumerate(said)]
    weights = weigh("majority", ballots, GROUNDS)
    total = sum(weights)
    for lineage in {ballot.lineage for ballot in ballots}:
        members = [w for w, b in zip(weights, ballots, strict=True) if b.lineage == lineage]
        alone = len(members) == len(ballots)
        assert alone or len(members) == 1 or sum(members) * 3 <= max(2 * total, 3 * FULL_WEIGHT)
