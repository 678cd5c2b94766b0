"""Receipts: the format, and the verification that anyone can run without a node.

A receipt holds the signed ledger entries behind one verdict (task, awards, results, verdict, and
the capabilities of all bidders) and opens the digests in them (question, plans, outputs). From
these alone `verify_receipt` runs the election and the vote again and compares. Once the
conductor's log has a checkpoint, a `Seal` is added: proofs that the entries stand in that log, and
who saw it (`inclusion`).

It proves who said what, that the steps were what the question and the plans ask for, that the
election and the vote followed the rule, and with a seal that the conductor shows everybody the same
log. It does not prove that the answer is true, nor that a node ran the model that it names.

The form is closed: bytes that hold anything besides these fields are refused, so nothing in a
receipt can be changed, or hidden in it, without being noticed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeVar

from annotated_types import Len

from ledger import Entry, Kind, Verifier, check_entry, parse_entry
from ledger import verify as ed25519_verify
from ledger.errors import DecodeError, InvalidEntry, LedgerError
from symphony.core import limits
from symphony.core.ids import (
    EntryId,
    NodeId,
    TaskId,
    UnitId,
    salted_digest,
    schema_digest,
    short,
    unit_id,
)
from symphony.core.logs.inclusion import Seal, SealReport, check_seal
from symphony.core.owner.prompts import DIRECT_SKILL
from symphony.core.receipts.asked import as_ordered
from symphony.core.receipts.checked import Checked, refuse
from symphony.core.receipts.elections import Elections
from symphony.core.receipts.form import closed
from symphony.core.receipts.recount import recount
from symphony.core.receipts.report import InLine, ReceiptReport, sentences
from symphony.core.receipts.units import as_planned, of_task
from symphony.core.records import (
    AWARD,
    CAPABILITY,
    RESULT,
    TASK,
    VERDICT,
    TaskRecord,
    VerdictRecord,
)
from symphony.core.stewards.line import line_of, may_award
from symphony.core.wire import Codec, Digest, Name, Salt

FORMAT = "symphony-receipt/1"
MAX_RECEIPT_BYTES = 8 * 1024 * 1024  # 16 chains × 8 steps with outputs of up to 64 KiB
MAX_ENTRIES = 2048

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OpenedText:
    """The text behind the output digest of one accepted result."""

    unit: Name
    result: Digest
    salt: Salt
    text: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt file holds. `seal` is None until the conductor's log has a checkpoint."""

    format: str
    swarm: Digest
    salt: Salt
    prompt: str
    answer_schema: str
    entries: Annotated[tuple[bytes, ...], Len(2, MAX_ENTRIES)]
    capabilities: Annotated[tuple[bytes, ...], Len(0, MAX_ENTRIES)]
    opened: Annotated[tuple[OpenedText, ...], Len(0, MAX_ENTRIES)]
    evidence: Annotated[tuple[bytes, ...], Len(0, limits.MAX_CITED)]
    seal: Seal | None = None


RECEIPT: Codec[Receipt] = Codec(Receipt, max_bytes=MAX_RECEIPT_BYTES)


def verify_receipt(data: bytes, *, verify: Verifier = ed25519_verify) -> ReceiptReport:
    """Check a receipt from its bytes alone. Raises `ReceiptInvalid` naming what doesn't hold."""
    try:
        receipt = RECEIPT.decode(data)
    except DecodeError as error:
        refuse(f"this is no receipt: {error}")
    if receipt.format != FORMAT:
        refuse(f"unknown format {receipt.format[:40]!r}")
    if RECEIPT.encode(receipt) != data:
        refuse("it holds fields that no receipt has")
    return _Check(receipt, verify).run()


