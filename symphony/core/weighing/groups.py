"""Which agents of a pool are learnt from together: groups that chance alone would not tear apart.

What is known of a pool's mean tells something of each of its agents, as long as they are of one
kind. A few that are always wrong, by malice or by a broken model, are of another: they drag the
mean down and make the pool look diverse, and so the small differences between all others, which
are mostly noise, would count. So agents that differ for certain are learnt about apart.

With the agents in the order of their rates, each cut makes two groups with n_a and n_b trials, at
rates q_a < q_b; m is the rate of all, with one right and one wrong trial of its own. The cut with
the largest

    z² = (q_b − q_a)² / (m (1 − m) (1 / n_a + 1 / n_b))

is made if z² is `APART` or more, and both sides are looked at again. The order is that of the very
rates that are compared, and the best of all cuts is taken; with nine alike that alone makes z² come
out near 6. Five standard deviations leave room for that: pools of equals stay whole, ten probes do
not yet part what little they know, and three who are never right stand apart after ten.

Integers throughout: counts in thousandths of a trial, z² compared as a product.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from symphony.core.weighing.ballots import Evidence

APART = 25
"""z² from which on two groups are of different kinds: five standard deviations."""
_ONE = 1_000  # trial, in thousandths


def groups(known: Sequence[Evidence]) -> list[list[Evidence]]:
    """The groups, the weakest first; agents of one rate are never parted. Each has trials."""
    ordered = sorted(known, key=lambda item: Fraction(item.right_milli, item.trials_milli))
    cut = _best_cut(ordered)
    if cut is None:
        return [ordered]
    return [*groups(ordered[:cut]), *groups(ordered[cut:])]


def _best_cut(ordered: Sequence[Evidence]) -> int | None:
    """Where a pool, in the order of its rates, falls into two kinds; None if it does not."""
    right = sum(item.right_milli for item in ordered)
    trials = sum(item.trials_milli for item in ordered)
    best, found = Fraction(0), None
    low_right = low_trials = 0
    for at, (item, above) in enumerate(pairwise(ordered), start=1):
        low_right += item.right_milli
        low_trials += item.trials_milli
        if item.right_milli * above.trials_milli == above.right_milli * item.trials_milli:
            continue
        high_trials = trials - low_trials
        apart = (right - low_right) * low_trials - low_right * high_trials
        found_here = Fraction(apart * apart, low_trials * high_trials)
        if found_here > best:
            best, found = found_here, at
    if found is None:
        return None
    chance = _ONE * trials * (right + _ONE) * (trials - right + _ONE)
    return found if best * (trials + 2 * _ONE) ** 2 >= APART * chance else None
