"""Durable tasks: others take over when a conductor is lost for good.

`line` is the order of turns, `entrusting` what the conductor gives away. The other side: `charges`
is a task as one of its line sees it, `keeping` holds them within bounds, `inherited` is what is
checked before it is believed, and `stewarding` says when to take over, and when to step back.
"""
