"""Echoes: how much of an agent's vote another agent already cast.

A key that copies another agent's answers earns the same evidence and doubles that agent's weight.
What gives it away is agreement beyond what skill explains. Two agents with rates p and q that err
on their own agree on a share

    e = p q + (1 − p) (1 − q) c

of questions, where c is how often two wrong agents of this pool are wrong *alike* (estimated over
all pairs, because hard questions and tempting errors are common to all). The excess `s = (a − e)
/ (1 − e)` of their agreement a, pulled to 0 while they were seen together on few questions, is 0
for independent agents and 1 for a copy. What is above `NORMAL` counts as echo:

    w_i' = w_i / (1 + Σ_j echo_ij · min(1, w_j / w_i))

so k copies weigh together as much as one of them, and a faint echo of a strong agent takes little
from it. Without history there is no echo and nothing changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WHOLE = 1_000_000
NORMAL_PPM = 500_000  # excess agreement that models of one family reach without copying
_PRIOR_MILLI = 10_000  # ten questions together: below that, agreement is mostly chance
MAX_OF_PAIR_MILLI = _PRIOR_MILLI * NORMAL_PPM // (WHOLE - NORMAL_PPM)
"""Of what one author says of a pair no more counts: with so little even perfect agreement stays
within `NORMAL_PPM`, so no author alone can make an echo of anybody.
"""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often two agents answered the same question, and how often alike; in thousandths."""

    together_milli: int
    agreed_milli: int

    def __post_init__(self) -> None:
        assert 0 <= self.agreed_milli <= self.together_milli


History = Mapping[tuple[str, str], Agreement]


def pair(left: str, right: str) -> tuple[str, str]:
    """The name of a pair in a history: ascending."""
    return (left, right) if left <= right else (right, left)


def alike_ppm(rates: Mapping[str, int], history: History) -> int:
    """c: the share of questions that two wrong agents of the pool answer alike, in ppm.

    `rates` are the agents' rates of right answers in ppm. The pool's middle pair decides, so that
    a few copies do not make copying look normal.
    """
    shares = []
    for (left, right), seen in history.items():
        if left not in rates or right not in rates or not seen.together_milli:
            continue
        both_wrong = (WHOLE - rates[left]) * (WHOLE - rates[right]) // WHOLE
        if not both_wrong:
            continue
        agreed = seen.agreed_milli * WHOLE // seen.together_milli
        beyond = agreed - rates[left] * rates[right] // WHOLE
        shares.append(max(0, min(WHOLE, beyond * WHOLE // both_wrong)))
    return sorted(shares)[(len(shares) - 1) // 2] if shares else 0


def excess_ppm(seen: Agreement, left_ppm: int, right_ppm: int, alike: int) -> int:
    """s: agreement beyond what the two rates explain, 0 … 1 000 000."""
    both_wrong = (WHOLE - left_ppm) * (WHOLE - right_ppm) // WHOLE
    expected = left_ppm * right_ppm // WHOLE + both_wrong * alike // WHOLE
    if expected >= WHOLE or not seen.together_milli:
        return 0
    agreed = seen.agreed_milli * WHOLE // seen.together_milli
    excess = max(0, agreed - expected) * WHOLE // (WHOLE - expected)
    return excess * seen.together_milli // (seen.together_milli + _PRIOR_MILLI)


def without_echo(
    weights: Sequence[int], agents: Sequence[str], rates: Mapping[str, int], history: History
) -> list[int]:
    """The weights after what each ballot shares with the others' is taken off.

    Two ballots of one agent are no echo here: they are its own samples, and the cap per node is
    what bounds them.
    """
    alike = alike_ppm(rates, history)
    result = []
    for at, (weight, agent) in enumerate(zip(weights, agents, strict=True)):
        shared = 0
        for other_at, (other_weight, other) in enumerate(zip(weights, agents, strict=True)):
            seen = history.get(pair(agent, other))
            if other_at == at or other == agent or seen is None:
                continue
            excess = excess_ppm(seen, rates[agent], rates[other], alike)
            echo = max(0, excess - NORMAL_PPM) * WHOLE // (WHOLE - NORMAL_PPM)
            shared += echo * min(weight, other_weight) // max(1, weight)
        result.append(weight * WHOLE // (WHOLE + shared))
    return result
