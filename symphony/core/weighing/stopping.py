"""When a vote is over: exactly, or certified at a level α.

*Exact*: what is still out can't make another answer even. Always right, whatever the order.

*Certified*: with probability 1 − α the leading answer is the one that the whole pool would
choose: the unique class with the largest sum of weights, had everybody voted. It says that, and
not that the answer is right. Weights are fixed before the ballots, and owners are drawn at
random, the next one with a chance in proportion to its weight among those left (`draw_order`).
Then the share of what is left that belongs to a class is the chance that the next ballot is for
it, and an election audit's argument holds (Waudby-Smith, Stark and Ramdas, 2021; Stark's ALPHA,
2023): against the hypothesis that answer b has at least as much weight as a, with D = +1, −1 or 0
for a ballot for a, b or neither, and g = (a's lead over b so far) / (weight left before the
draw),

    M = Π (1 + λ (D + g)),   λ = c / (1 − g),   0 ≤ c ≤ 1

is a non-negative supermartingale that starts at 1: an e-process. It reaches 1/α with probability
at most α, however often one looks (Ville, 1939). Against "a is not the unique mode" stands the
least of M over all rivals b, those not seen yet among them. Two bets c are mixed: nearly all on
"no rival", the rest on "some".

The ballots choose which answer is tested, and that has its price too: the class drawn first is
tested at 7/8 α, a class that takes the lead later at 1/16 α, the next at 1/32 α, …, each on the
ballots drawn after it took the lead. The sum stays below α.

A pool without end (the same agents asked again and again) is the case g = 0. Draws must be given
in the order in which they were *drawn*, not in which they came back: fast answers are not random
ones. A draw that ended without an answer is a draw for nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

WHOLE = 1_000_000
STAKE = 1 << 48  # what the evidence starts with; products are rounded down, never up
BETS = (((1, 1), STAKE // 16 * 15), ((1, 2), STAKE // 16))
"""Shares c of the largest bet, as fractions, and how the stake is divided between them.

At nine equal agents four ballots alike then certify at 5 % (E = 24.5 against 22.9), where the exact
stop needs five."""

_FIRST_SHARE = (7, 8)


@dataclass(frozen=True, slots=True)
class Draw:
    """One owner that was drawn: the class of its ballot, None if it cast none, and its weight."""

    key: str | None
    weight: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is known of the leader. `e_milli` is the e-value against "it is not the pool's unique
    mode", in thousandths; it certifies from 1 / `alpha` on. 0 where nothing was tested.
    """

    state: Literal["open", "certified", "exact"]
    key: str | None
    e_milli: int = 0
    needed_milli: int = 0


def draw_order(weights: Sequence[int], seed: bytes) -> list[int]:
    """The order in which to ask: positions, each next with a chance in proportion to its weight
    among those left. `seed` must not be known to whoever chose the weights.
    """
    left = [at for at, weight in enumerate(weights) if weight > 0]
    order: list[int] = []
    while left:
        material = hashlib.sha256(b"symphony/draw/1\x00" + seed + len(order).to_bytes(4, "big"))
        ticket = int.from_bytes(material.digest(), "big") % sum(weights[at] for at in left)
        for at in left:
            ticket -= weights[at]
            if ticket < 0:
                break
        order.append(at)
        left.remove(at)
    return order


def certify(draws: Sequence[Draw], left_weight: int | None, alpha_ppm: int) -> Certificate:
    """What the draws so far allow to say.

    `left_weight` is the weight of the pool that was not drawn yet, None for a pool without end;
    `alpha_ppm` 0 allows the exact stop only.
    """
    assert 0 <= alpha_ppm < WHOLE
    sums = _sums(draws)
    if not sums:
        return Certificate("open", None)
    leader = _heaviest(sums)
    lead = sums[leader] - max((sums[key] for key in sums if key != leader), default=0)
    if left_weight is not None and lead > left_weight:
        return Certificate("exact", leader)
    if alpha_ppm == 0:
        return Certificate("open", leader)
    after, share = _tested_from(draws, leader)
    value = _evidence(draws, leader, after, left_weight)
    enough = value * alpha_ppm * share[0] >= STAKE * WHOLE * share[1]
    needed_milli = -(-WHOLE * share[1] * 1000 // (alpha_ppm * share[0]))
    state: Literal["open", "certified"] = "certified" if enough else "open"
    return Certificate(state, leader, value * 1000 // STAKE, needed_milli)


def _sums(draws: Sequence[Draw]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for draw in draws:
        if draw.key is not None:
            sums[draw.key] = sums.get(draw.key, 0) + draw.weight
    return sums


def _tested_from(draws: Sequence[Draw], leader: str) -> tuple[int, tuple[int, int]]:
    """After how many draws the present leader first led, and its share of α."""
    sums: dict[str, int] = {}
    leaders: dict[str, int] = {}
    for count, draw in enumerate(draws, start=1):
        if draw.key is not None:
            sums[draw.key] = sums.get(draw.key, 0) + draw.weight
            leaders.setdefault(_heaviest(sums), count)
    place = list(leaders).index(leader)
    return leaders[leader], _FIRST_SHARE if place == 0 else (1, 2 ** (3 + place))


def _heaviest(sums: Mapping[str, int]) -> str:
    return max(sums, key=lambda key: (sums[key], key))


def _evidence(draws: Sequence[Draw], leader: str, after: int, left_weight: int | None) -> int:
    """The least e-value over all rivals; None stands for all that were never seen."""
    rivals = {draw.key for draw in draws if draw.key is not None} - {leader}
    return min(_against(draws, leader, rival, after, left_weight) for rival in (*rivals, None))


def _against(
    draws: Sequence[Draw], leader: str, rival: str | None, after: int, left_weight: int | None
) -> int:
    """M, in units of 1 / STAKE: the sum of the stakes after all bets."""
    stakes = [stake for _, stake in BETS]
    left = None if left_weight is None else left_weight + sum(draw.weight for draw in draws)
    lead = 0
    for count, draw in enumerate(draws):
        step = _step(draw.key, leader, rival)
        if count >= after:
            # λ (D + g) as a fraction: c (D · left + lead) / (left − lead); without end, c D.
            gain, against = (step, 1) if left is None else (step * left + lead, left - lead)
            if against > 0:
                stakes = [
                    stake * (parts * against + share * gain) // (parts * against)
                    for stake, ((share, parts), _) in zip(stakes, BETS, strict=True)
                ]
        lead += step * draw.weight
        left = None if left is None else left - draw.weight
    return sum(stakes)


def _step(key: str | None, leader: str, rival: str | None) -> int:
    if key == leader:
        return 1
    return -1 if key is not None and key == rival else 0
