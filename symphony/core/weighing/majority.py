"""The rule `majority`: every ballot weighs the same. What all other rules are measured against."""

from __future__ import annotations

from collections.abc import Sequence

from symphony.core.weighing.ballots import FULL_WEIGHT, CastBallot, Grounds


def majority(ballots: Sequence[CastBallot], grounds: Grounds) -> list[int]:
    """One for each."""
    del grounds
    return [FULL_WEIGHT] * len(ballots)
