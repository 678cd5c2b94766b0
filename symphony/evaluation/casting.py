"""Votes of recorded agents, through the code that live votes go through.

Each agent is an owner on a node of its own and casts one ballot. `symphony.core.weighing` weighs,
`symphony.core.votes.settling` says when a vote is over. Nothing of a vote is done here, but the
order. `ask_until_certain` is the best that the stops allow: one agent at a time, at random as long
as a certificate needs that (`weighing.any_order`), then the heaviest of those that are left first.
`ask_in_waves` is what a conductor does, who trades calls for time and can't choose: its chains
begin in waves, with owners at random. Elections prefer good agents, so a swarm lies in between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from symphony.core.records import Settled
from symphony.core.votes.settling import MOST_AWAITED, Ballots, Cast, next_wave, standing
from symphony.core.votes.vote import Vote, tally
from symphony.core.weighing import CastBallot, any_order, draw_order, even
from symphony.evaluation.recordings import Reply


@dataclass(frozen=True, slots=True)
class Asked:
    """How a vote went that was stopped early: who was asked, the answer, and why it was over."""

    answer: str | None
    agents: tuple[int, ...]
    state: Settled


def ballots(names: Sequence[str], replies: Sequence[Reply] | None = None) -> list[CastBallot]:
    """The ballots of a pool: of all agents before they answer, or of those that gave an answer."""
    if replies is None:
        return [CastBallot(at, "", name, name) for at, name in enumerate(names)]
    return [
        CastBallot(at, reply.key, name, name)
        for at, (name, reply) in enumerate(zip(names, replies, strict=True))
        if reply.key is not None
    ]


def elect(replies: Sequence[Reply], weights: Sequence[int]) -> str | None:
    """The winning class when all are asked; None if nobody answered."""
    votes = [
        Vote(at, reply.key, reply.key, weight)
        for at, (reply, weight) in enumerate(zip(replies, weights, strict=True))
        if reply.key is not None
    ]
    classes = tally(votes)
    return classes[0].key if classes else None


def is_mode(replies: Sequence[Reply], key: str | None) -> bool:
    """Has no other answer more votes, had everybody voted?"""
    heads = Counter(reply.key for reply in replies if reply.key is not None)
    return heads[key or ""] == max(heads.values(), default=0)


class _Hearing:
    """A vote as it grows: the agents that have answered so far, in that order."""

    def __init__(self, replies: Sequence[Reply], weights: Sequence[int]) -> None:
        self._replies = replies
        self._weights = weights
        self._votes: tuple[Vote, ...] = ()
        self._cast: tuple[Cast, ...] = ()
        self.order: list[int] = []
        self.draws: list[str | None] = []

    @property
    def known(self) -> Ballots:
        pool, drawn = len(self._replies), len(self.order)
        return Ballots(pool, self._cast, pool - drawn, drawn)

    def hear(self, at: int) -> None:
        chain, key = len(self.order), self._replies[at].key
        self.order.append(at)
        self.draws.append(key)
        if key is not None:
            self._votes += (Vote(chain, key, key, self._weights[at]),)
            self._cast += (Cast(CastBallot(chain, key, "", ""), key),)

    def over(self, most: int | None, alpha_ppm: int) -> Asked | None:
        """The vote if it is over; `most` is what may still come, None if nobody knows."""
        found = standing(self._votes, self.known, most, alpha_ppm)
        if found.state == "open":
            return None
        return Asked(found.classes[0].key, tuple(self.order), found.state)


def ask_until_certain(
    replies: Sequence[Reply], weights: Sequence[int], alpha_ppm: int, seed: bytes
) -> Asked:
    """Ask one agent after the other, each with its weight known beforehand, until the vote is over.
    A conductor is not so well off (`ask_in_waves`).
    """
    pool, left = len(replies), sum(weights)
    level = alpha_ppm if even(weights) else 0  # the certificate counts heads
    at_random = draw_order(pool, seed)
    heaviest_first = sorted(range(pool), key=lambda at: -weights[at])
    hearing = _Hearing(replies, weights)
    for _ in range(pool):
        source = heaviest_first if any_order(hearing.draws, pool, level) else at_random
        at = next(agent for agent in source if agent not in hearing.order)
        hearing.hear(at)
        left -= weights[at]
        asked = hearing.over(left, level)
        if asked is not None:
            return asked
    return Asked(None, tuple(hearing.order), "open")


def ask_in_waves(
    replies: Sequence[Reply], weights: Sequence[int], alpha_ppm: int, seed: bytes
) -> Asked:
    """Begin as many chains at once as a conductor would, with owners at random, and stop as it
    would: a vote is exact only once the owners of all chains are elected. `agents` are all that
    were begun, answered or cut short.
    """
    pool = len(replies)
    order = draw_order(pool, seed)
    hearing = _Hearing(replies, weights)
    begun = 0
    while begun < pool:
        begun += next_wave(hearing.known, alpha_ppm)
        while len(hearing.order) < begun:
            hearing.hear(order[len(hearing.order)])
            out = order[len(hearing.order) : begun]
            told = begun == pool and len(out) <= MOST_AWAITED
            asked = hearing.over(sum(weights[at] for at in out) if told else None, alpha_ppm)
            if asked is not None:
                return replace(asked, agents=tuple(order[:begun]))
    return Asked(None, tuple(order), "open")
