"""What asking on would bring: when a vote is not worth its rest.

A divided pool can't be certified before nearly all have been asked, by no rule of level α. But most
of those calls change nothing. So beside the certificate there is a stop that claims nothing: the
vote is left as it stands when asking everybody is expected to win the answer less than `WORTH_PPM`
of all votes.

How the rest will vote is guessed from how it went so far, by Hoppe's urn (1984): after n ballots
the next is for an answer with k of them with chance k / (n + 1), for a new one with 1 / (n + 1).
Asking all of the rest lets the largest class win instead of the one that leads now; so it wins

    (E [votes of the largest class at the end] - E [votes of the leader's]) / N

of all N votes. The second expectation is k (N + 1) / (n + 1). The first is counted over all ways
that the urn can go, classes as a partition of n; in integers, over the common denominator
(n + 1) (n + 2) … N.

If answers are right about as often as their share of the votes says, this is the accuracy that a
stop gives up. `WORTH_PPM` bounds it for *each* vote that ends so, and thereby for any mix of
questions: while no more than three of five votes are left divided, less than half a point in all. A
price per call would bound nothing: it ends votes that are far from over (two to one) as soon as
there is much left to save, and these are where accuracy is lost.

It is not used while the next ballot is more likely than not to end the vote with a certificate, or
for good: whoever sets a level wants to know. What it saves and costs on the recorded pools is in
docs/evaluation.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from math import prod

from symphony.core.weighing.stopping import WHOLE, certify

WORTH_PPM = 8_000
"""Of all votes. Of nine: three to one may yet turn, three to one and one is left as it is."""
EVEN_PPM = 750_000
"""(Σ w)² / n Σ w² of weights that are about even: as if a quarter of the votes were blank."""
LEAST_BALLOTS = 3  # two say nothing of how a pool divides


def even(weights: Sequence[int]) -> bool:
    """Are these weights so even that heads decide?"""
    total, squares = sum(weights), sum(weight * weight for weight in weights)
    return total * total * WHOLE >= EVEN_PPM * len(weights) * squares


def enough(draws: Sequence[str | None], pool: int, leader: str, alpha_ppm: int) -> bool:
    """Is it not worth while to ask the rest of a pool? `leader` is the answer that would be given.

    Not as long as the next ballot may well be for it, and would certify it or be the last needed.
    """
    heads = Counter(key for key in draws if key is not None)
    left = pool - len(draws)
    if 2 * heads[leader] >= sum(heads.values()) + 1:
        others = max((count for key, count in heads.items() if key != leader), default=0)
        last_needed = heads[leader] + 1 - others > left - 1
        if last_needed or certify([*draws, leader], pool, alpha_ppm).key == leader:
            return False
    return not worth_asking(list(heads.values()), heads[leader], left)


def worth_asking(counts: Sequence[int], leader: int, left: int) -> bool:
    """Is the rest of a vote worth its calls? `counts` are the ballots of each answer, `leader` is
    how many of them the answer has that leads.
    """
    cast = sum(counts)
    if cast < LEAST_BALLOTS or not left:
        return bool(left)
    scale = prod(range(cast + 1, cast + left + 1))
    gain = _largest(tuple(sorted(counts, reverse=True)), left)
    gain -= leader * (cast + left + 1) * scale // (cast + 1)
    return gain * WHOLE >= WORTH_PPM * (cast + left) * scale


@lru_cache(maxsize=8192)
def _largest(counts: tuple[int, ...], left: int) -> int:
    """The expected size of the largest class at the end, times the denominator."""
    if not left:
        return counts[0]
    total = _largest((*counts, 1), left - 1)
    at = 0
    while at < len(counts):
        size = counts[at]
        same = counts.count(size)
        more = (*counts[:at], size + 1, *counts[at + 1 :])
        total += size * same * _largest(more, left - 1)  # the first of equals: still in order
        at += same
    return total
