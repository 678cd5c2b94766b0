"""The owner's side: bidding, doing the work, handing it over.

`bidding` answers calls, `worker` is the state machine of what was won, `jobs` says which of it runs
and which waits. `mandates` is what entitles to work, `orders` what an owner is told, `prompts` what
its model reads, `held` the work that came ahead, `fitting` what is kept of a model's words,
`handing_over` its signed results, `results` the conductor's check of them. `hosting` says in the
ledger which agents are here.
"""
