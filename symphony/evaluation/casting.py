"""Votes of recorded agents, through the code that live votes go through.

Each agent is an owner on a node of its own and casts one ballot. `symphony.core.weighing` weighs,
`symphony.core.votes.settling` says how many are asked. Nothing of a vote is done here, but the
order: at random as long as a certificate needs that (`weighing.any_order`), then the heaviest of
those that are left first. Elections prefer good agents, too, though less strictly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from symphony.core.records import Settled
from symphony.core.votes.settling import Ballots, Cast, standing
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


def ask_until_certain(
    replies: Sequence[Reply], weights: Sequence[int], alpha_ppm: int, seed: bytes
) -> Asked:
    """Ask one agent after the other until the vote is over, as a conductor would."""
    pool, left = len(replies), sum(weights)
    level = alpha_ppm if even(weights) else 0  # the certificate counts heads
    at_random = draw_order(pool, seed)
    heaviest_first = sorted(range(pool), key=lambda at: -weights[at])
    order: list[int] = []
    draws: list[str | None] = []
    votes: tuple[Vote, ...] = ()
    cast: tuple[Cast, ...] = ()
    for count in range(1, pool + 1):
        source = heaviest_first if any_order(draws, pool, level) else at_random
        at = next(agent for agent in source if agent not in order)
        key = replies[at].key
        order.append(at)
        draws.append(key)
        left -= weights[at]
        if key is not None:
            votes += (Vote(count - 1, key, key, weights[at]),)
            cast += (Cast(CastBallot(count - 1, key, "", ""), key),)
        found = standing(votes, Ballots(pool, cast, pool - count, count), left, level)
        if found.state != "open":
            return Asked(found.classes[0].key, tuple(order), found.state)
    return Asked(None, tuple(order), "open")
