"""Where entries are kept: the interface, and the audit.

A store is dumb on purpose. It keeps chains and fork proofs, durably, and knows nothing of
meaning: the book decides what may be appended. As a last line of defence against our own bugs it
refuses an append that would tear a chain or overwrite an entry.

Every entry gets a row id when it arrives: 1, 2, 3, … `by_kind` and `entries` page through rows
in that order, so a reader that remembers the last row id misses nothing.

`audit` checks every row against what is signed. It trusts no column: a changed byte anywhere is
reported with author and number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from ledger import fork
from ledger.entry import Entry, Head, assemble, check_entry
from ledger.errors import ForkDetected, LedgerError, StoreError
from ledger.fork import ForkProof
from ledger.horizon import Horizon, check_horizon
from ledger.keys import Verifier
from ledger.merkle import Frontier
from ledger.retention import mortal_until


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
        wire. If `first` lies below the horizon of the log, the horizon entry comes in the place of
        those below, and then what follows them.
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

    def begin(self, horizon: Horizon) -> bool:
        """Let a log begin at a verified horizon, durable when it returns: what is below counts no
        more and may be forgotten, and what is missing below is not missed. False if our own copy
        contradicts it; nothing is changed then.
        """

    def drop_headers(self, limit: int) -> int:
        """Forget at most `limit` entries below horizons; fewer if no more are left."""

    def horizons(self) -> list[Horizon]:
        """Where logs begin that don't begin at 1, ordered by author."""

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


def audit(
    rows: Iterable[Row],
    swarm_id: bytes,
    verify: Verifier,
    horizons: Mapping[bytes, Horizon] = MappingProxyType({}),
) -> Iterator[Problem]:
    """Problems in rows that come ordered by author, then number."""
    author, next_seq, last_id, last_hlc = b"", 1, None, -1
    for row in rows:
        horizon = horizons.get(row.author)
        if row.author != author:
            author, next_seq, last_id, last_hlc = row.author, 1, None, -1
        below = horizon is not None and row.seq <= horizon.size
        if horizon is not None and not below and next_seq <= horizon.size + 1:
            next_seq, last_id, last_hlc = horizon.size + 1, horizon.last.id, horizon.last.hlc
        if below and row.seq != next_seq:
            last_id = None  # what is missing below a horizon was forgotten
        elif row.seq != next_seq:
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
        if entry.body is None and mortal_until(entry.header) is None:
            yield Problem(row.author, row.seq, "the body is missing, and is never dropped")
        if entry.seq > 1 and last_id is not None and entry.prev != last_id:
            yield Problem(row.author, row.seq, "prev is not the id of the entry before")
        if entry.hlc <= last_hlc:
            yield Problem(row.author, row.seq, "the hlc does not grow")
        if horizon is not None and entry.seq == horizon.size and entry.id != horizon.last.id:
            yield Problem(row.author, row.seq, "the horizon names another entry")
        next_seq, last_id, last_hlc = row.seq + 1, entry.id, entry.hlc


def audit_horizons(
    horizons: Iterable[Horizon], swarm_id: bytes, verify: Verifier
) -> Iterator[Problem]:
    """Horizons that do not hold."""
    for horizon in horizons:
        try:
            check_horizon(horizon.entry, swarm_id, verify)
        except LedgerError as error:
            yield Problem(horizon.author, horizon.size, f"horizon: {error.message}")


def audit_forks(
    proofs: Iterable[ForkProof], swarm_id: bytes, verify: Verifier
) -> Iterator[Problem]:
    """Fork proofs that do not hold."""
    for proof in proofs:
        try:
            fork.verify_proof(proof, swarm_id, verify)
        except LedgerError as error:
            yield Problem(proof.author, proof.seq, f"fork proof: {error.message}")


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
