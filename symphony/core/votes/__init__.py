"""From a model's last words to one answer.

`answers` makes classes of what was said (`numerals`, `expression`, `polynomial`). `vote` adds up,
`settling` says when it is over and what each ballot weighs, by the rules in `weighing` and by the
evidence behind them (`evidence`, `grounds`, `reputation`). `voting` runs that for a live task,
`judges`, `comparison` and `comparing` for the rule that asks judges, `verdict` ends it.
"""
