"""What a ballot weighs: rules over evidence, in integers that anyone can compute again.

A vote has three parts. *Weights* are fixed before the ballots are opened, from what is known about
their owners (`reliability`), or come with the ballots (`match`, `confidence`, `ranked`); equal
votes are the rule `majority`. *Caps* and the discount for agreement then bound what one node, one
operator, one lineage or one echo of another agent may add. The *tally* is
`symphony.core.votes.vote`; `stopping` says when it is certified at a level, `prospect` when the
rest is not worth asking.

Every rule is one small function in a file of its own, from the same two values (`CastBallot`,
`Grounds`) to one integer per ballot: parts per million of the heaviest. Arithmetic is on integers
and exact fractions, rounded down once, so that each machine gets the same bytes. `weigh` in `rules`
is the one door.

    ballots + grounds ─► rule ─► discount ─► caps ─► weights ─► tally ─► stop
"""

from symphony.core.weighing.ballots import FLOOR as FLOOR
from symphony.core.weighing.ballots import FULL_WEIGHT as FULL_WEIGHT
from symphony.core.weighing.ballots import CastBallot as CastBallot
from symphony.core.weighing.ballots import Comparison as Comparison
from symphony.core.weighing.ballots import Evidence as Evidence
from symphony.core.weighing.ballots import Grounds as Grounds
from symphony.core.weighing.caps import NO_CAPS as NO_CAPS
from symphony.core.weighing.caps import Caps as Caps
from symphony.core.weighing.effective import effective_milli as effective_milli
from symphony.core.weighing.prospect import enough as enough
from symphony.core.weighing.prospect import even as even
from symphony.core.weighing.resemblance import Agreement as Agreement
from symphony.core.weighing.rules import AUTO_TRIALS as AUTO_TRIALS
from symphony.core.weighing.rules import OWN_WEIGHT as OWN_WEIGHT
from symphony.core.weighing.rules import RULES as RULES
from symphony.core.weighing.rules import VERSION as VERSION
from symphony.core.weighing.rules import WeightRule as WeightRule
from symphony.core.weighing.rules import default_rule as default_rule
from symphony.core.weighing.rules import weigh as weigh
from symphony.core.weighing.stopping import OPEN as OPEN
from symphony.core.weighing.stopping import Certificate as Certificate
from symphony.core.weighing.stopping import any_order as any_order
from symphony.core.weighing.stopping import certify as certify
from symphony.core.weighing.stopping import draw_order as draw_order
from symphony.core.weighing.whoever import stands as stands
