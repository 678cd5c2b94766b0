"""Where entries are kept: the interface, the audit, and the store in memory.

A store is dumb on purpose. It keeps chains and fork proofs, durably, and knows nothing of
meaning: the book decides what may be appended. As a last line of defence against our own bugs it
refuses an append that would tear a chain or overwrite an entry.

Every entry gets a row id when it arrives: 1, 2, 3, … `by_kind` and `entries` page through rows
in that order, so a reader that remembers the last row id misses nothing.

`audit` checks every row against what is signed. It trusts no column: a changed byte anywhere is
reported with author and number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ledger import fork
from ledger.entry import Entry, Head, assemble, check_entry
from ledger.errors import ForkDetected, LedgerError, StoreError
from ledger.fork import ForkProof
from ledger.keys import Verifier
from ledger.merkle import Frontier
from ledger.retention import is_mortal


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a store that does not hold."""

    author: bytes
    seq: int
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """An entry as a store has it on disk, before anything is believed."""

    author: bytes
    seq: int
    kind: int
    header_bytes: bytes
    signature: bytes
    body: bytes | None


class Store(Protocol):
    """What the node needs of a store. Every method raises `StoreError` when it can't."""

    def append(self, entries: Sequence[Entry]) -> None:
        """Add entries, all or none, durable when it returns. Entries that are there already are
        skipped. Raises `ForkDetected` when another entry has the same author and number, and
        `StoreError` for one that does not continue its log.
        """

    def heads(self) -> list[Head]:
        """The end of each log, ordered by author; of a forked log the last entry that counts."""

    def range(self, author: bytes, first: int, last: int, max_bytes: int) -> list[Entry]:
        """Entries `first` to `last`, without gaps, as many as take at most `max_bytes` on the
        wire.
        """

    def get(self, author: bytes, seq: int) -> Entry | None:
        """The entry with this number in a log."""

    def rowid(self, author: bytes, seq: int) -> int | None:
        """The row id of an entry, None if it isn't here: whatever answers it has a later one."""

    def by_kind(self, kind: int, *, after_rowid: int = 0, limit: int) -> list[tuple[int, Entry]]:
        """The next `limit` entries of a kind behind a row id, with theirs."""

    def entries(
        self, *, author: bytes | None = None, limit: int, after: int = 0
    ) -> list[tuple[int, Entry]]:
        """The next `limit` entries (of one author) behind row id `after`, with theirs."""

    def ids(self, author: bytes, first: int, last: int) -> list[bytes]:
        """The ids of entries `first` to `last`, without gaps: the leaves of the log's tree."""

    def frontier(self, author: bytes, size: int) -> Frontier | None:
        """The Merkle frontier of the first `size` entries of a log; None if they aren't all here.

        It is kept, so that the next one costs only what came since.
        """

    def drop_bodies(self, before: int, *, keep: Collection[tuple[bytes, int]], limit: int) -> int:
        """Forget at most `limit` bodies that are of no use after the stamp `before`, the earliest
        first (`retention`), but none of the entries (author and number) in `keep`. Returns how
        many were forgotten: fewer than `limit` if no more are left.
        """

    def forks(self) -> list[ForkProof]:
        """The lowest proof for each forked author, ordered by author."""

    def add_fork(self, proof: ForkProof) -> None:
        """Keep a verified proof for ever, durable when it returns."""

    def verify_all(self, verify: Verifier) -> Iterator[Problem]:
        """Check every row; see `audit`."""

    def close(self) -> None:
        """Release everything. The store can't be used afterwards."""


def gap_error(entry: Entry, seq: int) -> StoreError:
    """The entry is not the one that comes next, whose number would be `seq`."""
    name = entry.author.hex()[:8]
    return StoreError(f"entry {entry.seq} of {name} does not continue its log at {seq}")


def fork_error(entry: Entry) -> ForkDetected:
    """Another entry with this author and number is stored."""
    return ForkDetected(f"the log of {entry.author.hex()[:8]} has another entry {entry.seq}")


def audit(rows: Iterable[Row], swarm_id: bytes, verify: Verifier) -> Iterator[Problem]:
    """Problems in rows that come ordered by author, then number."""
    author, next_seq, last_id, last_hlc = b"", 1, None, -1
    for row in rows:
        if row.author != author:
            author, next_seq, last_id, last_hlc = row.author, 1, None, -1
        if row.seq != next_seq:
            missing = f"entries {next_seq} to {row.seq - 1} are missing"
            yield Problem(row.author, next_seq, missing)
            last_id = None
        try:
            entry = assemble(row.header_bytes, row.signature, row.body)
            check_entry(entry, swarm_id, verify)
        except LedgerError as error:
            yield Problem(row.author, row.seq, error.message)
            next_seq, last_id = row.seq + 1, None
            continue
        if (row.author, row.seq, row.kind) != (entry.author, entry.seq, entry.kind):
            text = "author, seq or kind differ from the signed header"
            yield Problem(row.author, row.seq, text)
        if entry.body is None and not is_mortal(entry.header):
            yield Problem(row.author, row.seq, "the body is missing, and is never dropped")
        if entry.seq > 1 and last_id is not None and entry.prev != last_id:
            yield Problem(row.author, row.seq, "prev is not the id of the entry before")
        if entry.hlc <= last_hlc:
            yield Problem(row.author, row.seq, "the hlc does not grow")
        next_seq, last_id, last_hlc = row.seq + 1, entry.id, entry.hlc


