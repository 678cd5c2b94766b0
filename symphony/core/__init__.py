"""The protocol itself, as pure functions and one state machine.

`Swarm.handle(now_ms, input) -> list[Effect]` is the whole contract: synchronous, total, without
a clock, a socket, a log line or randomness of its own. Everything that happens outside arrives
as an *input*; everything that should happen outside leaves as an *effect*, to be run in the
listed order. The node and the simulator are two edges around this same code.

Read in this order: `ids`, `records` (what the ledger keeps), `messages` (what is said and
forgotten), `inputs` and `effects`, `swarm` (the router), then `conductor` and `worker`.
"""
