"""What an owner hands over, checked against what it was awarded.

A result counts only if it is the owner's own signed entry, for this very award, and commits to
exactly the order that was sent and the output that came with it. An empty output is none: an
owner whose model said nothing has failed, and has to say so.
"""

from __future__ import annotations

from ledger import Entry, Kind
from ledger.errors import DecodeError
from symphony.core.answers import is_empty
from symphony.core.comparison import comparisons_in
from symphony.core.ids import NodeId, salted_digest
from symphony.core.messages import Done, encode_order
from symphony.core.records import RESULT, ResultRecord
from symphony.core.task_run import Unit


def checked(peer: NodeId, unit: Unit, entry: Entry, done: Done) -> ResultRecord | str:
    """The record in a result entry, or what is wrong with it. `unit` is owned by `peer`."""
    if entry.author != peer or entry.kind != Kind.RESULT or entry.body is None:
        return "not a result entry of the owner"
    try:
        record = RESULT.decode(entry.body)
    except DecodeError as error:
        return str(error)[:300]
    assert unit.order is not None
    expected = salted_digest("output", unit.salt, done.output.encode())
    given = salted_digest("input", unit.salt, encode_order(unit.order))
    same = (record.unit, record.epoch, record.award, record.task)
    if same != (unit.id, unit.epoch, unit.award_id, unit.task):
        return "for another award"
    if record.output != expected or record.input != given:
        return "does not commit to this input and output"
    if record.status == "ok" and is_empty(done.output):
        return "its output is empty"
    judged = unit.role != "judge" or comparisons_in(unit.name, done.output, record.agent, "")
    if record.status == "ok" and not judged:
        return "it does not say which answer is better"
    return record
