"""The interval of a share that was seen in few trials (Wilson, 1927).

The bootstrap says [0, 0] when none of ten was right. This interval says what is known then: the
share may well be a quarter. It is for one share of n trials; differences and means over pools are
resampled.
"""

from __future__ import annotations

from math import sqrt

_Z = 1.959964  # the normal quantile of 97.5 %


def interval(right: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share, between 0 and 1."""
    assert 0 <= right <= trials > 0
    share, z2 = right / trials, _Z * _Z
    middle = share + z2 / (2 * trials)
    half = _Z * sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    low, high = ((middle + sign * half) / (1 + z2 / trials) for sign in (-1, 1))
    return max(0.0, low), min(1.0, high)
