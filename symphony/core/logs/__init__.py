"""The node's share of the ledger: its own log, everybody's, and how nodes come to hold the same.

`journal` is the door: nothing is appended or accepted but through it. `publishing` gossips what is
new, `replication` makes sure of what gossip lost, by heads and ranges (`requests`, `catch_up`).
`own_log` says whether this node may append at all, `forks` what follows when somebody signed two
histories. `witness` and `inclusion` are checkpoints, cosignatures and the proofs made of them,
`identities` the keys that stand for another, `retention` what is forgotten, and when.
"""
