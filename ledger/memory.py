"""A store that forgets everything when it ends: for the simulator and for tests.

It keeps to the interface of `ledger.store` as the one on disk does, and is what that one is
compared with.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from ledger import fork
from ledger.entry import Entry, Head
from ledger.fork import ForkProof
from ledger.horizon import Horizon, is_kept_below
from ledger.keys import Verifier
from ledger.merkle import Frontier
from ledger.retention import mortal_until
from ledger.store import (
    Problem,
    audit,
    audit_forks,
    audit_horizons,
    fork_error,
    gap_error,
    row_of,
)


@dataclass(slots=True)
class Log:
    """The entries of one author that are here, by number, and where the log ends."""

    number: int
    entries: dict[int, Entry] = field(default_factory=dict)
    end: Head | None = None
    horizon: Horizon | None = None

    def copy(self) -> Log:
        """One that may change."""
        return replace(self, entries=dict(self.entries))

    @property
    def seq(self) -> int:
        return self.end.seq if self.end else 0

    @property
    def base(self) -> int:
        """How many entries lie below the horizon."""
        return self.horizon.size if self.horizon else 0

    def head_at(self, seq: int) -> Head | None:
        """The end of the log, were it cut after this number."""
        entry = self.entries.get(seq)
        if entry is None and self.horizon is not None and seq == self.base:
            return self.horizon.last
        return entry.head if entry else None


class MemoryStore:
    """A `ledger.store.Store`."""

    def __init__(self, swarm_id: bytes) -> None:
        self._swarm_id = swarm_id
        self._rows: list[tuple[bytes, int]] = []
        self._places: dict[tuple[bytes, int], int] = {}
        self._logs: dict[bytes, Log] = {}
        self._forks: dict[bytes, ForkProof] = {}
        self._frontiers: dict[bytes, Frontier] = {}

    def append(self, entries: Sequence[Entry]) -> None:
        fresh: dict[tuple[bytes, int], Entry] = {}
        ends: dict[bytes, Head | None] = {}
        for entry in entries:
            author, seq = entry.header.author, entry.header.seq
            log = self._logs.get(author)
            end = ends.get(author) or (log.end if log else None)
            length = end.seq if end else 0
            if seq <= length:
                there = fresh.get((author, seq)) or (log.entries.get(seq) if log else None)
                if there is not None and there.id != entry.id:
                    raise fork_error(entry)
                continue
            if seq != length + 1 or entry.prev != (end.id if end else None):
                raise gap_error(entry, length + 1)
            fresh[author, seq] = entry
            ends[author] = entry.head
        for (author, seq), entry in fresh.items():
            self._arrived(entry)
            log = self._logs.get(author)
            if log is None:
                log = self._logs[author] = Log(len(self._logs))
            log.entries[seq] = entry
            log.end = entry.head

    def heads(self) -> list[Head]:
        ends = []
        for author, log in sorted(self._logs.items()):
            proof = self._forks.get(author)
            length = log.seq if proof is None else min(log.seq, proof.frozen_at)
            head = log.end if length == log.seq else log.head_at(length)
            if head is not None:
                ends.append(head)
        return ends

    def range(self, author: bytes, first: int, last: int, max_bytes: int) -> list[Entry]:
        log = self._logs.get(author)
        if log is None:
            return []
        found: list[Entry] = []
        numbers = range(max(first, log.base + 1), min(last, log.seq) + 1)
        wanted = [log.entries.get(seq) for seq in numbers]
        if log.horizon is not None and first <= min(last, log.base):
            wanted.insert(0, log.horizon.entry)
        for entry in wanted:
            max_bytes -= len(entry.encode()) if entry else 0
            if entry is None or max_bytes < 0:
                break
            found.append(entry)
        return found

    def get(self, author: bytes, seq: int) -> Entry | None:
        log = self._logs.get(author)
        return log.entries.get(seq) if log else None

    def rowid(self, author: bytes, seq: int) -> int | None:
        return self._places.get((author, seq)) if self.get(author, seq) else None

    def by_kind(self, kind: int, *, after_rowid: int = 0, limit: int) -> list[tuple[int, Entry]]:
        rows = self._rows_after(after_rowid)
        return [row for row in rows if row[1].kind == kind][:limit]

    def entries(
        self, *, author: bytes | None = None, limit: int, after: int = 0
    ) -> list[tuple[int, Entry]]:
        rows = self._rows_after(after)
        return [row for row in rows if author is None or row[1].author == author][:limit]

    def ids(self, author: bytes, first: int, last: int) -> list[bytes]:
        log, found = self._logs.get(author), []
        for seq in range(max(first, 1), (min(last, log.seq) if log else 0) + 1):
            entry = log.entries.get(seq) if log else None
            if entry is None:
                break
            found.append(entry.id)
        return found

    def frontier(self, author: bytes, size: int) -> Frontier | None:
        log = self._logs.get(author)
        horizon = log.horizon if log else None
        start = self._frontiers.get(author, Frontier())
        if start.size > size:
            start = Frontier()
        if horizon is not None and start.size < horizon.size <= size:
            start = horizon.frontier
        frontier = start.extend(self.ids(author, start.size + 1, size))
        if frontier.size != size:
            return None
        self._frontiers[author] = frontier
        return frontier

    def begin(self, horizon: Horizon) -> bool:
        log = self._logs.get(horizon.author) or Log(len(self._logs))
        if log.base >= horizon.size:
            return True
        if log.seq >= horizon.size:
            same = self.frontier(horizon.author, horizon.size) == horizon.frontier
            if not same or log.head_at(horizon.size) != horizon.last:
                return False
        else:
            log.end = horizon.last
        self._logs[horizon.author] = log
        log.horizon = horizon
        if horizon.first is not None and 1 not in log.entries:
            log.entries[1] = horizon.first
            self._arrived(horizon.first)
        return True

    def drop_headers(self, limit: int) -> int:
        gone = [
            (log, seq)
            for log in self._logs.values()
            for seq, entry in log.entries.items()
            if seq <= log.base and not is_kept_below(entry)
        ][:limit]
        for log, seq in gone:
            del log.entries[seq]
        return len(gone)

    def horizons(self) -> list[Horizon]:
        return [log.horizon for _, log in sorted(self._logs.items()) if log.horizon is not None]

    def drop_bodies(self, before: int, *, keep: Collection[tuple[bytes, int]], limit: int) -> int:
        due = [
            (until, log.number, entry.seq, log)
            for log in self._logs.values()
            for entry in log.entries.values()
            if entry.body is not None
            and (until := mortal_until(entry.header)) is not None
            and until <= before
            and (entry.author, entry.seq) not in keep
        ]
        due.sort(key=lambda row: row[:3])
        for _, _, seq, log in due[:limit]:
            log.entries[seq] = log.entries[seq].without_body()
        return len(due[:limit])

    def forks(self) -> list[ForkProof]:
        return [proof for _, proof in sorted(self._forks.items())]

    def add_fork(self, proof: ForkProof) -> None:
        self._forks[proof.author] = fork.merge(self._forks.get(proof.author), proof)

    def verify_all(self, verify: Verifier) -> Iterator[Problem]:
        rows = (
            row_of(log.entries[seq])
            for _, log in sorted(self._logs.items())
            for seq in sorted(log.entries)
        )
        horizons = {horizon.author: horizon for horizon in self.horizons()}
        yield from audit(rows, self._swarm_id, verify, horizons)
        yield from audit_horizons(self.horizons(), self._swarm_id, verify)
        yield from audit_forks(self.forks(), self._swarm_id, verify)

    def close(self) -> None:
        """Nothing to release."""

    def _arrived(self, entry: Entry) -> None:
        self._rows.append((entry.author, entry.seq))
        self._places[entry.author, entry.seq] = len(self._rows)

    def _rows_after(self, rowid: int) -> Iterator[tuple[int, Entry]]:
        for at in range(rowid, len(self._rows)):
            author, seq = self._rows[at]
            entry = self._logs[author].entries.get(seq)
            if entry is not None:
                yield at + 1, entry
