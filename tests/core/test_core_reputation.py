"""Reputation: a function of entries and a moment, whatever order they came in."""

from dataclasses import replace
from random import Random

import pytest
from core_evidence import T0_MS, probe, said, verdict
from hypothesis import given
from hypothesis import strategies as st

from ledger import Entry, Kind
from symphony.core.votes.evidence import MAX_OF_AUTHOR_MILLI, Counts, faded
from symphony.core.votes.evidence_book import EvidenceBook
from symphony.core.votes.grounds import agent_key, agreement_of, grounds_of
from symphony.core.votes.reputation import (
    EXCLUDED_MS,
    REPUTATION,
    lower_bound_ppm,
    reputation,
    upper_bound_ppm,
)
from symphony.core.weighing import Agreement, CastBallot, weigh
from symphony.core.weighing.resemblance import pair
from symphony.testing.signing import FastKeys

KEYS = FastKeys()
HOUR_MS = 3600 * 1000
WEEK_MS = 7 * 24 * HOUR_MS
SIGNERS = {
    name: KEYS.signer(name.encode().ljust(32, b".")) for name in ["ada", "bob", "cid", "dan", "eve"]
}
NODE = {name: signer.public for name, signer in SIGNERS.items()}


def probed(author: str, about: str, right: int, wrong: int = 0, *, at_ms: int = T0_MS) -> Entry:
    return probe(SIGNERS[author], NODE[about], right, wrong, at_ms=at_ms)


def voted(author: str, votes: str, *, at_ms: int = T0_MS) -> Entry:
    """A verdict on ballots "ada:x bob:y …"; the most frequent answer won."""
    pairs = [vote.split(":") for vote in votes.split()]
    return verdict(SIGNERS[author], [(NODE[name], answer) for name, answer in pairs], at_ms=at_ms)


def counts(entries: list[Entry], about: str, at_ms: int = T0_MS) -> tuple[int, int]:
    for row in reputation(entries, at_ms).standings:
        if row.node == NODE[about]:
            return row.right_milli, row.wrong_milli
    return 0, 0


SOME = st.lists(
    st.tuples(
        st.sampled_from(sorted(NODE)),
        st.sampled_from(sorted(NODE)),
        st.integers(0, 5),
        st.integers(0, 5),
        st.integers(0, 40 * 24),
    ).filter(lambda row: row[2] + row[3] > 0),
    max_size=12,
)


@given(SOME, st.integers(0, 2**32))
def test_the_order_of_entries_does_not_matter(rows, seed) -> None:
    entries = [probed(a, b, r, w, at_ms=T0_MS - h * HOUR_MS) for a, b, r, w, h in rows]
    entries += [voted("dan", "ada:x bob:x cid:y", at_ms=T0_MS - HOUR_MS)]
    shuffled = entries.copy()
    Random(seed).shuffle(shuffled)
    given_bytes = REPUTATION.encode(reputation(entries, T0_MS))
    assert REPUTATION.encode(reputation(shuffled, T0_MS)) == given_bytes


def test_probes_count_whole_and_votes_little() -> None:
    assert counts([probed("bob", "ada", 3, 1)], "ada") == (3000, 1000)
    votes = [voted("dan", "ada:x bob:x cid:y")]
    assert counts(votes, "ada") == (50, 0)
    assert counts(votes, "cid") == (0, 50)


@pytest.mark.parametrize("votes", ["ada:x bob:x", "ada:x bob:y cid:z"])
def test_votes_that_prove_no_agreement(votes: str) -> None:
    assert counts([voted("dan", votes)], "ada") == (0, 0)


def test_nobody_speaks_for_itself_and_no_author_decides_alone() -> None:
    assert counts([probed("ada", "ada", 9)], "ada") == (0, 0)
    loud = [probed("bob", "ada", 30, at_ms=T0_MS) for _ in range(4)]
    assert counts(loud, "ada") == (MAX_OF_AUTHOR_MILLI, 0)
    assert counts([*loud, probed("cid", "ada", 0, 5)], "ada") == (MAX_OF_AUTHOR_MILLI, 5000)


def test_forked_authors_are_left_out() -> None:
    entries = [probed("bob", "ada", 3)]
    assert reputation(entries, T0_MS, {NODE["bob"]}).standings == ()


@pytest.mark.parametrize(
    ("weeks", "left"), [(0, 1000), (1, 500), (2, 250), (3, 125), (4, 0), (-1, 0)]
)
def test_trials_fade_by_half_in_a_week_and_end_with_their_window(weeks: int, left: int) -> None:
    entry = probed("bob", "ada", 1, at_ms=T0_MS)
    assert counts([entry], "ada", T0_MS + weeks * WEEK_MS) == (left, 0)


