"""What a steward was entrusted with, checked before it is believed.

The notes of this node are its own and true. Those of another may be anything: a conductor that was
wrong or hostile must not make its stewards run in circles, award nonsense, or fail. So each note is
held against the signed entries: the question against the digest in the task entry, awards against
the units of the task and the capabilities of the bidders, outputs against what their owners signed.
Whatever does not hold makes the whole list worthless; then there may be another one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ledger import Entry, Kind, Verifier, check_entry, parse_entry
from ledger.errors import LedgerError
from symphony.core import limits
from symphony.core.ids import EntryId, Epoch, NodeId, SwarmId, TaskId, derived_salt, unit_id
from symphony.core.ids import salted_digest as digest
from symphony.core.inputs import Submit
from symphony.core.receipts.units import role_of
from symphony.core.records import (
    AWARD,
    CAPABILITY,
    RESULT,
    TASK,
    VERDICT,
    Award,
    TaskRecord,
)
from symphony.core.stewards.charges import Charge
from symphony.core.stewards.line import line_of, may_award
from symphony.core.tasks.notes import (
    NOTE,
    BiddersKept,
    BoxKept,
    ChainTurned,
    EntryKept,
    EvidenceKept,
    ResultKept,
    TaskBegun,
    TaskNote,
)
from symphony.core.tasks.remains import Lost, Remains
from symphony.core.tasks.submission import task_record
from symphony.core.votes.evidence import is_evidence


def inherited(
    charge: Charge, notes: Iterable[bytes], swarm_id: SwarmId, verify: Verifier
) -> Remains:
    """The remains of a task, to be gone on with. Raises `Lost`, saying what does not hold."""
    try:
        found = [NOTE.decode(note) for note in notes]
        return _Check(charge, found, swarm_id, verify).run()
    except LedgerError as error:
        raise Lost(f"a note of it: {error.message}"[:300]) from None


class _Check:
    def __init__(
        self, charge: Charge, notes: list[TaskNote], swarm_id: SwarmId, verify: Verifier
    ) -> None:
        self.charge = charge
        self.notes = notes
        self.swarm_id = swarm_id
        self.verify = verify
        self.agents: dict[EntryId, tuple[NodeId, str]] = {}
        self.awards: dict[EntryId, tuple[Award, ...]] = {}

    def run(self) -> Remains:
        task = self._signed(self.charge.entry, Kind.TASK)
        record = TASK.decode(task.body or b"")
        begun = [note for note in self.notes if isinstance(note, TaskBegun)]
        if len(begun) != 1 or not isinstance(self.notes[0], TaskBegun):
            raise Lost("how it began")
        self._begun(begun[0], task, record)
        for note in self.notes:
            if isinstance(note, BiddersKept):
                self._bidders(note.entries)
        for note in self.notes:
            if isinstance(note, EntryKept):
                self._entry(note.entry, task, record)
        for note in self.notes:
            match note:
                case ResultKept():
                    self._result(note, begun[0])
                case EvidenceKept():
                    self._evidence(note.entries)
                case ChainTurned() if note.chain >= record.chains:
                    raise Lost(f"chain {note.chain}, of which there is none")
                case BoxKept():
                    raise Lost("an open note")
        kept = [EntryKept(self.charge.entry)]
        kept += [n for n in self.notes if isinstance(n, EntryKept) and n.entry != task.encode()]
        notes = [note for note in self.notes if not isinstance(note, EntryKept)]
        return Remains(self.charge.task, begun[0], [*notes, *kept], self.charge.until_ms)

    def _signed(self, raw: bytes, kind: Kind) -> Entry:
        entry = parse_entry(raw)
        check_entry(entry, self.swarm_id, self.verify)
        if entry.kind != kind or entry.body is None:
            raise Lost(f"an entry that is no {kind.name.lower()}")
        return entry

    def _begun(self, begun: TaskBegun, task: Entry, record: TaskRecord) -> None:
        """Is it what was asked for, by the task entry?"""
        submit = Submit(TaskId(record.task), begun.salt, begun.spec)
        asked = "auto" if begun.spec.rule == "auto" else task_record(submit)
        if isinstance(asked, str) or replace(asked, stewards=record.stewards) != record:
            raise Lost("what was asked")
        if not begun.spec.durable or len(begun.boxes) != len(record.stewards) + 1:
            raise Lost("the keys of its line")
        if any(len(key) not in (0, 32) for key in begun.boxes):
            raise Lost("the keys of its line")
        if record.task != self.charge.task or line_of(NodeId(task.author), record) != (
            self.charge.line
        ):
            raise Lost("its task entry")

    def _bidders(self, entries: Iterable[bytes]) -> None:
        for raw in entries:
            entry = self._signed(raw, Kind.CAPABILITY)
            capability = CAPABILITY.decode(entry.body or b"")
            self.agents[EntryId(entry.id)] = (NodeId(entry.author), capability.agent)

    def _evidence(self, entries: Iterable[bytes]) -> None:
        for raw in entries:
            entry = parse_entry(raw)
            check_entry(entry, self.swarm_id, self.verify)
            if entry.body is None or not is_evidence(entry):
                raise Lost("evidence that is none")

    def _entry(self, raw: bytes, task: Entry, record: TaskRecord) -> None:
        """An entry of somebody in line about the task."""
        entry = parse_entry(raw)
        check_entry(entry, self.swarm_id, self.verify)
        author = NodeId(entry.author)
        if author not in self.charge.line or entry.body is None:
            raise Lost("an entry by a stranger")
        if entry.kind == Kind.AWARD:
            awards = AWARD.decode(entry.body)
            if awards.task != record.task:
                raise Lost("an award of another task")
            for award in awards.awards:
                self._award(award, record, self.charge.line.index(author))
            self.awards[EntryId(entry.id)] = awards.awards
        elif entry.kind == Kind.VERDICT:
            if VERDICT.decode(entry.body).task != record.task:
                raise Lost("a verdict of another task")
        elif entry.id != task.id:
            raise Lost("an entry about something else")

    def _award(self, award: Award, record: TaskRecord, place: int) -> None:
        role = role_of(award.name, record.chains)
        if role is None:
            raise Lost(f"the award of {award.name!r}")
        fits = award.requirement.role == role and award.requirement.privacy == record.privacy
        unit = unit_id(self.charge.task, award.name)
        if not fits or award.unit != unit or not may_award(place, award.epoch):
            raise Lost(f"the award of {award.name}")
        if award.lease_ms > limits.LEASE_MS:
            raise Lost(f"the lease of {award.name}")
        bids = {(bid.capability, bid.owner, bid.agent) for bid in award.candidates}
        known = all(self.agents.get(EntryId(c)) == (NodeId(o), a) for c, o, a in bids)
        if not known or (award.capability, award.owner, award.agent) not in bids:
            raise Lost(f"the bidders of {award.name}")

    def _result(self, note: ResultKept, begun: TaskBegun) -> None:
        entry = self._signed(note.entry, Kind.RESULT)
        record = RESULT.decode(entry.body or b"")
        made = self.awards.get(EntryId(record.award))
        if made is None:
            return  # a result without its award is passed over
        for award in made:
            if (award.unit, award.epoch, award.owner) == (record.unit, record.epoch, entry.author):
                break
        else:
            raise Lost("a result by another than its owner")
        unit = unit_id(self.charge.task, award.name)
        salt = derived_salt(begun.secret, unit, Epoch(record.epoch))
        if record.output != digest("output", salt, note.output.encode()):
            raise Lost(f"the output of {award.name}")
