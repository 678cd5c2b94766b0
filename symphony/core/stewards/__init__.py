"""Durable tasks: others take over when a conductor is lost for good.

`line` is the order of turns, `entrusting` what the conductor gives away, `inherited` what is
checked before it is believed, `charges` and `stewarding` the other side.
"""
