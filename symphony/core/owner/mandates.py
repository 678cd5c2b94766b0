"""What entitles an owner to work: an award, signed by somebody who may give this task away.

That is the conductor of the task, by its own word; or a steward, by the conductor's: it shows the
signed task entry that names it, and awards only epochs of its own place (`line`). An award that the
conductor made may be handed on by a steward, for it goes on with what was begun.

Units belong to a task *of a conductor*: fences and jobs are kept under the key of whoever signed
the task entry, so that nobody can fence off a unit of somebody else's task.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger import Kind
from ledger.errors import DecodeError
from symphony.core.ids import EntryId, NodeId
from symphony.core.logs.journal import Journal
from symphony.core.messages import Work
from symphony.core.records import AWARD, TASK, Award
from symphony.core.stewards.line import line_of, may_award


@dataclass(frozen=True, slots=True)
class Mandate:
    """One award of one task; `origin` is the node whose task it is."""

    origin: NodeId
    task: bytes
    award: Award
    award_id: EntryId


def mandate(journal: Journal, peer: NodeId, work: Work) -> Mandate | str:
    """The award that entitles this node, or why there is none."""
    entry = journal.take_signed(peer, work.entry)
    if entry is None or entry.kind != Kind.AWARD or entry.body is None:
        return "no award entry"
    line: tuple[NodeId, ...] = (peer,)
    task = b""
    if work.task:
        found = _line(journal, peer, work.task)
        if isinstance(found, str):
            return found
        line, task = found
    if peer not in line or entry.author not in line:
        return "the award is not by the sender"
    try:
        record = AWARD.decode(entry.body)
    except DecodeError as error:
        return f"award: {error}"[:300]
    if task and record.task != task:
        return "the award is for another task"
    if len(line) > 1 and not may_award(line.index(NodeId(entry.author)), work.epoch):
        return "the award has an epoch that is not its author's"
    for award in record.awards:
        if (award.unit, award.epoch, award.owner) == (work.unit, work.epoch, journal.me):
            return Mandate(line[0], record.task, award, EntryId(entry.id))
    return "the award does not name this node"


def _line(journal: Journal, peer: NodeId, raw: bytes) -> tuple[tuple[NodeId, ...], bytes] | str:
    """Everybody who may award units of the task of this entry, and its id."""
    entry = journal.take_signed(peer, raw)
    if entry is None or entry.kind != Kind.TASK or entry.body is None:
        return "no task entry"
    try:
        record = TASK.decode(entry.body)
    except DecodeError as error:
        return f"task: {error}"[:300]
    return line_of(NodeId(entry.author), record), record.task
