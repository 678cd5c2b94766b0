"""Proofs that an author signed two histories: met, kept, spread, and acted upon.

A proof is met when an entry contradicts what is known (the book's last headers, or the store's
row, which is asked for by `LookUp`), in a `Fork` message, or inside somebody's `fork` entry. One
that is new, or proves an earlier fork of the same log, is stored for ever, gossiped at once and
written into our own log, which is how it surely reaches everybody. Freezing takes the lowest
proven number, so all nodes end at the same place, whatever came first.

Whoever shows a branch that does not fit is asked for the entry before, and before that, until
the two branches meet: that finds the lowest number that was signed twice.
"""

from __future__ import annotations

from collections.abc import Callable

from ledger import Entry, ForkProof, Head, Kind, fork, parse_proof
from ledger.errors import LedgerError
from symphony.core import limits
from symphony.core.effects import KeepFork, LookUp, Publish, Reject
from symphony.core.events import LogForked
from symphony.core.ids import NodeId
from symphony.core.inputs import LookedUp
from symphony.core.logs.journal import Journal
from symphony.core.messages import Fork
from symphony.core.outbox import Outbox


class Forks:
    """`frozen` is called with each author whose log was found to be forked, or earlier forked."""

    def __init__(
        self,
        journal: Journal,
        out: Outbox,
        may_append: Callable[[], bool],
        frozen: Callable[[NodeId], None],
    ) -> None:
        self._journal = journal
        self._out = out
        self._may_append = may_append
        self._frozen = frozen
        self._looking = 0
        self._unwritten: dict[bytes, ForkProof] = {}
        """By author, because only the lowest proof counts."""

    def compare(self, peer: NodeId, entry: Entry) -> None:
        """The book does not remember the entry that has this number: ask the store for it."""
        self._look_up(peer, entry)

    def met(self, peer: NodeId, proof: ForkProof) -> None:
        """The book has just frozen a log by this proof."""
        self._out.do(KeepFork(proof))
        self._out.do(Publish("forks", Fork(proof.encode())))
        self._out.tell(LogForked(NodeId(proof.author), proof.seq))
        if proof.author != self._journal.me:
            self._unwritten[proof.author] = proof
            self.write()
        self._frozen(NodeId(proof.author))
        if proof.seq > 1 and peer != self._journal.me:
            self._journal.want(peer, proof.author, proof.seq - 1, proof.seq - 1)

    def write(self) -> None:
        """Write new proofs into our own log, unless it is shut: then as soon as it is open."""
        while self._unwritten and self._may_append():
            _, proof = self._unwritten.popitem()
            self._journal.write(Kind.FORK, proof.encode())

    def heard(self, peer: NodeId, raw: bytes) -> None:
        """Somebody shows a proof, in a message or in an entry."""
        try:
            proof = parse_proof(raw)
        except LedgerError as error:
            self._out.do(Reject(peer, f"fork: {error}"))
            return
        known = self._journal.book.forks().get(proof.author)
        if known is not None and fork.merge(known, proof) == known:
            return
        if not self._journal.book.freeze(proof):
            self._out.do(Reject(peer, "fork: the two headers are not signed by their author"))
            return
        self.met(peer, proof)
        head = self._journal.book.head(proof.author)
        if head is not None and head.seq > proof.frozen_at:
            self._look_up(peer, proof)

    def looked_up(self, found: LookedUp) -> None:
        """What the store holds at the number of a contradicting entry, and before it."""
        self._looking -= 1
        head: Head | None = found.before.head if found.before is not None else None
        match found.claim:
            case ForkProof() as proof:
                self._journal.book.freeze(proof, head=head)
            case Entry() as entry if found.stored is not None:
                before = self._journal.book.frozen_at(entry.author)
                conflict = self._journal.book.conflicts(entry, found.stored, head=head)
                if conflict and self._journal.book.frozen_at(entry.author) != before:
                    self.met(found.peer, conflict)
            case Entry() | Head():
                pass

    def _look_up(self, peer: NodeId, claim: Entry | ForkProof) -> None:
        if self._looking < limits.MAX_LOOKUPS:
            self._looking += 1
            self._out.do(LookUp(peer, claim))
