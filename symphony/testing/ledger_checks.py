"""What must hold of the ledger while things break: checked as it happens, in every run.

- nobody honest signs two entries of one number. One case is beyond any rule: a node that came
  back as an old copy, and whose peers, when it asked them, did not have what it had said since.
  Who is told that more was said never signs that number again, and who can't be told waits;
- an own entry is on the disk, and the mark beside it moved, before anything is said; what a node
  claims to hold (heads) is on its disk too;
- a node tells a peer that asks at least as much of its log as it holds;
- only proofs that hold freeze a log, and never that of an honest node;
- early entries, requests and the like stay within their bounds, and the books add up.

`ledger_audit` says what must be true once all is healed, and looks at what is stored then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ledger import Entry, ForkProof, parse_entry
from ledger.errors import InvalidEntry
from ledger.fork import verify_proof
from symphony.core import limits
from symphony.core.messages import Entries, Heads, HeadTold, Message, Reconcile
from symphony.testing.checks import Checks

if TYPE_CHECKING:
    from symphony.testing.machine import Machine

_CLAIMS = frozenset({Heads, HeadTold, Reconcile})


@dataclass(slots=True)
class Life:
    """What one life of a node was told about its own log before it wrote to it."""

    known: int
    asks: bool
    checked: bool = False
    told: int = 0
    shown: list[Entry] = field(default_factory=list)
    """Entries of second histories that it was shown."""


@dataclass(slots=True)
class LedgerChecks:
    """Everything that was signed, and what became of it."""

    checks: Checks
    swarm_id: bytes
    signed: dict[tuple[bytes, int], bytes] = field(default_factory=dict)
    entries: dict[bytes, dict[bytes, Entry]] = field(default_factory=lambda: defaultdict(dict))
    """By author and id, whatever any node accepted."""
    lost: set[bytes] = field(default_factory=set)
    """Ids of entries that no disk had any more, at some time."""
    excused: set[bytes] = field(default_factory=set)
    """Nodes that forked their logs and could not know."""
    lives: dict[bytes, Life] = field(default_factory=dict)
    forged: dict[bytes, Entry] = field(default_factory=dict)
    """The entries of second histories, by their wire form."""

    def honest(self, machine: Machine) -> bool:
        hostile = machine.equivocator is not None or machine.script.mischief
        return not hostile and machine.id not in self.excused

    # --- signing ------------------------------------------------------------------------------

    def started(self, machine: Machine, known: int) -> None:
        """A life begins, of a node that knows of so many others."""
        head = machine.disk.store.ids(machine.id, 1, machine.disk.mark)
        self.lives[machine.id] = Life(known, asks=known > 0 or len(head) < machine.disk.mark)

    def checked(self, machine: Machine, answers: int) -> None:
        """The gate before the own log was opened, after so many answers."""
        life = self.lives[machine.id]
        life.checked = True
        alone = machine.disk.in_place or machine.equivocator is not None
        if not answers and not alone:
            self.checks.violate(f"node {machine.index} writes to a copied log, and nobody said")

    def appended(self, machine: Machine, entry: Entry) -> None:
        """A node accepted an entry, or signed it."""
        self.entries[entry.author].setdefault(entry.id, entry)
        if entry.author != machine.id or machine.equivocator is not None:
            return
        life = self.lives[machine.id]
        first = self.signed.get((entry.author, entry.seq))
        if first is None:
            self.signed[entry.author, entry.seq] = entry.id
            if life.asks and not life.checked:
                self.checks.violate(f"node {machine.index} wrote before it knew where its log ends")
        elif first == entry.id:
            self.checks.marks.add("own entries fetched from peers")
        elif machine.disk.copied and life.told < entry.seq:
            self.excused.add(machine.id)
            self.checks.counts["forked in ignorance"] += 1
        elif machine.id not in self.excused:
            self.checks.violate(f"node {machine.index} signed two entries {entry.seq}")

    def heard(self, machine: Machine, message: Message) -> None:
        """A message reaches a node: perhaps where its log ends, or one of two histories."""
        if self.forged and isinstance(message, Entries) and machine.swarm is not None:
            found = (self.forged.get(raw) for raw in message.entries)
            self.lives[machine.id].shown += [entry for entry in found if entry is not None]
        if not isinstance(message, HeadTold) or machine.swarm is None:
            return
        if machine.swarm.gate.state in ("asking", "closed"):
            life = self.lives[machine.id]
            life.told = max(life.told, _told(message))

    # --- saying -------------------------------------------------------------------------------

    def sends(self, source: Machine, target: Machine, message: Message) -> None:
        """Does what is said rest on the disk of whoever says it?"""
        if source.swarm is None or not self.honest(source):
            return
        disk, book = source.disk, source.swarm.journal.book
        head = book.head(source.id)
        name = f"node {source.index}"
        if head is not None and head.seq > disk.mark:
            self.checks.violate(f"{name} spoke before its entry {head.seq} was on the disk")
        if type(message) in _CLAIMS and disk.unkept.entries:
            self.checks.violate(f"{name} claims to hold what is not on its disk")
        at_once = not source.script.disk_ms  # else its commit may hold what came after the question
        if isinstance(message, HeadTold) and at_once and book.frozen_at(target.id) is None:
            held = len(disk.store.ids(target.id, 1, limits.MAX_WITNESSED))
            if _told(message) < held:
                told = _told(message)
                self.checks.violate(f"{name} holds {held} entries of a log, and told {told}")

    # --- forks and losses ---------------------------------------------------------------------

    def froze(self, machine: Machine, author: Machine, proof: ForkProof) -> None:
        """A node keeps a proof against an author."""
        try:
            verify_proof(proof, self.swarm_id, self.checks.verify)
        except InvalidEntry as error:
            self.checks.violate(f"node {machine.index} keeps a proof that is none: {error}")
        if self.honest(author):
            self.checks.violate(f"the log of honest node {author.index} is frozen at {proof.seq}")
        known = {kept.author: kept for kept in machine.disk.store.forks()}.get(proof.author)
        lower = known is not None and proof.seq < known.seq
        self.checks.marks.add("freeze moved down" if lower else "log frozen")

    def rolled_back(self, gone: Iterable[Entry], machines: Iterable[Machine]) -> None:
        """A disk lost these entries. Which of them are on no disk any more?"""
        disks = [machine.disk for machine in machines]
        self.lost |= {entry.id for entry in gone if not any(disk.holds(entry) for disk in disks)}

    # --- memory -------------------------------------------------------------------------------

    def look(self, machine: Machine) -> None:
        """Are the bounds kept, and do the books add up?"""
        if machine.swarm is None:
            return
        journal = machine.swarm.journal
        book = journal.book
        waiting = held_bytes = 0
        for log in book._logs.values():  # noqa: SLF001  # what is bounded is private
            if log.pending:
                waiting = max(waiting, len(log.pending))
                self.checks.marks.add("early entries waited")
            held_bytes += log.pending_bytes
        for what, there, most in (
            ("early entries of a log", waiting, book.limits.pending_per_author),
            ("bytes of early entries", held_bytes, book.limits.pending_bytes),
            ("requests", len(journal._asked), limits.MAX_ASKED),  # noqa: SLF001
            ("inputs held back", len(machine.swarm.gate._held), limits.HELD_INPUTS),  # noqa: SLF001
            ("look-ups", machine.swarm._forks._looking, limits.MAX_LOOKUPS),  # noqa: SLF001
        ):
            if there > most:
                self.checks.violate(f"node {machine.index} holds {there} {what}, more than {most}")
        if held_bytes != book._pending_bytes:  # noqa: SLF001
            self.checks.violate(f"node {machine.index} lost count of the bytes that wait")


def _told(message: HeadTold) -> int:
    """The number up to which a peer is told that its log goes."""
    return parse_entry(message.entry).seq if message.entry else 0
