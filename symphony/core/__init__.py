"""The protocol itself, as pure functions and one state machine.

`Swarm.handle(now_ms, input) -> list[Effect]` is the whole contract: synchronous, total, without
a clock, a socket, a log line or randomness of its own. Everything that happens outside arrives
as an *input*; everything that should happen outside leaves as an *effect*, to be run in the
listed order. The node and the simulator are two edges around this same code.

This floor is the vocabulary and the router. Read in this order: `ids`, `records` (what the ledger
keeps), `messages` (what is said and forgotten), `inputs`, `effects` and `events`, then `swarm`, and
`reading` for what an entry means to whom. Behind it are eight rooms, each with its own page of
introduction:

    logs        own log, everybody's, and how nodes come to hold the same
    peers       who is there: admission, presence, suspicion, finding others
    beacon      who owns a unit: calls, bids, elections, awards, leases, what was learned
    owner       bidding, doing the work, handing it over
    tasks       a task at its conductor: plan, chains, notes, going on after a restart
    stewards    durable tasks: others take over
    votes       from a model's last words to one answer (and `weighing`, the rules of weight)
    receipts    everything behind a verdict, checked without a node

Who has an afternoon: `tasks.conductor` and `tasks.owners`, `beacon.calls`, `owner.worker`,
`votes.settling`, `receipts.recount` are the spine.
"""