class _Check:
    """One verification; each step leaves what the next ones stand on."""

    def __init__(self, receipt: Receipt, verify: Verifier) -> None:
        self.receipt = receipt
        self.verify = verify
        self.found = Checked(receipt.salt, receipt.prompt, receipt.answer_schema)
        self.award_entry: dict[tuple[UnitId, int], EntryId] = {}
        self.places: dict[tuple[bytes, int], bytes] = {}

    def run(self) -> ReceiptReport:
        first, *middle, last = [self._entry(raw) for raw in self.receipt.entries]
        task = self._task(first)
        self.found.skill = task.skill or DIRECT_SKILL
        line = line_of(NodeId(first.author), task)
        verdict = self._verdict(last, first, line)
        capabilities = [self._entry(raw) for raw in self.receipt.capabilities]
        for entry in capabilities:
            self._capability(entry)
        elections = Elections(self.found, task)
        reached = {first.author: first.seq}
        for entry in middle:
            in_turn = reached.get(entry.author, 0) < entry.seq
            before = entry.author != last.author or entry.seq < last.seq
            if entry.kind == Kind.AWARD and entry.author in line and in_turn and before:
                reached[entry.author] = entry.seq
                if entry.refs != (first.id,):
                    refuse(f"award {short(entry.id)} is for another task entry")
                self._awards(entry, task, elections, line.index(NodeId(entry.author)))
            elif entry.kind == Kind.RESULT:
                self._result(entry, task)
            else:
                refuse(f"entry {short(entry.id)} does not belong into this receipt")
        for opened in self.receipt.opened:
            self._opened(opened)
        self._all_opened()
        closed(self.found, (first, *middle, last), capabilities)
        as_planned(self.found, task)
        self.found.evidence += [self._entry(raw) for raw in self.receipt.evidence]
        vote = recount(self.found, first, task, verdict)
        as_ordered(self.found, task)
        seal = self._seal([e for e in (first, *middle, last) if e.author == last.author])
        place = line.index(NodeId(last.author))
        in_line = InLine(place, len(line) - 1, verdict.outcome, last.seq)
        proven, not_proven = sentences(seal, in_line)
        return ReceiptReport(
            swarm=self.receipt.swarm,
            conductor=NodeId(first.author),
            task=task.task,
            prompt=self.receipt.prompt,
            outcome=verdict.outcome,
            rule=verdict.rule,
            answer=vote.answer,
            ballots=vote.ballots,
            signatures=sum(
                len(raw)
                for raw in (
                    self.receipt.entries,
                    self.receipt.capabilities,
                    self.receipt.evidence,
                )
            ),
            awards=len(self.found.awards),
            passed_over=vote.passed_over,
            stop=vote.stop,
            said=verdict.stop,
            proven=proven,
            not_proven=not_proven,
            seal=seal,
            settled=verdict.settled,
            alpha_ppm=task.alpha,
            e_milli=verdict.e_milli,
            effective_milli=vote.effective_milli,
            evidence=len(self.found.evidence),
            author=NodeId(last.author),
            in_line=in_line,
        )

    def _entry(self, raw: bytes) -> Entry:
        try:
            entry = parse_entry(raw)
            check_entry(entry, self.receipt.swarm, self.verify)
        except LedgerError as error:
            refuse(f"an entry does not hold: {error.message}")
        if self.places.setdefault((entry.author, entry.seq), entry.id) != entry.id:
            refuse(f"{short(entry.author)} signed two entries {entry.seq}: its log forked")
        return entry

    def _seal(self, own: list[Entry]) -> SealReport | None:
        """Who saw the log that these entries of the verdict's author stand in."""
        if self.receipt.seal is None:
            return None
        try:
            return check_seal(self.receipt.seal, own, self._entry)
        except InvalidEntry as error:
            refuse(f"the seal does not hold: {error.message}")

    def _task(self, entry: Entry) -> TaskRecord:
        task = _body(entry, Kind.TASK, TASK)
        if task.prompt != salted_digest("prompt", self.receipt.salt, self.receipt.prompt.encode()):
            refuse("the question is not the one that the task entry commits to")
        if task.schema != schema_digest(self.receipt.salt, self.receipt.answer_schema):
            refuse("the answer's schema is not the one that the task entry commits to")
        return task

    def _verdict(self, entry: Entry, first: Entry, line: tuple[NodeId, ...]) -> VerdictRecord:
        """Of the conductor, or of a steward that the task entry names."""
        verdict = _body(entry, Kind.VERDICT, VERDICT)
        if entry.author not in line or entry.refs != (first.id,):
            refuse("the verdict is not by the task's conductor, or for another task")
        return verdict

    def _capability(self, entry: Entry) -> None:
        record = _body(entry, Kind.CAPABILITY, CAPABILITY)
        self.found.capabilities[EntryId(entry.id)] = (NodeId(entry.author), record)

    def _awards(self, entry: Entry, task: TaskRecord, elections: Elections, place: int) -> None:
        """Is each award one that its author may make, and its owner elected?"""
        record = _body(entry, Kind.AWARD, AWARD)
        if record.task != task.task:
            refuse(f"award {short(entry.id)} is for another task")
        for award in record.awards:
            if award.unit != unit_id(TaskId(task.task), award.name):
                refuse(f"the award of {award.name} has the wrong unit")
            of_task(award, task)
            if task.stewards and not may_award(place, award.epoch):
                refuse(f"{award.name} was awarded with an epoch of somebody else")
            key = (UnitId(award.unit), award.epoch)
            if key in self.found.awards:
                refuse(f"{award.name} was awarded twice in epoch {award.epoch}")
            elections.held(award)
            self.found.awards[key] = award
            self.award_entry[key] = EntryId(entry.id)

    def _result(self, entry: Entry, task: TaskRecord) -> None:
        record = _body(entry, Kind.RESULT, RESULT)
        award = self.found.awards.get((UnitId(record.unit), record.epoch))
        if award is None or record.task != task.task:
            refuse(f"result {short(entry.id)} belongs to no award")
        if award.owner != entry.author:
            refuse(f"the result of {award.name} is not by its owner")
        if record.award != self.award_entry[UnitId(record.unit), record.epoch]:
            refuse(f"the result of {award.name} names another award")
        if record.agent != award.agent:
            refuse(f"the result of {award.name} is by another agent")
        if EntryId(entry.id) in self.found.results:
            refuse(f"the result of {award.name} is there twice")
        self.found.results[EntryId(entry.id)] = (entry, record)
        self.found.claimed_tokens += record.prompt_tokens + record.completion_tokens

    def _opened(self, opened: OpenedText) -> None:
        found = self.found.results.get(EntryId(opened.result))
        if found is None or found[1].status != "ok":
            refuse(f"the output of {opened.unit} belongs to no good result")
        _, record = found
        award = self.found.awards[UnitId(record.unit), record.epoch]
        if award.name != opened.unit or opened.unit in self.found.texts:
            refuse(f"the output of {opened.unit} belongs to another unit")
        if record.output != salted_digest("output", opened.salt, opened.text.encode()):
            refuse(f"the output of {opened.unit} is not the one that its owner signed")
        self.found.salts[opened.unit] = opened.salt
        self.found.texts[opened.unit] = (EntryId(opened.result), opened.text, award)

    def _all_opened(self) -> None:
        """Is every good result shown? Of a plan only the one that was gone by: a bad one is asked
        for once more.
        """
        shown = {result for result, _, _ in self.found.texts.values()}
        for name, (_, record) in self.found.results.items():
            award = self.found.awards[UnitId(record.unit), record.epoch]
            if record.status == "ok" and name not in shown and award.requirement.role != "plan":
                refuse(f"the output of {award.name} is not shown")


def _body(entry: Entry, kind: Kind, codec: Codec[T]) -> T:
    if entry.kind != kind or entry.body is None:
        refuse(f"entry {short(entry.id)} is no {kind.name.lower()}")
    try:
        return codec.decode(entry.body)
    except DecodeError as error:
        refuse(f"the {kind.name.lower()} entry {short(entry.id)} is unreadable: {error}")
