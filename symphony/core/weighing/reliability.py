"""The rule `reliability`: weights learnt from how often each agent was right.

Textbook log-odds are not safe here. Models err together, so a few weak ones outvote a strong one
that is right, and an estimate from ten trials is mostly noise. Two steps answer that:

1. *Shrinkage.* The pool's mean rate m is known well, each agent's own rate badly. With V the
   variance between agents that remains after that of n_i trials is taken off (the method of
   moments of DerSimonian and Laird, 1986), agent i's rate is `p_i = m + B_i (q_i − m)` with `B_i
   = V / (V + m (1 − m) / n_i)`. If the agents differ no more than chance explains, all weights
   are equal and the vote is the plain majority: lack of data costs nothing. One agent that stands
   out keeps its lead after ten trials.
2. *Sharpening.* `w = (p / (1 − p))^b` with b = 2. On the recorded pools that is within half a
   point of the best power in each, in pools of equals as well as of one strong agent among weak
   ones; docs/evaluation.md has the table.

Newcomers (fewer than 3 trials) count as the least of those that are known: a new key can't buy the
weight of the pool's mean. If nobody is known, all are equal.

Exact fractions, rounded down once; the heaviest weighs 1 000 000 and none less than the floor.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from symphony.core.weighing.ballots import FLOOR, FULL_WEIGHT, CastBallot, Evidence, Grounds

SHARPNESS = 2
NEWCOMER_TRIALS_MILLI = 3_000


def reliability(ballots: Sequence[CastBallot], grounds: Grounds) -> list[int]:
    """Weights from the evidence on the ballots' agents; all ballots of one agent weigh the same.

    The pool that is learnt from is that of the agents with a ballot here, each counted once.
    """
    agents = sorted({ballot.agent for ballot in ballots})
    rates = shrunk_rates([grounds.of(agent) for agent in agents])
    odds = {
        agent: (rate / (1 - rate)) ** SHARPNESS for agent, rate in zip(agents, rates, strict=True)
    }
    top = max(odds.values(), default=Fraction(1))
    scaled = {agent: max(FLOOR, int(FULL_WEIGHT * value / top)) for agent, value in odds.items()}
    return [scaled[ballot.agent] for ballot in ballots]


def shrunk_rates(pool: Sequence[Evidence]) -> Sequence[Fraction]:
    """The estimated rate of right answers of each agent, strictly between 0 and 1."""
    return _shrunk_rates(tuple(pool))


@lru_cache(maxsize=64)  # weights and effective votes of one vote ask for the same
def _shrunk_rates(pool: tuple[Evidence, ...]) -> Sequence[Fraction]:
    known = [item for item in pool if item.trials_milli >= NEWCOMER_TRIALS_MILLI]
    if not known:
        return (Fraction(1, 2),) * len(pool)
    mean, between = _pool(known)
    within = mean * (1 - mean)
    rates = [_shrunk(item, mean, within, between) for item in known]
    least = min(rates)
    found = iter(rates)
    return tuple(
        next(found) if item.trials_milli >= NEWCOMER_TRIALS_MILLI else least for item in pool
    )


def _pool(known: Sequence[Evidence]) -> tuple[Fraction, Fraction]:
    """The mean rate (with one right and one wrong trial of the pool's own, so that it is never 0
    or 1) and the variance between agents.
    """
    trials = [Fraction(item.trials_milli, 1000) for item in known]
    total = sum(trials, start=Fraction(0))
    right = Fraction(sum(item.right_milli for item in known), 1000)
    mean = (right + 1) / (total + 2)
    spread = sum(
        (n * (_rate(item) - mean) ** 2 for n, item in zip(trials, known, strict=True)),
        start=Fraction(0),
    )
    by_chance = (len(known) - 1) * mean * (1 - mean)
    scale = total - sum((n * n for n in trials), start=Fraction(0)) / total
    between = max(Fraction(0), spread - by_chance) / scale if scale > 0 else Fraction(0)
    return mean, between


def _rate(item: Evidence) -> Fraction:
    return Fraction(item.right_milli, item.trials_milli)


def _shrunk(item: Evidence, mean: Fraction, within: Fraction, between: Fraction) -> Fraction:
    noise = within * 1000 / item.trials_milli
    return mean + (between / (between + noise)) * (_rate(item) - mean)
