"""The vote: from ballots to a winner, by integers that anyone can add up again.

Equal answers form a class; the class with the largest sum of weights wins:
`a* = argmax_a Σ w_i · 1[a_i = a]`. Rules:

`match`     the paper's weight, the mean match of the chain, `w_i = (1/K_i) Σ_k s(owner_k, step k)`.
            It says how well owners *fitted* their steps, not how sure or right they are; in a
            pool of equals it is nearly constant and the vote is a plain majority.
`majority`  every ballot weighs 1.

Ties: more ballots, then the heavier single ballot, then the earliest chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from symphony.core.records import Rule

FULL_WEIGHT = 1_000_000


@dataclass(frozen=True, slots=True)
class Vote:
    """One chain's answer: its class, how it was written, and what it weighs (ppm)."""

    chain: int
    key: str
    answer: str
    weight: int


@dataclass(frozen=True, slots=True)
class Class:
    """All votes for one answer. `answer` is the wording of its heaviest vote."""

    key: str
    answer: str
    weight: int
    votes: tuple[Vote, ...]


def weigh(rule: Rule, step_scores: Sequence[int]) -> int:
    """The weight of a chain whose steps were owned at these match scores (ppm)."""
    match rule:
        case "majority":
            return FULL_WEIGHT
        case "match":
            return sum(step_scores) // len(step_scores) if step_scores else 0


def tally(votes: Sequence[Vote]) -> list[Class]:
    """The classes, winner first. The result doesn't depend on the order of the votes."""
    by_key: dict[str, list[Vote]] = {}
    for vote in sorted(votes, key=lambda vote: vote.chain):
        by_key.setdefault(vote.key, []).append(vote)
    classes = []
    for key, members in by_key.items():
        best = max(members, key=lambda vote: (vote.weight, -vote.chain))
        total = sum(vote.weight for vote in members)
        classes.append(Class(key, best.answer, total, tuple(members)))
    classes.sort(key=_precedence)
    return classes


def _precedence(item: Class) -> tuple[int, int, int, int]:
    heaviest = max(vote.weight for vote in item.votes)
    return (-item.weight, -len(item.votes), -heaviest, item.votes[0].chain)


def decided(classes: Sequence[Class], outstanding: int) -> bool:
    """The exact stop: can `outstanding` more ballots of full weight still change the winner?"""
    if not classes:
        return False
    runner_up = classes[1].weight if len(classes) > 1 else 0
    return classes[0].weight > runner_up + outstanding * FULL_WEIGHT
