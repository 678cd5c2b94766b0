"""What an owner hands over, checked against what it was awarded.

A result counts only if it is the owner's own signed entry, for this very award, and commits to
exactly the order that was sent and the output that came with it. An output of no use is none: an
owner whose model said nothing, or whose judge did not say which answer is better, has failed, and
has to say so. Both sides find that out by the same rule (`unusable`).
"""

from __future__ import annotations

from ledger import Entry, Kind
from ledger.errors import DecodeError
from symphony.core.ids import NodeId, salted_digest
from symphony.core.messages import Done, encode_order
from symphony.core.records import RESULT, ResultRecord, Role
from symphony.core.tasks.unit import Unit
from symphony.core.votes.answers import is_empty
from symphony.core.votes.comparison import places_in


def unusable(role: Role, output: str) -> str:
    """Why an output is no result of a unit of this role, beginning with the failure's type; or
    nothing.
    """
    if is_empty(output):
        return "empty_output: the model ended without saying anything"
    if role == "judge" and places_in(output) is None:
        return "no_preference: the judge did not say which answer is better"
    return ""


OTHER_INPUT = "does not commit to this input"


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
    if record.output != expected:
        return "does not commit to this output"
    if record.input != given:
        return OTHER_INPUT
    useless = unusable(unit.role, done.output)
    if record.status == "ok" and useless:
        return f"called ok, but {useless}"
    return record