def audit_forks(
    proofs: Iterable[ForkProof], swarm_id: bytes, verify: Verifier
) -> Iterator[Problem]:
    """Fork proofs that do not hold."""
    for proof in proofs:
        try:
            fork.verify_proof(proof, swarm_id, verify)
        except LedgerError as error:
            yield Problem(proof.author, proof.seq, f"fork proof: {error.message}")


class MemoryStore:
    """A store that forgets everything when it ends: for the simulator and for tests."""

    def __init__(self, swarm_id: bytes) -> None:
        self._swarm_id = swarm_id
        self._rows: list[Entry] = []
        self._logs: dict[bytes, list[Entry]] = {}
        self._forks: dict[bytes, ForkProof] = {}
        self._frontiers: dict[bytes, Frontier] = {}

    def append(self, entries: Sequence[Entry]) -> None:
        fresh: dict[bytes, list[Entry]] = {}
        rows: list[Entry] = []
        for entry in entries:
            stored, added = self._logs.get(entry.author, []), fresh.get(entry.author, [])
            length = len(stored) + len(added)
            if entry.seq <= length:
                at = entry.seq - 1
                there = stored[at] if at < len(stored) else added[at - len(stored)]
                if there.id != entry.id:
                    raise fork_error(entry)
                continue
            end = added[-1] if added else stored[-1] if stored else None
            if entry.seq != length + 1 or entry.prev != (end.id if end else None):
                raise gap_error(entry, length + 1)
            fresh.setdefault(entry.author, []).append(entry)
            rows.append(entry)
        for author, log in fresh.items():
            self._logs.setdefault(author, []).extend(log)
        self._rows += rows

    def heads(self) -> list[Head]:
        ends = []
        for author, log in sorted(self._logs.items()):
            proof = self._forks.get(author)
            length = len(log) if proof is None else min(len(log), proof.frozen_at)
            if length:
                ends.append(log[length - 1].head)
        return ends

    def range(self, author: bytes, first: int, last: int, max_bytes: int) -> list[Entry]:
        found: list[Entry] = []
        for entry in self._logs.get(author, [])[max(first, 1) - 1 : max(last, 0)]:
            max_bytes -= len(entry.encode())
            if max_bytes < 0:
                break
            found.append(entry)
        return found

    def get(self, author: bytes, seq: int) -> Entry | None:
        log = self._logs.get(author, [])
        return log[seq - 1] if 1 <= seq <= len(log) else None

    def rowid(self, author: bytes, seq: int) -> int | None:
        wanted = self.get(author, seq)
        places = (at for at, entry in enumerate(self._rows, start=1) if entry is wanted)
        return next(places, None) if wanted is not None else None

    def by_kind(self, kind: int, *, after_rowid: int = 0, limit: int) -> list[tuple[int, Entry]]:
        rows = self._rows_after(after_rowid)
        return [row for row in rows if row[1].kind == kind][:limit]

    def entries(
        self, *, author: bytes | None = None, limit: int, after: int = 0
    ) -> list[tuple[int, Entry]]:
        rows = self._rows_after(after)
        return [row for row in rows if author is None or row[1].author == author][:limit]

    def ids(self, author: bytes, first: int, last: int) -> list[bytes]:
        log = self._logs.get(author, [])
        return [entry.id for entry in log[max(first, 1) - 1 : max(last, 0)]]

    def frontier(self, author: bytes, size: int) -> Frontier | None:
        start = self._frontiers.get(author, Frontier())
        if start.size > size:
            start = Frontier()
        frontier = start.extend(self.ids(author, start.size + 1, size))
        if frontier.size != size:
            return None
        self._frontiers[author] = frontier
        return frontier

    def drop_bodies(self, before: int, *, keep: Collection[tuple[bytes, int]], limit: int) -> int:
        due = [
            (entry.expires or 0, number, entry)
            for number, log in enumerate(self._logs.values())
            for entry in log
            if entry.body is not None
            and is_mortal(entry.header)
            and (entry.expires or 0) <= before
            and (entry.author, entry.seq) not in keep
        ]
        due.sort(key=lambda row: (row[0], row[1], row[2].seq))
        gone = {entry.id: entry.without_body() for _, _, entry in due[:limit]}
        for bare in gone.values():
            self._logs[bare.author][bare.seq - 1] = bare
        self._rows = [gone.get(entry.id, entry) for entry in self._rows]
        return len(gone)

    def forks(self) -> list[ForkProof]:
        return [proof for _, proof in sorted(self._forks.items())]

    def add_fork(self, proof: ForkProof) -> None:
        self._forks[proof.author] = fork.merge(self._forks.get(proof.author), proof)

    def verify_all(self, verify: Verifier) -> Iterator[Problem]:
        rows = (row_of(entry) for _, log in sorted(self._logs.items()) for entry in log)
        yield from audit(rows, self._swarm_id, verify)
        yield from audit_forks(self.forks(), self._swarm_id, verify)

    def close(self) -> None:
        """Nothing to release."""

    def _rows_after(self, rowid: int) -> Iterator[tuple[int, Entry]]:
        return ((at + 1, self._rows[at]) for at in range(rowid, len(self._rows)))


def row_of(entry: Entry) -> Row:
    """The row that stores an entry."""
    return Row(
        author=entry.author,
        seq=entry.seq,
        kind=entry.kind,
        header_bytes=entry.header_bytes,
        signature=entry.signature,
        body=entry.body,
    )
