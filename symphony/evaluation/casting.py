"""Votes of recorded agents, through the code that live votes go through.

Each agent is an owner on a node of its own and casts one ballot. `symphony.core.weighing` weighs,
`symphony.core.vote.tally` adds up, `draw_order` and `certify` decide how many are asked. Nothing
of a vote is done here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from symphony.core.vote import Vote, tally
from symphony.core.weighing import CastBallot, Draw, certify, draw_order
from symphony.evaluation.recordings import Reply


@dataclass(frozen=True, slots=True)
class Asked:
    """How a vote went that was stopped early: who was asked, and what was claimed."""

    answer: str | None
    agents: tuple[int, ...]
    certified: str | None  # the answer that was certified at the level; None if the stop was exact


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


def unique_mode(replies: Sequence[Reply], weights: Sequence[int]) -> str | None:
    """The class with more weight than any other, had everybody voted; None if there is none."""
    sums: dict[str, int] = {}
    for reply, weight in zip(replies, weights, strict=True):
        if reply.key is not None:
            sums[reply.key] = sums.get(reply.key, 0) + weight
    top = [key for key in sums if sums[key] == max(sums.values())]
    return top[0] if len(top) == 1 else None


def ask_until_certain(
    replies: Sequence[Reply], weights: Sequence[int], alpha_ppm: int, seed: bytes
) -> Asked:
    """Ask one agent after the other until the vote is exact or certified, or all were asked."""
    order = draw_order(weights, seed)
    left = sum(weights)
    draws: list[Draw] = []
    for count, at in enumerate(order, start=1):
        draws.append(Draw(replies[at].key, weights[at]))
        left -= weights[at]
        found = certify(draws, left, alpha_ppm)
        if found.state != "open":
            certified = found.key if found.state == "certified" else None
            return Asked(found.key, tuple(order[:count]), certified)
    return Asked(elect(replies, weights), tuple(order), None)
