"""Who is there: admission, presence, suspicion, and finding those that one is not connected to.

`genesis` is what a swarm is born from, `invite` what lets somebody in, and `admission` decides who
may talk at all. `members` keeps who is connected and how busy they say they are (`presence`);
`suspicion`, `contact` and `go_between` are the doubt about a silent one. `directory` is who can do
what, by the ledger; `introducing` finds a way to them.
"""
