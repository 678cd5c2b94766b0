"""The one door: a rule's name, the ballots and their grounds give one integer weight per ballot.

After the rule itself, what an agent echoes of another's vote is taken off (for `reliability`,
whose evidence an echo would steal), and the caps per node, operator and lineage are applied, under
every rule. Under `match` and `majority`, where a ballot's weight is its own business, caps count
ballots: what is taken off a party's ballots then depends on who votes and not on how well anybody
fits. The result is a function of its arguments alone: a receipt's reader calls `weigh` and gets
the same integers.

`VERSION` names the arithmetic. It changes whenever any weight may come out differently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

from symphony.core.weighing.ballots import FULL_WEIGHT, CastBallot, Grounds
from symphony.core.weighing.caps import Caps, capped
from symphony.core.weighing.confidence import confidence
from symphony.core.weighing.effective import rates_ppm
from symphony.core.weighing.majority import majority
from symphony.core.weighing.match import match
from symphony.core.weighing.ranked import ranked
from symphony.core.weighing.reliability import reliability
from symphony.core.weighing.resemblance import without_echo

WeightRule = Literal["match", "majority", "reliability", "confidence", "ranked"]
Weigher = Callable[[Sequence[CastBallot], Grounds], list[int]]

VERSION = 4
RULES: Mapping[WeightRule, Weigher] = MappingProxyType(
    {
        "match": match,
        "majority": majority,
        "reliability": reliability,
        "confidence": confidence,
        "ranked": ranked,
    }
)

OWN_WEIGHT: frozenset[WeightRule] = frozenset({"match", "majority"})
"""Rules under which a ballot's weight, before caps, depends on nothing but its own chain."""

AUTO_TRIALS = 5
"""Trials from which on an agent counts as known, when `auto` looks for its rule."""

AUTO_SHARE = Fraction(3, 4)
"""The share of the parties that must be known for `auto` to mean `reliability`."""


def weigh(rule: WeightRule, ballots: Sequence[CastBallot], grounds: Grounds) -> list[int]:
    """The weight of each ballot, in ppm of the heaviest; in the order of the ballots.

    `match`, `majority` and `reliability` do not look at the answers, so their weights are fixed
    as soon as the owners are known; `certify` needs that.
    """
    weights = RULES[rule](ballots, grounds)
    if rule in OWN_WEIGHT:
        shares = heads(ballots, grounds.caps)
        return [own * share // FULL_WEIGHT for own, share in zip(weights, shares, strict=True)]
    if rule == "reliability" and grounds.agreement:
        agents = [ballot.agent for ballot in ballots]
        weights = without_echo(weights, agents, rates_ppm(ballots, grounds), grounds.agreement)
    return _bounded(weights, ballots, grounds.caps)


def heads(ballots: Sequence[CastBallot], caps: Caps) -> list[int]:
    """What each ballot counts where all are worth the same: full, but for the caps."""
    return _bounded([FULL_WEIGHT] * len(ballots), ballots, caps)


def _bounded(weights: list[int], ballots: Sequence[CastBallot], caps: Caps) -> list[int]:
    weights = capped(weights, [ballot.node for ballot in ballots], caps.node_ppm)
    weights = capped(weights, [ballot.operator for ballot in ballots], caps.operator_ppm)
    return capped(weights, [ballot.lineage for ballot in ballots], caps.lineage_ppm)


def default_rule(ballots: Sequence[CastBallot], grounds: Grounds) -> WeightRule:
    """What `auto` means: `reliability` once there is evidence on nearly all who may vote, and
    `majority` before. Where only some are known, the weight of a newcomer would be a guess, and a
    vote that guesses loses more than it learns. A party has one voice in this, however many agents
    it names, so that nobody can drown what is known.
    """
    known: dict[str, list[bool]] = {}
    for ballot in ballots:
        party = ballot.operator or ballot.node or ballot.agent
        enough = grounds.of(ballot.agent).trials_milli >= AUTO_TRIALS * 1000
        known.setdefault(party, []).append(enough)
    share = sum((Fraction(sum(own), len(own)) for own in known.values()), start=Fraction(0))
    return "reliability" if known and share >= AUTO_SHARE * len(known) else "majority"
