"""Receipts: the format, and the verification that anyone can run without a node.

A receipt holds the signed ledger entries behind one verdict (task, awards, results, verdict, and
the capabilities of all bidders) and opens the digests in them (question, plans, outputs). From
these alone `verify_receipt` runs the election and the vote again and compares. Once the
conductor's log has a checkpoint, a `Seal` is added: proofs that the entries stand in that log, and
who saw it (`inclusion`).

It proves who said what, that the election and the vote followed the rule, and with a seal that
the conductor shows everybody the same log. It does not prove that the answer is true, nor that a
node ran the model that it names.

The form is closed: bytes that hold anything besides these fields are refused, so nothing in a
receipt can be changed, or hidden in it, without being noticed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, NoReturn, TypeVar

from annotated_types import Len

from ledger import Entry, Kind, Verifier, check_entry, parse_entry
from ledger import verify as ed25519_verify
from ledger.errors import DecodeError, InvalidEntry, LedgerError
from symphony.core.answers import canonical, extract
from symphony.core.election import chain_of, rank, score, used_elsewhere
from symphony.core.ids import EntryId, NodeId, TaskId, UnitId, salted_digest, short, unit_id
from symphony.core.inclusion import Seal, SealReport, check_seal
from symphony.core.match import eligible, match
from symphony.core.plan import BadPlan, parse_plan
from symphony.core.records import (
    AWARD,
    CAPABILITY,
    RESULT,
    TASK,
    VERDICT,
    Award,
    Ballot,
    Capability,
    ResultRecord,
    TaskRecord,
    VerdictRecord,
)
from symphony.core.report import CheckedBallot, ReceiptReport, sentences
from symphony.core.vote import Vote, tally, weigh
from symphony.core.wire import Codec, Digest, Name, Salt
from symphony.errors import ReceiptInvalid

FORMAT = "symphony-receipt/1"
MAX_RECEIPT_BYTES = 8 * 1024 * 1024  # 16 chains × 8 steps with outputs of up to 64 KiB
MAX_ENTRIES = 2048
_UNIT = re.compile(r"(plan|step)/(0|[1-9][0-9]?)(/[^\W_]{1,16})?")

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
    entries: Annotated[tuple[bytes, ...], Len(2, MAX_ENTRIES)]
    capabilities: Annotated[tuple[bytes, ...], Len(0, MAX_ENTRIES)]
    opened: Annotated[tuple[OpenedText, ...], Len(0, MAX_ENTRIES)]
    seal: Seal | None = None


RECEIPT: Codec[Receipt] = Codec(Receipt, max_bytes=MAX_RECEIPT_BYTES)


def verify_receipt(data: bytes, *, verify: Verifier = ed25519_verify) -> ReceiptReport:
    """Check a receipt from its bytes alone. Raises `ReceiptInvalid` naming what doesn't hold."""
    try:
        receipt = RECEIPT.decode(data)
    except DecodeError as error:
        _refuse(f"this is no receipt: {error}")
    if receipt.format != FORMAT:
        _refuse(f"unknown format {receipt.format[:40]!r}")
    if RECEIPT.encode(receipt) != data:
        _refuse("it holds fields that no receipt has")
    return _Check(receipt, verify).run()


def _refuse(text: str) -> NoReturn:
    raise ReceiptInvalid(text, hint="ask the conductor of the task for the original file")


