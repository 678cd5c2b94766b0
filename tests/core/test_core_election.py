"""Who is elected when little is known, and when more is known."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from symphony.core.beacon.election import Elsewhere, rank, score
from symphony.core.beacon.expectation import Evidence
from symphony.core.ids import EntryId, NodeId, UnitId
from symphony.core.records import Candidate, Capability, Requirement, Skill

WANTED = "add and multiply numbers"
MATHS, SIMILAR, CODER = "add multiply numbers", "add numbers", "add lines of code"
"""Of the wanted words they offer all three, two, and one."""
UNITS = st.binary(min_size=16, max_size=16).map(UnitId)


def bids(unit: UnitId, *agents: Any) -> list[Candidate]:
    """Agents are (skill, counts); each has a node of its own, with a free slot."""
    needs = Requirement("solve", WANTED, "swarm", 0)
    found = []
    for at, (skill, seen) in enumerate(agents):
        node = NodeId(bytes([at]) * 32)
        capability = Capability(
            agent="agent",
            roles=("solve",),
            skills=(Skill("skill", skill),),
            model="model",
            lineage=str(at),
            engine="scripted",
            context_tokens=4096,
            concurrency=1,
            privacy=("swarm",),
            manifest=bytes(32),
        )
        points = score("learned", unit, node, capability, needs, seen)
        found.append(Candidate(node, "agent", node, points, 1, seen))
    return found


def order(
    unit: UnitId, found: list[Candidate], owners: frozenset[bytes] = frozenset()
) -> list[int]:
    lineages = {EntryId(bid.capability): str(at) for at, bid in enumerate(found)}
    ranked = rank("learned", unit, found, lineages, Elsewhere(owners=owners))
    return [bid.owner[0] for bid in ranked]


@given(UNITS)
def test_among_those_of_whom_nothing_is_known_match_decides(unit):
    found = bids(unit, (CODER, None), (MATHS, None), (SIMILAR, None))
    assert order(unit, found) == [1, 2, 0]


@given(UNITS, st.integers(0, 2))
def test_a_poor_match_gets_nothing_while_a_better_one_is_free_and_untried_or_little_tried(unit, at):
    """Not even if the better one has another chain of the task already, and was wrong once."""
    seen = (None, (1_000, 1_400, 1_000, 0), (1_400, 1_000, 1_000, 0))[at]
    found = bids(unit, (CODER, None), (MATHS, seen))
    assert order(unit, found, frozenset({found[1].owner}))[0] == 1


def test_who_is_known_to_be_good_has_most_of_the_work_and_newcomers_some():
    known = Evidence(right=14_000, wrong=6_000, kept=20_000).counts
    firsts = []
    for number in range(400):
        unit = UnitId(number.to_bytes(16, "big"))
        firsts.append(order(unit, bids(unit, (MATHS, known), (MATHS, None)))[0])
    assert 0.1 < firsts.count(1) / len(firsts) < 0.5


def test_of_many_known_liars_none_is_lucky_beside_one_that_is_good():
    """With a draw for each bidder, the luckiest of eight would have one unit in five."""
    liar = Evidence(right=1_000, wrong=5_000, kept=8_000).counts
    good = Evidence(right=14_000, wrong=6_000, kept=20_000).counts
    for number in range(200):
        unit = UnitId(number.to_bytes(16, "big"))
        assert order(unit, bids(unit, *[(WANTED, liar)] * 8, (SIMILAR, good)))[0] == 8
