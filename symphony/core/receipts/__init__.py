"""Receipts: everything behind a verdict, in one file that anyone can check without a node.

`receipt` is the format and its verification, `recount` the vote run again, `report` what is said
of one that holds, `receipt_json` its other form. `bundle` makes one, `sealing` completes it.
"""