@given(st.integers(0, 10**7), st.integers(0, 60 * 24), st.integers(0, 60 * 24))
def test_fading_only_falls(milli: int, hours: int, more: int) -> None:
    assert faded(milli, hours * HOUR_MS) >= faded(milli, (hours + more) * HOUR_MS) >= 0
    exact = milli * 2 ** (-hours / 168)
    assert exact - 2 <= faded(milli, hours * HOUR_MS) <= exact


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_bounds_hold_the_rate_between_them(right: int, wrong: int) -> None:
    known = Counts(right, wrong)
    mean = (right + 1000) * 10**6 // (right + wrong + 2000)
    assert 0 <= lower_bound_ppm(known) <= mean <= upper_bound_ppm(known) <= 10**6
    assert lower_bound_ppm(Counts(right + 1000, wrong)) >= lower_bound_ppm(known)


def test_a_newcomer_stands_at_the_floor() -> None:
    floor = lower_bound_ppm(Counts())
    assert floor < lower_bound_ppm(Counts(1000, 1000)) < lower_bound_ppm(Counts(9000, 1000))
    assert 20_000 < floor < 30_000


def test_the_breaker() -> None:
    bad = [probed("bob", "ada", 0, 7, at_ms=T0_MS), probed("cid", "ada", 0, 7, at_ms=T0_MS + 1)]
    day_ms = T0_MS + 1 + EXCLUDED_MS

    def state(entries: list[Entry], at_ms: int) -> str:
        return reputation(entries, at_ms).standings[0].state

    assert state(bad[:1], T0_MS) == "active", "too few to judge"
    assert state(bad, T0_MS + HOUR_MS) == "excluded"
    assert state(bad, day_ms) == "probe"
    better = [probed("dan", "ada", 2, 1, at_ms=day_ms), probed("bob", "ada", 2, at_ms=day_ms)]
    assert state([*bad, *better], day_ms) == "active"
    worse = [probed("dan", "ada", 1, 2, at_ms=day_ms), probed("bob", "ada", 0, 2, at_ms=day_ms)]
    assert state([*bad, *worse], day_ms) == "excluded"


def test_signed_nonsense_means_nothing_and_a_lost_body_is_told() -> None:
    nonsense = said(SIGNERS["bob"], Kind.PROBE, b"\xa0", T0_MS)
    assert reputation([nonsense], T0_MS).standings == ()
    lost = probed("bob", "ada", 1)
    found = reputation([replace(lost, body=None)], T0_MS)
    assert (found.entries, found.missing) == (0, 1)


def test_verdicts_show_who_votes_like_whom() -> None:
    votes = [voted("dan", "ada:x bob:x cid:y dan:x"), voted("dan", "ada:x bob:x cid:x dan:y")]
    agents = {(node, "solver") for node in NODE.values()}
    found = agreement_of(votes, agents, T0_MS)
    key = {name: agent_key(node, "solver") for name, node in NODE.items()}
    assert found[pair(key["ada"], key["bob"])] == Agreement(2000, 2000)
    assert found[pair(key["ada"], key["cid"])] == Agreement(2000, 1000)
    assert not any(key["dan"] in names for names in found), "not in its own verdicts"
    assert agreement_of(votes, agents, T0_MS + WEEK_MS)[pair(key["ada"], key["bob"])] == Agreement(
        1000, 1000
    )


def test_copies_weigh_no_more_than_one_of_them() -> None:
    history = [
        voted(author, "ada:x bob:x cid:y", at_ms=T0_MS + at)
        for author in ("dan", "eve")
        for at in range(8)
    ]
    told = [probed("dan", name, 8, 4, at_ms=T0_MS) for name in ("ada", "bob", "cid")]
    voters = [(NODE[name], "solver", "math") for name in ("ada", "bob", "cid")]
    grounds = grounds_of([*told, *history], voters, T0_MS + 12)
    ballots = [
        CastBallot(at, "", agent_key(node, agent), node.hex())
        for at, (node, agent, _) in enumerate(voters)
    ]
    ada, bob, cid = weigh("reliability", ballots, grounds)
    assert ada == bob
    assert ada < cid
    apart = grounds_of(told, voters, T0_MS + 12)
    assert len(set(weigh("reliability", ballots, apart))) == 1


def test_a_book_cites_what_speaks_of_the_voters() -> None:
    book = EvidenceBook(*NODE.values())
    early, late = probed("bob", "ada", 2, at_ms=T0_MS), probed("bob", "ada", 1, at_ms=T0_MS + 9)
    other = probed("bob", "cid", 5, at_ms=T0_MS)
    vote = voted("dan", "ada:x bob:x cid:y", at_ms=T0_MS + 5)
    for entry in (early, vote, other, late):
        book.learn(entry)
    voters = [(NODE["ada"], "solver", "math")]
    before = (T0_MS + 100) << 16
    assert book.cited(voters, before) == (late, early, vote)
    assert book.cited(voters, (T0_MS + 9) << 16) == (early, vote), "from before the task only"
    grounds = grounds_of([late, early], voters, T0_MS + 9)
    found = grounds.evidence[agent_key(NODE["ada"], "solver")]
    assert (found.right_milli, found.wrong_milli) == (3000, 0)
    elsewhere = grounds_of([late], [(NODE["ada"], "solver", "art")], T0_MS + 9)
    assert elsewhere.of(agent_key(NODE["ada"], "solver")).right_milli == 500
    book.drop(NODE["bob"])
    assert book.cited(voters, before) == (vote,)
