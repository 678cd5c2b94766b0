"""How well an agent fits, and who is elected: integers, bounds, and rules of order."""

from math import sqrt
from typing import get_args

import pytest
from core_stage import capability
from hypothesis import given
from hypothesis import strategies as st

from symphony.core.beacon.election import Elsewhere, bucket, chain_of, rank, score, used_elsewhere
from symphony.core.beacon.match import cosine_ppm, eligible, match, shared_words_ppm
from symphony.core.records import Candidate, Requirement, Selection, Skill

VECTOR = st.binary(min_size=384, max_size=384)
ZERO = bytes(384)
ONE = bytes([1]) + bytes(383)
UNIT = b"u" * 16


@given(VECTOR, VECTOR)
def test_a_cosine_is_symmetric_and_bounded(left, right):
    assert cosine_ppm(left, right) == cosine_ppm(right, left)
    assert 0 <= cosine_ppm(left, right) <= 1_000_000


@given(VECTOR, VECTOR)
def test_a_cosine_is_what_floats_say_to_a_few_parts_per_million(left, right):
    a, b = memoryview(left).cast("b").tolist(), memoryview(right).cast("b").tolist()
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    norms = sqrt(sum(x * x for x in a)) * sqrt(sum(y * y for y in b))
    expected = max(0.0, dot / norms) if norms else 0.0
    assert abs(cosine_ppm(left, right) - expected * 1_000_000) <= 5 + 2_000_000 / (norms or 1)


@given(VECTOR)
def test_a_vector_fits_itself_completely(vector):
    assert cosine_ppm(vector, vector) == (1_000_000 if any(vector) else 0)


def test_edges_of_the_cosine():
    opposite = bytes([255]) + bytes(383)
    assert cosine_ppm(ZERO, ONE) == cosine_ppm(ZERO, ZERO) == cosine_ppm(ONE, opposite) == 0


@pytest.mark.parametrize(
    ("offered", "wanted", "ppm"),
    [
        ("math adds numbers", "math", 1_000_000),
        ("math adds numbers", "adding things with MATH", 333_333),
        ("math", "the of and", 0),
        ("", "math", 0),
    ],
)
def test_without_vectors_shared_words_count(offered, wanted, ppm):
    assert shared_words_ppm(offered, wanted) == ppm


def test_vectors_count_only_between_the_same_encoders():
    skill = Skill("x", "y", ONE)
    wanted = {"role": "solve", "skill": "z", "privacy": "swarm", "context_tokens": 1}
    requirement = Requirement(**wanted, vector=ONE, encoder="e1")
    assert match(capability(skills=(skill,), encoder="e1"), requirement) == 1_000_000
    assert match(capability(skills=(skill,), encoder="e2"), requirement) == 0
    assert match(capability(skills=(skill,)), Requirement(**wanted)) == 0


def test_the_best_skill_of_an_agent_counts():
    skills = (Skill("poems", "writes"), Skill("math", "adds"))
    requirement = Requirement("solve", "math", "swarm", 1)
    assert match(capability(skills=skills), requirement) == 1_000_000


@pytest.mark.parametrize(
    ("changes", "may"),
    [
        ({}, True),
        ({"withdrawn": True}, False),
        ({"roles": ("plan",)}, False),
        ({"privacy": ("open",)}, False),
        ({"context_tokens": 100}, True),
        ({"context_tokens": 99}, False),
    ],
)
def test_eligibility(changes, may):
    assert eligible(capability(**changes), Requirement("solve", "x", "swarm", 100)) is may


CANDIDATE = st.builds(
    Candidate,
    owner=st.binary(min_size=32, max_size=32),
    agent=st.sampled_from(("solver", "helper")),
    capability=st.sampled_from([bytes([n]) * 32 for n in range(4)]),
    score=st.integers(0, 1_000_000),
    free=st.integers(0, 3),
)
QWEN = Elsewhere(lineages=frozenset({"qwen"}))
LINEAGES = {bytes([n]) * 32: name for n, name in enumerate(("smol", "qwen", "gemma", "smol"))}


@given(st.lists(CANDIDATE, max_size=8, unique_by=lambda c: (c.owner, c.agent)), st.randoms())
def test_an_election_does_not_depend_on_the_order_of_the_bids(candidates, random):
    shuffled = candidates.copy()
    random.shuffle(shuffled)
    for selection in get_args(Selection):
        order = rank(selection, UNIT, candidates, LINEAGES, QWEN)
        assert rank(selection, UNIT, shuffled, LINEAGES, QWEN) == order


def bidder(number, *, score_ppm=500_000, free=1, lineage=0):
    return Candidate(bytes([number]) * 32, "solver", bytes([lineage]) * 32, score_ppm, free)


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        (bidder(1, score_ppm=0, free=1), bidder(2, score_ppm=1_000_000, free=0)),  # a free slot
        (bidder(1, score_ppm=600_000), bidder(2, score_ppm=500_000)),  # then the score's bucket
        (bidder(1, lineage=0), bidder(2, lineage=1)),  # then a lineage nobody uses yet
        (bidder(1, free=3), bidder(2, free=2)),  # then more free slots
    ],
)
def test_rules_of_order(winner, loser):
    for pair in ((winner, loser), (loser, winner)):
        assert rank("match", UNIT, pair, LINEAGES, QWEN)[0] == winner


def test_inside_a_bucket_the_last_percent_wins_nothing():
    firsts = set()
    for number in range(40):
        unit = bytes([number]) * 16
        pair = (bidder(1, score_ppm=510_000), bidder(2, score_ppm=505_000))
        firsts.add(rank("match", unit, pair, LINEAGES, Elsewhere())[0].owner)
    assert len(firsts) == 2


@given(st.integers(0, 1_000_000))
def test_buckets(ppm):
    assert bucket(ppm) == min(15, ppm * 16 // 1_000_000)


def test_random_selection_is_a_fixed_draw_per_unit_and_agent():
    requirement = Requirement("solve", "x", "swarm", 1)
    draws = {
        score("random", bytes([n]) * 16, bytes(32), capability(), requirement) for n in range(50)
    }
    assert len(draws) == 50
    assert all(0 <= draw <= 1_000_000 for draw in draws)


def test_lineages_of_the_other_chains():
    assert chain_of("step/12/s1") == 12
    latest = {0: ("smol", b"a"), 1: ("qwen", b"b"), 2: ("smol", b"c")}
    assert used_elsewhere(1, latest) == Elsewhere(frozenset({"smol"}), frozenset({b"a", b"c"}))


def test_a_second_chain_goes_to_another_owner_unless_the_first_is_far_better():
    used = Elsewhere(owners=frozenset({bidder(1).owner}))
    for second_ppm, winner in ((800_000, 2), (500_000, 1)):
        pair = (bidder(1, score_ppm=900_000), bidder(2, score_ppm=second_ppm))
        assert rank("learned", UNIT, pair, LINEAGES, used)[0].owner == bidder(winner).owner
        assert rank("match", UNIT, pair, LINEAGES, used)[0].owner == bidder(1).owner


def test_learned_scores_are_put_into_buckets_relative_to_the_best():
    """A tenth is a bucket apart, also where all scores are small."""
    for unit in (bytes([n]) * 16 for n in range(20)):
        pair = (bidder(1, score_ppm=10_000), bidder(2, score_ppm=9_000))
        assert rank("learned", unit, pair, LINEAGES, Elsewhere())[0].owner == bidder(1).owner
