"""Is a vote better than one good agent? Measured on recorded and on live models.

`recordings` reads what real models once answered; `pools` and `calibration` decide who votes and
what is known of them; `casting` votes, through the code that live votes go through; `study`
compares rules with the honest baselines (the best single agent, the plain majority, an oracle)
and `report` prints. `docs/evaluation.md` has the results and the commands.
"""

from symphony.evaluation.pools import POOL_KINDS as POOL_KINDS
from symphony.evaluation.pools import PoolKind as PoolKind
from symphony.evaluation.recordings import Recording as Recording
from symphony.evaluation.recordings import Reply as Reply
from symphony.evaluation.recordings import load as load
from symphony.evaluation.report import as_json as as_json
from symphony.evaluation.report import as_lines as as_lines
from symphony.evaluation.study import PoolReport as PoolReport
from symphony.evaluation.study import study as study