class _Check:
    """One verification; each step leaves what the next ones stand on."""

    def __init__(self, receipt: Receipt, verify: Verifier) -> None:
        self.receipt = receipt
        self.verify = verify
        self.awards: dict[tuple[UnitId, int], Award] = {}
        self.award_entry: dict[tuple[UnitId, int], EntryId] = {}
        self.results: dict[EntryId, tuple[Entry, ResultRecord]] = {}
        self.capabilities: dict[EntryId, tuple[NodeId, Capability]] = {}
        self.texts: dict[str, tuple[OpenedText, Award]] = {}
        self.places: dict[tuple[bytes, int], bytes] = {}
        self.claimed_tokens = 0

    def run(self) -> ReceiptReport:
        first, *middle, last = [self._entry(raw) for raw in self.receipt.entries]
        task = self._task(first)
        verdict = self._verdict(last, first)
        for raw in self.receipt.capabilities:
            self._capability(self._entry(raw))
        latest: dict[int, tuple[str, bytes]] = {}
        last_seq = first.seq
        for entry in middle:
            if (
                entry.kind == Kind.AWARD
                and last_seq < entry.seq < last.seq
                and (entry.author == first.author)
            ):
                last_seq = entry.seq
                self._awards(entry, task, latest)
            elif entry.kind == Kind.RESULT:
                self._result(entry, task)
            else:
                _refuse(f"entry {short(entry.id)} does not belong into this receipt")
        for opened in self.receipt.opened:
            self._opened(opened)
        answer, ballots = self._vote(task, verdict)
        seal = self._seal([e for e in (first, *middle, last) if e.author == first.author])
        proven, not_proven = sentences(seal)
        return ReceiptReport(
            swarm=self.receipt.swarm,
            conductor=NodeId(first.author),
            task=task.task,
            prompt=self.receipt.prompt,
            outcome=verdict.outcome,
            rule=verdict.rule,
            answer=answer,
            ballots=ballots,
            signatures=len(self.receipt.entries) + len(self.receipt.capabilities),
            awards=len(self.awards),
            stop=verdict.stop,
            proven=proven,
            not_proven=not_proven,
            seal=seal,
        )

    def _entry(self, raw: bytes) -> Entry:
        try:
            entry = parse_entry(raw)
            check_entry(entry, self.receipt.swarm, self.verify)
        except LedgerError as error:
            _refuse(f"an entry does not hold: {error.message}")
        if self.places.setdefault((entry.author, entry.seq), entry.id) != entry.id:
            _refuse(f"{short(entry.author)} signed two entries {entry.seq}: its log forked")
        return entry

    def _seal(self, own: list[Entry]) -> SealReport | None:
        """Who saw the log that these entries of the conductor stand in."""
        if self.receipt.seal is None:
            return None
        try:
            return check_seal(self.receipt.seal, own, self._entry)
        except InvalidEntry as error:
            _refuse(f"the seal does not hold: {error.message}")

    def _task(self, entry: Entry) -> TaskRecord:
        task = _body(entry, Kind.TASK, TASK)
        if task.prompt != salted_digest("prompt", self.receipt.salt, self.receipt.prompt.encode()):
            _refuse("the question is not the one that the task entry commits to")
        return task

    def _verdict(self, entry: Entry, first: Entry) -> VerdictRecord:
        verdict = _body(entry, Kind.VERDICT, VERDICT)
        if entry.author != first.author or first.id not in entry.refs:
            _refuse("the verdict is not by the task's conductor, or for another task")
        return verdict

    def _capability(self, entry: Entry) -> None:
        record = _body(entry, Kind.CAPABILITY, CAPABILITY)
        self.capabilities[EntryId(entry.id)] = (NodeId(entry.author), record)

    def _awards(self, entry: Entry, task: TaskRecord, latest: dict[int, tuple[str, bytes]]) -> None:
        """Run the election of each award again."""
        record = _body(entry, Kind.AWARD, AWARD)
        if record.task != task.task:
            _refuse(f"award {short(entry.id)} is for another task")
        for award in record.awards:
            if award.unit != unit_id(TaskId(task.task), award.name):
                _refuse(f"the award of {award.name} has the wrong unit")
            self._unit(award, task)
            key = (UnitId(award.unit), award.epoch)
            if key in self.awards:
                _refuse(f"{award.name} was awarded twice in epoch {award.epoch}")
            self._elect(award, task, latest)
            self.awards[key] = award
            self.award_entry[key] = EntryId(entry.id)

    @staticmethod
    def _unit(award: Award, task: TaskRecord) -> None:
        """Is it a unit of this task, asked for as the task says?"""
        name = _UNIT.fullmatch(award.name)
        if name is None or int(name[2]) >= task.chains or (name[1] == "step") != bool(name[3]):
            _refuse(f"{award.name[:40]!r} is no unit of the task")
        role = "plan" if name[1] == "plan" else "solve"
        if award.requirement.role != role or award.requirement.privacy != task.privacy:
            _refuse(f"{award.name} was called for with another role or privacy class")

    def _elect(self, award: Award, task: TaskRecord, latest: dict[int, tuple[str, bytes]]) -> None:
        lineage_of: dict[EntryId, str] = {}
        unit = UnitId(award.unit)
        for bidder in award.candidates:
            found = self.capabilities.get(EntryId(bidder.capability))
            if found is None:
                _refuse(f"{award.name}: the capability of a bidder is missing")
            node, capability = found
            if (node, capability.agent) != (bidder.owner, bidder.agent):
                _refuse(f"{award.name}: a bid names a capability of somebody else")
            if not eligible(capability, award.requirement):
                _refuse(f"{award.name}: {capability.agent} may not own such a unit")
            points = score(task.selection, unit, node, capability, award.requirement, bidder.seen)
            if points != bidder.score:
                _refuse(f"{award.name}: the score of {capability.agent} is {points}")
            lineage_of[EntryId(bidder.capability)] = capability.lineage
        chain = chain_of(award.name)
        used = used_elsewhere(chain, latest)
        ranked = rank(task.selection, unit, award.candidates, lineage_of, used)
        winner = next((c for c in ranked if c.owner not in award.avoided), None)
        elected = (award.owner, award.agent, award.capability, award.score)
        if winner is None or elected != (
            winner.owner,
            winner.agent,
            winner.capability,
            winner.score,
        ):
            _refuse(f"{award.name}: the owner is not the winner of the election")
        latest[chain] = lineage_of[EntryId(winner.capability)], winner.owner

    def _result(self, entry: Entry, task: TaskRecord) -> None:
        record = _body(entry, Kind.RESULT, RESULT)
        award = self.awards.get((UnitId(record.unit), record.epoch))
        if award is None or record.task != task.task:
            _refuse(f"result {short(entry.id)} belongs to no award")
        if award.owner != entry.author:
            _refuse(f"the result of {award.name} is not by its owner")
        if record.award != self.award_entry[UnitId(record.unit), record.epoch]:
            _refuse(f"the result of {award.name} names another award")
        if record.agent != award.agent:
            _refuse(f"the result of {award.name} is by another agent")
        if EntryId(entry.id) in self.results:
            _refuse(f"the result of {award.name} is there twice")
        self.results[EntryId(entry.id)] = (entry, record)
        self.claimed_tokens += record.prompt_tokens + record.completion_tokens

    def _opened(self, opened: OpenedText) -> None:
        found = self.results.get(EntryId(opened.result))
        if found is None or found[1].status != "ok":
            _refuse(f"the output of {opened.unit} belongs to no good result")
        _, record = found
        award = self.awards[UnitId(record.unit), record.epoch]
        if award.name != opened.unit or opened.unit in self.texts:
            _refuse(f"the output of {opened.unit} belongs to another unit")
        if record.output != salted_digest("output", opened.salt, opened.text.encode()):
            _refuse(f"the output of {opened.unit} is not the one that its owner signed")
        self.texts[opened.unit] = (opened, award)

    def _vote(
        self, task: TaskRecord, verdict: VerdictRecord
    ) -> tuple[str | None, tuple[CheckedBallot, ...]]:
        """Recompute each ballot and the tally."""
        if verdict.task != task.task or verdict.rule != task.rule:
            _refuse("the verdict is for another task or rule")
        if verdict.tokens > min(task.budget_tokens, self.claimed_tokens):
            _refuse("more tokens were spent than the budget or the results allow")
        votes: list[Vote] = []
        ballots: list[CheckedBallot] = []
        for ballot in verdict.ballots:
            vote, checked = self._ballot(task, ballot)
            votes.append(vote)
            ballots.append(checked)
        if len({vote.chain for vote in votes}) != len(votes):
            _refuse("a chain voted twice")
        for chain in verdict.blank:
            self._blank(task, chain)
        classes = tally(votes)
        answered = verdict.outcome in ("answered", "not_certified")
        if verdict.outcome != "cancelled" and answered != bool(classes):
            _refuse(f"a task with {len(votes)} ballots did not end as {verdict.outcome!r}")
        winner = self._class_digest(classes[0].key) if answered else None
        if verdict.winner != winner:
            _refuse("the winner is not the one that the ballots elect")
        return (classes[0].answer if answered else None), tuple(ballots)

    def _ballot(self, task: TaskRecord, ballot: Ballot) -> tuple[Vote, CheckedBallot]:
        steps = self._steps(ballot.chain)
        opened, award = self.texts[steps[-1]]
        if opened.result != ballot.result or award.owner != ballot.owner:
            _refuse(f"ballot {ballot.chain} does not stand on its chain's last result")
        record = self.results[EntryId(ballot.result)][1]
        answer = extract(opened.text, task.answer_type, task.choices, cut=record.cut)
        if answer is None:
            _refuse(f"ballot {ballot.chain} stands on an output without an answer")
        key = canonical(answer, task.answer_type)
        if ballot.answer != self._class_digest(key):
            _refuse(f"ballot {ballot.chain} is counted for another answer")
        weight = weigh(task.rule, [self._match(self.texts[step][1]) for step in steps])
        if weight != ballot.weight:
            _refuse(f"ballot {ballot.chain} weighs {weight}, not {ballot.weight}")
        owner = NodeId(ballot.owner)
        checked = CheckedBallot(ballot.chain, owner, record.model, answer, weight)
        return Vote(ballot.chain, key, answer, weight), checked

    def _blank(self, task: TaskRecord, chain: int) -> None:
        """A chain that is said to have ended without an answer: its last owner is blamed for it."""
        opened, award = self.texts[self._steps(chain)[-1]]
        cut = self.results[EntryId(opened.result)][1].cut
        if extract(opened.text, task.answer_type, task.choices, cut=cut) is not None:
            _refuse(f"the output of {award.name} holds an answer")

    def _steps(self, chain: int) -> list[str]:
        """The names of a chain's steps, the last one last, all with an accepted result."""
        names = [name for name in self.texts if name.startswith(f"step/{chain}/")]
        skills: dict[str, str | None] = {f"step/{chain}/s1": None}
        plan = self.texts.get(f"plan/{chain}")
        if plan is not None:
            try:
                steps = parse_plan(plan[0].text).steps
            except BadPlan:
                steps = ()  # a chain without a usable plan answers directly, in one step
            if steps:
                skills = {f"step/{chain}/{step.id}": step.skill for step in steps}
        if sorted(names) != sorted(skills):
            _refuse(f"chain {chain} voted without all steps of its plan")
        for name, skill in skills.items():
            if skill not in (None, self.texts[name][1].requirement.skill):
                _refuse(f"{name} was called for with another skill than its plan's")
        return list(skills)

    def _match(self, award: Award) -> int:
        return match(self.capabilities[EntryId(award.capability)][1], award.requirement)

    def _class_digest(self, key: str) -> bytes:
        return salted_digest("answer", self.receipt.salt, key.encode())


def _body(entry: Entry, kind: Kind, codec: Codec[T]) -> T:
    if entry.kind != kind or entry.body is None:
        _refuse(f"entry {short(entry.id)} is no {kind.name.lower()}")
    try:
        return codec.decode(entry.body)
    except DecodeError as error:
        _refuse(f"the {kind.name.lower()} entry {short(entry.id)} is unreadable: {error}")
