"""What is to be expected of an agent, in integers that anybody computes again.

`learned` scores a bidder by three factors, each a share in parts per million:

    match × quality × availability

- *match* is φ of what the agent says about itself: all there is before there is experience. A text
  is easily copied, so what it lacks counts less the more is known: half after 1.5 observations.
- *quality* is mean + z · spread of the Beta distribution of being right that the evidence leaves.
  z is a draw, the same for all bidders of a unit: a hash of the unit, so a receipt's reader draws
  it, too. Where it is high, who is little known is tried; where it is low, who is well known gets
  the work. Among bidders of whom equally little is known match alone decides, and a bad one must
  be ahead by the spread that its own record leaves: with a draw for each, the luckiest of many
  liars got in again and again.
- *availability* is the share of awards that it delivered on.

The Beta is replaced by a normal of its mean and variance, cut at its 16-quantiles: that needs one
integer square root and no table of Betas, and the error is far below a bucket of the election.

Counts are in thousandths (milli): what is old fades by `limits.FADE_PPM` with each new
observation of the same agent and skill, and by less with one that says less; so at most some 20
observations count, a change for the worse shows after a handful, and what says nothing new does not
wash out what is known. Thompson (1933); one draw for all arms after Vaswani, Mehrabian, Durand and
Kveton, "Old Dog Learns New Tricks: Randomized UCB" (2020); discounting after Garivier and Moulines
(2011).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import isqrt

from symphony.core import limits
from symphony.core.ids import UnitId

ONE = 1_000_000
QUANTILES_MILLI = (78, 237, 402, 579, 776, 1010, 1318, 1863)
"""The normal distribution at 8½/16, 9½/16 … 15½/16; below the middle the same, negative."""
MIN_QUALITY_PPM = 20_000
"""What is expected of a newcomer under the lowest draw: a little, so that match still decides."""
MIN_FIT_PPM = 10_000
"""A match of nothing still leaves the other factors a say: without an encoder and with no word in
common everybody matches by nothing.
"""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a conductor knows of one agent at one skill, in milli-counts.

    `right` and `wrong` hold the prior as well; `kept` and `missed` are awards, of all skills.
    """

    right: int = limits.PRIOR_MILLI // 2
    wrong: int = limits.PRIOR_MILLI // 2
    kept: int = 0
    missed: int = 0

    @property
    def counts(self) -> tuple[int, int, int, int]:
        return self.right, self.wrong, self.kept, self.missed


NO_EVIDENCE = Evidence()


def quality_ppm(evidence: Evidence, draw: int) -> int:
    """The `draw`-th (0 … 15) sixteenth of the distribution of being right."""
    a, b = max(1, evidence.right), max(1, evidence.wrong)
    n = a + b
    mean = a * ONE // n
    spread = isqrt(a * b * 1000 * ONE * ONE // (n * n * (n + 1000)))
    z = QUANTILES_MILLI[draw - 8] if draw >= 8 else -QUANTILES_MILLI[7 - draw]
    return min(ONE, max(MIN_QUALITY_PPM, mean + z * spread // 1000))


def availability_ppm(evidence: Evidence) -> int:
    """The share of awards that are delivered; a newcomer gets the benefit of the doubt."""
    kept = evidence.kept + limits.PRIOR_KEPT_MILLI
    return kept * ONE // (kept + evidence.missed)


def drawn(unit: UnitId) -> int:
    """0 … 15, for all bidders of a unit. Unit ids aren't known beforehand, so nobody bids by it."""
    return hashlib.sha256(b"symphony/draw/1\x00" + unit).digest()[0] & 15


def expected_ppm(match_ppm: int, evidence: Evidence, draw: int) -> int:
    """The score under `learned`."""
    fit = max(match_ppm, MIN_FIT_PPM)
    known = max(0, evidence.right + evidence.wrong - limits.PRIOR_MILLI)
    fit += (ONE - fit) * known // (known + limits.CLAIM_MILLI)
    return fit * quality_ppm(evidence, draw) // ONE * availability_ppm(evidence) // ONE


def faded(count: int, weight_milli: int = 1000) -> int:
    """A count after one more observation of the same kind, of this weight."""
    lost = (ONE - limits.FADE_PPM) * weight_milli // 1000
    return count * (ONE - lost) // ONE
