"""The vote: from ballots to a winner, by integers that anyone can add up again.

Equal answers form a class; the class with the largest sum of weights wins:
`a* = argmax_a Σ w_i · 1[a_i = a]`. What a ballot weighs is for `weighing` to say, when the vote
is over for `settling`.

Ties: more ballots, then the heavier single ballot, then the earliest chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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


def count_level(classes: Sequence[Class]) -> int:
    """How many answers have the most weight: 1, unless the order of `tally` had to decide."""
    return sum(item.weight == classes[0].weight for item in classes)


def decided(classes: Sequence[Class], most: int) -> bool:
    """The exact stop: can ballots that weigh `most` together still make another answer level?"""
    if not classes:
        return False
    if len(classes) == 1 and not most:
        return True  # whatever it weighs
    runner_up = classes[1].weight if len(classes) > 1 else 0
    return classes[0].weight > runner_up + most
