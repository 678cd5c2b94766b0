"""Effective votes: how many independent ballots these are worth ("5 ballots ≈ 2.3 independent").

The design effect of survey statistics (Kish, 1965): with weights w and correlations ρ between the
ballots' errors, `n_eff = (Σ w)² / Σ_ij w_i w_j ρ_ij`. Equal weights and no correlation give n, one
ballot with all the weight, or perfect copies, give 1.

ρ comes from the ledger's history of agreement. Where a pair has none yet, it is what the recorded
pools show: 0.3 between any two models, 0.6 within a lineage; two answers of one agent count as
0.8.
"""

from __future__ import annotations

from collections.abc import Sequence

from symphony.core.weighing.ballots import CastBallot, Grounds
from symphony.core.weighing.reliability import shrunk_rates
from symphony.core.weighing.resemblance import WHOLE, excess_ppm, pair

ANY_TWO_PPM = 300_000
ONE_LINEAGE_PPM = 600_000
ONE_AGENT_PPM = 800_000
_ALIKE_BY_CHANCE_PPM = 100_000  # two wrong answers out of ten plausible ones


def effective_milli(ballots: Sequence[CastBallot], weights: Sequence[int], grounds: Grounds) -> int:
    """The effective number of votes, in thousandths; 0 without weight."""
    total = sum(weights)
    if not total:
        return 0
    rates = rates_ppm(ballots, grounds)
    spread = 0
    for at, left in enumerate(ballots):
        for other, right in enumerate(ballots):
            rho = WHOLE if at == other else _correlation(left, right, rates, grounds)
            spread += weights[at] * weights[other] * rho
    return total * total * WHOLE * 1000 // spread


def rates_ppm(ballots: Sequence[CastBallot], grounds: Grounds) -> dict[str, int]:
    """The rate of right answers of each agent with a ballot, in ppm."""
    agents = sorted({ballot.agent for ballot in ballots})
    rates = shrunk_rates([grounds.of(agent) for agent in agents])
    return {agent: int(rate * WHOLE) for agent, rate in zip(agents, rates, strict=True)}


def _correlation(
    left: CastBallot, right: CastBallot, rates: dict[str, int], grounds: Grounds
) -> int:
    if left.agent == right.agent:
        return ONE_AGENT_PPM
    seen = grounds.agreement.get(pair(left.agent, right.agent))
    if seen is not None and seen.together_milli:
        return excess_ppm(seen, rates[left.agent], rates[right.agent], _ALIKE_BY_CHANCE_PPM)
    if left.lineage and left.lineage == right.lineage:
        return ONE_LINEAGE_PPM
    return ANY_TWO_PPM
