"""A ballot as the vote sees it, and the grounds on which it is weighed.

Names of agents, nodes, operators and lineages are opaque here: equal strings are one party, and an
empty operator or lineage means "unknown", which is never the same party as another unknown.

`Evidence` counts trials in thousandths, so that a half-life can let them fade. It holds *no prior*:
(0, 0) is an agent that nothing is known about. Each rule adds the prior that it needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from symphony.core.weighing.caps import NO_CAPS, Caps
from symphony.core.weighing.resemblance import Agreement

FULL_WEIGHT = 1_000_000
"""The heaviest ballot, in parts per million."""

FLOOR = 1_000
"""No ballot weighs less, before discounts: a thousandth of the heaviest breaks ties and no more."""


@dataclass(frozen=True, slots=True)
class CastBallot:
    """One chain's answer. `key` names its class; `match_ppm` is the chain's mean match;
    `logprob_milli` the mean log-probability of a token, in thousandths of a nat, if known.
    """

    chain: int
    key: str
    agent: str
    node: str
    operator: str = ""
    lineage: str = ""
    match_ppm: int = FULL_WEIGHT
    logprob_milli: int | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one agent in one skill: trials that it got right and wrong, in thousandths.

    The counts of a Beta posterior without its prior.
    """

    right_milli: int = 0
    wrong_milli: int = 0

    def __post_init__(self) -> None:
        assert self.right_milli >= 0
        assert self.wrong_milli >= 0

    @property
    def trials_milli(self) -> int:
        return self.right_milli + self.wrong_milli


NOTHING_KNOWN = Evidence()


@dataclass(frozen=True, slots=True)
class Comparison:
    """A judge's word on two ballots, shown in this order: which of the two chains is better.

    `agent`, `node` and `operator` are the judge's; `preferred` is `first`, `second` or None for a
    tie.
    """

    agent: str
    node: str
    first: int
    second: int
    preferred: int | None
    operator: str = ""


@dataclass(frozen=True, slots=True)
class Grounds:
    """All that a rule may rest on, beside the ballots.

    `evidence` is by agent, for the skill of the task. `agreement` is the history of each pair of
    agents, by their names in ascending order. `comparisons` are used by `ranked` alone.
    """

    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    agreement: Mapping[tuple[str, str], Agreement] = field(default_factory=dict)
    comparisons: tuple[Comparison, ...] = ()
    caps: Caps = NO_CAPS

    def of(self, agent: str) -> Evidence:
        return self.evidence.get(agent, NOTHING_KNOWN)
