"""The rule `reliability`: weights learnt from how often each agent was right.

Textbook log-odds are not safe here. Models err together, so a few weak ones outvote a strong one
that is right, and an estimate from ten trials is mostly noise. Two steps answer that:

1. *Shrinkage.* The mean rate m of a group of agents that are alike (`groups`) is known well, each
   agent's own rate badly. With V the variance between agents that remains after that of n_i trials
   is taken off (the method of moments of DerSimonian and Laird, 1986), agent i's rate is `p_i = m +
   B_i (q_i − m)` with `B_i = V / (V + m (1 − m) / n_i)`, and a hundredth at the least. If the
   agents differ no more than chance explains, that hundredth decides what would be a tie, and the
   vote is the plain majority otherwise: lack of data costs nothing, and a vote that is level is not
   left to those who weigh next to nothing. One agent that stands out keeps its lead after ten
   trials.
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
from symphony.core.weighing.groups import groups

SHARPNESS = 2
NEWCOMER_TRIALS_MILLI = 3_000
TIES = Fraction(1, 100)
"""So much of an agent's own rate counts in any case: enough to break ties among equals."""


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
    rates = _rates(known)
    least = min(rates.values())
    return tuple(rates.get(item, least) for item in pool)


def _rates(known: Sequence[Evidence]) -> dict[Evidence, Fraction]:
    """The rate that follows from some evidence in this pool: where it is the same, so is that."""
    rates: dict[Evidence, Fraction] = {}
    for group in groups(known):
        mean, between = _pool(group)
        within = mean * (1 - mean)
        rates |= {item: _shrunk(item, mean, within, between) for item in group}
    return rates


def _pool(known: Sequence[Evidence]) -> tuple[Fraction, Fraction]:
    """The mean rate of a group (with one right and one wrong trial of its own, so that it is never
    0 or 1) and the variance between agents.
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
    return mean + max(TIES, between / (between + noise)) * (_rate(item) - mean)
