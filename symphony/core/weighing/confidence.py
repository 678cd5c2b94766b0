"""The rule `confidence`: a ballot weighs what its model thought of its own words.

`w = e^l`, where l is the mean log-probability of a token of the final step: the inverse of the
output's perplexity. Log-probabilities of different models are not on one scale, and models are sure
of wrong answers too: it is offered and measured, and it is not the default. A ballot without a
log-probability weighs as little as the least sure of the others; without any, all are equal.

The exponential is a Taylor series on integers, so that all machines agree on the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence

from symphony.core.weighing.ballots import FLOOR, FULL_WEIGHT, CastBallot, Grounds

_SCALE = 10**15
_TERMS = 24  # of a number below 1: the rest is under 10^-23


def confidence(ballots: Sequence[CastBallot], grounds: Grounds) -> list[int]:
    """The weights; at least the floor."""
    del grounds
    said = [ballot.logprob_milli for ballot in ballots if ballot.logprob_milli is not None]
    if not said:
        return [FULL_WEIGHT] * len(ballots)
    least = min(said)
    return [
        max(FLOOR, exp_ppm(least if ballot.logprob_milli is None else ballot.logprob_milli))
        for ballot in ballots
    ]


def exp_ppm(milli: int) -> int:
    """`e^(milli/1000)` in ppm, for a value that is not positive, rounded down."""
    assert milli <= 0
    if milli < -20_000:
        return 0
    whole, rest = divmod(-milli, 1000)
    result = _exp(rest) if rest else _SCALE
    for _ in range(whole):
        result = result * _SCALE // _E
    return result * FULL_WEIGHT // _SCALE


def _exp(milli: int) -> int:
    """`e^(−milli/1000)` by the series of `e^x`, inverted, in units of 10^-15."""
    term = total = _SCALE
    for k in range(1, _TERMS):
        term = term * milli // (1000 * k)
        total += term
    return _SCALE * _SCALE // total


_E = 2_718_281_828_459_045  # e in units of 10^-15
