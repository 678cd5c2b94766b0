"""The Beacon protocol: who owns a unit of work.

`calls` is the call and its bids, `ahead` the call before its time, `asking` whom to ask for what,
`election` the rule, `awards` the signed choice, `lease` how long it holds, `hedging` the rival of a
straggler. What a bid is worth comes from `match` (what an agent says of itself, by `vectors`) and
from what was seen of it: `experience`, `expectation`, `pace`, `breaker`, fed by `open_tasks`,
`judging` and `probing`; `claims` checks what it says. `trusted` says who may own work, `seeking`
looks beyond the peers at hand.
"""
