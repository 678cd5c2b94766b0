"""A task at its conductor: from what a user asked for to a finished run.

`submission` checks the task, `task_run` is its state and `unit` that of each piece of its work,
`plan` and `plan_forms` the split into steps. `owners` hears who works on it, `chains` is what
follows from a result, `conductor` the life of the whole. `notes` are what a conductor writes down
for itself; `remains`, `resuming` and `going_on` make a run of them after a restart.
"""
