"""When a vote is certified at a level α, and in which order a pool is to be asked.

A pool of N voters, each with an answer of its own, is asked one after the other in an order that
is random to them. Certified is the answer that has most votes in the pool; and whatever the pool
holds, the probability is at most α that an answer is certified that another one outnumbers, and for
each answer that is level with another. It says that, and not that the answer is right.

The rule is a boundary fixed before the first ballot: the first answer that has B_n of the first n
draws is certified, so one may look after each draw, and stop (anytime-valid). With w of N voters
for an answer, H(w) is the chance that it ever reaches the boundary: a walk through an urn without
replacement, counted exactly. In a pool whose most frequent answer has m votes, the answers that
must not be certified have fewer, and at most N - m together; a level one has N / 2 at most. So

    risk = max (H(N / 2), max over m of max Σ H(w_i)),   w_i ≤ m - 1,  Σ w_i ≤ N - m

bounds the chance of a false certificate over all pools, several false answers and voters without
an answer included. The boundary is made from the front: B_1, B_2, … are each as low as leaves the
risk at α. Of nine voters three alike then certify at 5 % (risk 4.8 %), where the exact stop needs
five. No rule of level α does much better: docs/evaluation.md has the bound.

What is told of a certificate is E = 1 / risk: an e-value, of the bet that puts everything on "no
wrong answer reaches the boundary".

Draws must be given in the order in which they were *drawn*, not in which they came back: fast
answers are not random ones. A draw that ended without an answer is a draw for nobody.

Chance is needed only while less than half of the pool can reach the boundary (`any_order`): of nine
voters at 5 %, until one of the first three dissents. From there on the best may be asked first.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb
from typing import Literal

WHOLE = 1_000_000
SURE = 10**12  # probabilities are counted in units of 1 / SURE, rounded up
MOST = 2**32 - 1  # a count in a record


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the draws allow to say. `e_milli` is the e-value against "another answer has as many
    votes", in thousandths; 0 where nothing was certified.
    """

    state: Literal["open", "certified"]
    key: str | None = None
    e_milli: int = 0


OPEN = Certificate("open")


@dataclass(frozen=True, slots=True)
class Boundary:
    """`alike[n - 1]` of the first n draws must be for one answer; more than n where none can be
    enough. `risk` bounds the chance that a wrong answer gets there, in units of 1 / SURE.
    """

    alike: tuple[int, ...]
    risk: int


def certify(draws: Sequence[str | None], pool: int, alpha_ppm: int) -> Certificate:
    """What the draws so far, of a pool of so many voters, allow to say at a level. `draws` holds
    the class of each voter's answer; None is no answer.
    """
    assert 0 <= alpha_ppm < WHOLE
    assert len(draws) <= pool
    if not alpha_ppm:
        return OPEN
    boundary = boundary_for(pool, alpha_ppm)
    counts: dict[str, int] = {}
    for needed, key in zip(boundary.alike, draws, strict=False):
        if key is None:
            continue
        counts[key] = counts.get(key, 0) + 1
        if counts[key] >= needed:
            return Certificate("certified", key, _e_milli(boundary.risk))
    return OPEN


def _e_milli(risk: int) -> int:
    """1 / risk in thousandths; where nothing can go wrong, as much as a record holds."""
    return min(MOST, 1000 * SURE // risk) if risk else MOST


@lru_cache(maxsize=256)
def boundary_for(pool: int, alpha_ppm: int) -> Boundary:
    """The boundary of a pool at a level."""
    alike: list[int] = []
    walks = [_Walk(pool, votes) for votes in range(pool // 2 + 1)]
    risk = 0
    for count in range(1, pool + 1):
        lowest = alike[-1] if alike else 1  # fewer of more draws would say less
        for needed in range(lowest, count + 2):
            further = [walk.further(needed) for walk in walks]
            reach = [walk.reached for walk in further]
            risk = max(reach[-1], _worst(reach, pool))
            if risk * WHOLE <= alpha_ppm * SURE:
                alike.append(needed)
                walks = further
                break
    return Boundary(tuple(alike), risk)


@dataclass(frozen=True, slots=True)
class _Walk:
    """The draws of a pool in which one answer has `votes` votes, up to a boundary.

    `alive` counts, by votes seen, the orders of draws that have not reached it after `count`;
    `hits` all orders of the whole pool that have.
    """

    pool: int
    votes: int
    count: int = 0
    alive: tuple[int, ...] = (1,)
    hits: int = 0

    def further(self, needed: int) -> _Walk:
        """One draw on, with so many of one kind needed by then."""
        count, hits = self.count + 1, self.hits
        alive = [0] * (count + 1)
        for seen, ways in enumerate(self.alive):
            alive[seen] += ways
            alive[seen + 1] += ways
        for seen in range(needed, count + 1):
            rest = self.votes - seen
            if 0 <= rest <= self.pool - count:
                hits += alive[seen] * comb(self.pool - count, rest)
            alive[seen] = 0
        return _Walk(self.pool, self.votes, count, tuple(alive), hits)

    @property
    def reached(self) -> int:
        """H: the chance to reach it, in units of 1 / SURE, rounded up."""
        return -(-self.hits * SURE // comb(self.pool, self.votes))


def _worst(reach: Sequence[int], pool: int) -> int:
    """The chance of any answer that another one outnumbers, `reach[w]` being H(w), where the votes
    are divided as badly as can be.
    """
    worst = 0
    for most in range(1, pool + 1):
        best = [0] * (pool - most + 1)
        for left in range(1, pool - most + 1):
            sizes = range(1, min(most - 1, left, len(reach) - 1) + 1)
            best[left] = max((reach[size] + best[left - size] for size in sizes), default=0)
        worst = max(worst, best[-1])
    return worst


def any_order(draws: Sequence[str | None], pool: int, alpha_ppm: int) -> bool:
    """May the rest of a pool be asked in any order? Yes, once nothing is within reach of the
    boundary but the votes of more than half of the pool: that is the most, without any chance.
    """
    if not alpha_ppm:
        return True
    most = max(Counter(key for key in draws if key is not None).values(), default=0)
    ahead = boundary_for(pool, alpha_ppm).alike[len(draws) :]
    return all(
        most + more < needed or 2 * needed > pool for more, needed in enumerate(ahead, start=1)
    )


def draw_order(pool: int, seed: bytes) -> list[int]:
    """The order in which to ask a pool, as a certificate needs it: any is as likely as another.
    `seed` must not be known to whoever chose the voters.
    """
    left = list(range(pool))
    order: list[int] = []
    while left:
        material = hashlib.sha256(b"symphony/draw/2\x00" + seed + len(order).to_bytes(4, "big"))
        order.append(left.pop(int.from_bytes(material.digest(), "big") % len(left)))
    return order
