"""Confidence intervals by resampling questions.

The values of a row, one per question, are averaged over many samples of the questions, with
replacement (Efron, 1979). All rows of one table share their samples, so a difference of two rows
is a paired one. Pools are not resampled: an interval says what other questions might have given,
not other pools.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from operator import mul

from symphony.evaluation import limits

Interval = tuple[float, float]


class Bootstrap:
    """Samples of n questions, drawn once from a fixed seed."""

    def __init__(self, questions: int, resamples: int = limits.RESAMPLES) -> None:
        chance = random.Random(questions)  # noqa: S311 - repeatable, not secret
        self._questions = questions
        self._counts: list[tuple[int, ...]] = []
        for _ in range(resamples):
            drawn = Counter(chance.choices(range(questions), k=questions))
            self._counts.append(tuple(drawn[at] for at in range(questions)))

    def interval(self, values: Sequence[float]) -> Interval:
        """The middle 95 % of the resampled means of `values`."""
        assert len(values) == self._questions
        means = sorted(sum(map(mul, counts, values)) / len(values) for counts in self._counts)
        cut = len(means) * 25 // 1000
        return means[cut], means[-1 - cut]
