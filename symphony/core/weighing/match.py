"""The rule `match`, the Symphony paper's: a ballot weighs its chain's mean match.

`w_i = (1/K_i) Σ_k s(owner_k, step k)`. It says how well owners *fitted* their steps, not how sure
or right they are; in a pool of equals it is nearly constant and the vote is a plain majority.
"""

from __future__ import annotations

from collections.abc import Sequence

from symphony.core.weighing.ballots import CastBallot, Grounds


def match(ballots: Sequence[CastBallot], grounds: Grounds) -> list[int]:
    """Each ballot's own `match_ppm`."""
    del grounds
    return [ballot.match_ppm for ballot in ballots]
