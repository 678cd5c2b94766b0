"""Does a vote stand, whoever casts the ballots that are still out? Under `match` and `majority`.

With caps a further ballot can do more than add its weight to an answer: on the node of two others
it takes from theirs, on a new node it gives weight back to a party that was capped. So each way in
which the rest may come is tried: ballots whose owners are known (`awaited`) are cast or fail, each
for the answer that comes next. The last one of unknown owner, where but one is out, may be of any
node, operator and lineage that has voted, or of new ones, and weighs as much as a ballot can: caps
count ballots here, so a lighter one would leave all others as they are. More than that is not
tried, and such a vote goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product

from symphony.core.weighing.ballots import FULL_WEIGHT, CastBallot
from symphony.core.weighing.caps import Caps
from symphony.core.weighing.rules import heads

MOST_AWAITED = 7  # 128 ways: of sixteen chains nine can settle it
MOST_PARTIES = 128  # ways to be a party of this vote: three ballots that share nothing have 64


def stands(
    cast: Sequence[CastBallot],
    own: Sequence[int],
    awaited: Sequence[CastBallot],
    outstanding: int,
    caps: Caps,
) -> bool:
    """Is the answer that leads ahead of all others in every way in which the rest may come? `own`
    are the weights of the ballots without caps.
    """
    sums = _sums(cast, own)
    ahead = sorted(sums.values(), reverse=True)
    if not cast or ahead[0] <= sum(ahead[1:2]) + outstanding * FULL_WEIGHT:
        return False  # not even without caps
    leader = max(sums, key=lambda key: sums[key])
    return all(_leads(leader, cast, own, more, caps) for more in _ways(cast, awaited, outstanding))


def _ways(
    cast: Sequence[CastBallot], awaited: Sequence[CastBallot], outstanding: int
) -> Iterator[Sequence[CastBallot] | None]:
    """The ballots that may yet be cast; None where that can't be told."""
    yield ()
    if len(awaited) == outstanding <= MOST_AWAITED:
        for count in range(1, outstanding + 1):
            yield from combinations(awaited, count)
        return
    nodes = {"", *(ballot.node for ballot in cast)}  # of nobody: a new one counts the same
    operators = {"", *(ballot.operator for ballot in cast)}
    lineages = {"", *(ballot.lineage for ballot in cast)}
    if outstanding > 1 or len(nodes) * len(operators) * len(lineages) > MOST_PARTIES:
        yield None
        return
    for node, operator, lineage in product(nodes, operators, lineages):
        yield [CastBallot(-1, "", "", node, operator, lineage)]


def _leads(
    leader: str,
    cast: Sequence[CastBallot],
    own: Sequence[int],
    more: Sequence[CastBallot] | None,
    caps: Caps,
) -> bool:
    if more is None:
        return False
    shares = heads([*cast, *more], caps)
    counted = [weight * share // FULL_WEIGHT for weight, share in zip(own, shares, strict=False)]
    sums = _sums(cast, counted)
    lead = sums.pop(leader)
    return lead > max(sums.values(), default=0) + sum(shares[len(cast) :])


def _sums(cast: Sequence[CastBallot], weights: Sequence[int]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for ballot, weight in zip(cast, weights, strict=True):
        sums[ballot.key] = sums.get(ballot.key, 0) + weight
    return sums
