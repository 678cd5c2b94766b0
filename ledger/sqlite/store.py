"""The store on disk: SQLite, one file, one writer, durable before it answers.

Settings, and why: WAL, so that a reader (`open_readonly`, for `ledger verify` while a node runs)
never blocks the writer; `synchronous=FULL`, so that a commit is on the disk when `append` returns
and nothing is sent that a power cut could take back; one transaction per `append`, so that many
entries share one sync of the disk. The file is readable by its owner only, and SQLite gives its
side files the same mode.

A torn WAL reopens cleanly but *shorter*: the database itself never tells that it went back in
time. Whoever owns a log must keep a high-water mark beside it, and ask its peers.

An object may be used from any thread, by one at a time.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ledger import fork
from ledger.entry import Entry, Head, assemble
from ledger.errors import LedgerError, StoreError
from ledger.fork import ForkProof, parse_proof
from ledger.header import entry_id, parse_header
from ledger.horizon import Horizon
from ledger.keys import Verifier
from ledger.merkle import Frontier
from ledger.retention import mortal_until
from ledger.sqlite import bodies, frontiers, horizons
from ledger.sqlite.rebuilding import Rebuilt, rebuild
from ledger.sqlite.schema import (
    COMMON,
    SELDOM,
    begin_log,
    check_swarm,
    connect,
    identify,
    lay_out,
    migrate,
    transaction,
    translated,
)
from ledger.store import (
    Problem,
    Row,
    audit,
    audit_forks,
    audit_horizons,
    fork_error,
    gap_error,
)

PAGE_ROWS = 1000
"""Rows read at once by `verify_all`: at most 17 MiB."""

_NUMBER = "(SELECT number FROM log WHERE author = ?)"
_INSERT = """
    INSERT INTO entry (log, seq, kind, header, signature, body) VALUES (?, ?, ?, ?, ?, ?)
"""
_PAGE = """
    SELECT log.author, entry.seq, kind, header, signature, body
    FROM log CROSS JOIN entry ON entry.log = log.number
    WHERE log.author >= ?1 AND (log.author, entry.seq) > (?1, ?2)
    ORDER BY log.author, entry.seq LIMIT ?3
"""
_OF_AUTHOR = """
    log = (SELECT number FROM log WHERE author = ?1) AND rowid > ?2 AND seq > coalesce(
      (SELECT last.seq FROM entry AS last JOIN log ON log.number = last.log
       WHERE last.rowid = ?2 AND log.author = ?1), 0
    ) ORDER BY seq LIMIT ?3
"""
"""A log's rows come in the order of its numbers, so no index by log and row is needed: from the
last row that the reader saw, if it is of this log, the numbers go on."""
_HEADS = """
    SELECT author, seq, id, hlc FROM log WHERE author NOT IN (SELECT author FROM fork)
"""
_CUT = """
    SELECT author, min(log.seq, fork.seq - 1) FROM fork JOIN log USING (author)
"""
_ENDS = """
    SELECT author, log.seq, id, hlc, (SELECT max(seq) FROM entry WHERE log = number) FROM log
"""
_ORPHANS = """
    SELECT log, max(seq), header FROM entry WHERE log NOT IN (SELECT number FROM log) GROUP BY log
"""


@dataclass(slots=True)
class _End:
    """Where a log ends while an append is under way."""

    number: int
    seq: int
    id: bytes
    hlc: int
    fresh: dict[int, bytes] = field(default_factory=dict)
    """The ids of the entries that this append adds, by number."""


class SqliteStore:
    """A `ledger.store.Store` in one SQLite file. Made by `open` and `open_readonly`."""

    def __init__(self, db: sqlite3.Connection, swarm_id: bytes) -> None:
        self._db = db
        self._swarm_id = swarm_id

    @classmethod
    def open(cls, path: str | os.PathLike[str], swarm_id: bytes) -> Self:
        """Open or create the database of one swarm.

        Raises `StoreError`; as `SchemaTooNew` or `WrongSwarm` when the file is another's.
        """
        with translated(f"cannot open {os.fspath(path)}"):
            _create(Path(path))
            db = connect(os.fspath(path))
        try:
            with translated(f"cannot open {os.fspath(path)}"):
                identify(db)
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = FULL")
                migrate(db, swarm_id)
                check_swarm(db, swarm_id)
                lay_out(db)
        except BaseException:
            db.close()
            raise
        return cls(db, swarm_id)

    @classmethod
    def open_readonly(cls, path: str | os.PathLike[str], swarm_id: bytes) -> Self:
        """Open an existing database to look only; a node may be writing to it meanwhile."""
        with translated(f"cannot open {os.fspath(path)}"):
            db = connect(f"{Path(path).absolute().as_uri()}?mode=ro")
        try:
            with translated(f"cannot open {os.fspath(path)}"):
                db.execute("PRAGMA query_only = ON")
                identify(db)
                check_swarm(db, swarm_id)
        except BaseException:
            db.close()
            raise
        return cls(db, swarm_id)

    def append(self, entries: Sequence[Entry]) -> None:
        ends: dict[bytes, _End] = {}
        rows: list[tuple[int, int, int, bytes, bytes, bytes | None]] = []
        mortal: list[bodies.Mortal] = []
        with translated("cannot append"), transaction(self._db):
            for entry in entries:
                header, body = entry.header, entry.body
                end = ends.get(header.author)
                if end is None:
                    end = ends[header.author] = self._end(header.author)
                seq, number = header.seq, end.number
                if seq <= end.seq:
                    self._check_same(entry, end)
                    continue
                if seq != end.seq + 1 or (header.prev or b"") != end.id:
                    raise gap_error(entry, end.seq + 1)
                end.seq, end.id, end.hlc = seq, entry.id, header.hlc
                end.fresh[seq] = entry.id
                kind = header.kind
                rows.append((number, seq, kind, entry.header_bytes, entry.signature, body))
                until = mortal_until(header)
                if until is not None and body is not None:
                    mortal.append((until, number, seq))
            self._db.executemany(_INSERT, rows)
            bodies.note(self._db, mortal)
            moved = [(end.seq, end.id, end.hlc, end.number) for end in ends.values()]
            query = "UPDATE log SET seq = ?, id = ?, hlc = ? WHERE number = ?"
            self._db.executemany(query, moved)

    def heads(self) -> list[Head]:
        with translated("cannot read the heads"):
            heads = [Head(*row) for row in self._db.execute(_HEADS)]
            cut = self._db.execute(_CUT).fetchall()
        for author, seq in cut:
            last = self.get(author, seq)
            horizon = self._horizon(author)
            if last is not None:
                heads.append(last.head)
            elif horizon is not None and horizon.size == seq:
                heads.append(horizon.last)
        return sorted(heads, key=lambda head: head.author)

    def range(self, author: bytes, first: int, last: int, max_bytes: int) -> list[Entry]:
        found: list[Entry] = []
        horizon = self._horizon(author)
        if horizon is not None and first <= min(last, horizon.size):
            max_bytes -= len(horizon.entry.encode())
            if max_bytes < 0:
                return []
            rest = self.range(author, horizon.size + 1, last, max_bytes)
            return [horizon.entry, *rest]
        where = f"log = {_NUMBER} AND seq BETWEEN ? AND ? ORDER BY seq"
        for _, entry in self._select(where, (author, first, last)):
            max_bytes -= len(entry.encode())
            if max_bytes < 0 or entry.seq != max(first, 1) + len(found):
                break
            found.append(entry)
        return found

    def get(self, author: bytes, seq: int) -> Entry | None:
        where = f"log = {_NUMBER} AND seq = ?"
        return next((entry for _, entry in self._select(where, (author, seq))), None)

    def rowid(self, author: bytes, seq: int) -> int | None:
        with translated("cannot look for an entry"):
            query = f"SELECT rowid FROM entry WHERE log = {_NUMBER} AND seq = ?"  # noqa: S608
            row = self._db.execute(query, (author, seq)).fetchone()
        return row[0] if row else None

    def by_kind(self, kind: int, *, after_rowid: int = 0, limit: int) -> list[tuple[int, Entry]]:
        seldom = f" AND {SELDOM}" if kind not in COMMON else ""
        where = f"kind = ?{seldom} AND rowid > ? ORDER BY rowid LIMIT ?"
        return list(self._select(where, (kind, after_rowid, limit)))

    def entries(
        self, *, author: bytes | None = None, limit: int, after: int = 0
    ) -> list[tuple[int, Entry]]:
        if author is None:
            return list(self._select("rowid > ? ORDER BY rowid LIMIT ?", (after, limit)))
        return list(self._select(_OF_AUTHOR, (author, after, limit)))

    def ids(self, author: bytes, first: int, last: int) -> list[bytes]:
        with translated("cannot read the ids of a log"):
            return frontiers.ids(self._db, author, first, last)

    def frontier(self, author: bytes, size: int) -> Frontier | None:
        with translated("cannot read the tree of a log"), transaction(self._db):
            return frontiers.frontier(self._db, author, size)

    def begin(self, horizon: Horizon) -> bool:
        last = self.get(horizon.author, horizon.size)
        with translated("cannot begin a log at its horizon"), transaction(self._db):
            return horizons.begin(self._db, horizon, last)

    def drop_headers(self, limit: int) -> int:
        with translated("cannot forget what is below a horizon"), transaction(self._db):
            return horizons.forget(self._db, limit)

    def horizons(self) -> list[Horizon]:
        with translated("cannot read the horizons"):
            return horizons.every(self._db)

    def _horizon(self, author: bytes) -> Horizon | None:
        with translated("cannot read a horizon"):
            return horizons.of(self._db, author)

    def drop_bodies(self, before: int, *, keep: Collection[tuple[bytes, int]], limit: int) -> int:
        with translated("cannot drop bodies"), transaction(self._db):
            return bodies.drop(self._db, before, keep, limit)

    def forks(self) -> list[ForkProof]:
        with translated("cannot read the fork proofs"):
            rows = self._db.execute("SELECT proof FROM fork ORDER BY author").fetchall()
            return [parse_proof(raw) for (raw,) in rows]

    def add_fork(self, proof: ForkProof) -> None:
        with translated("cannot keep a fork proof"), transaction(self._db):
            query = "SELECT proof FROM fork WHERE author = ?"
            row = self._db.execute(query, (proof.author,)).fetchone()
            kept = fork.merge(parse_proof(row[0]) if row else None, proof)
            self._db.execute(
                "INSERT OR REPLACE INTO fork (author, seq, proof) VALUES (?, ?, ?)",
                (kept.author, kept.seq, kept.encode()),
            )

    def rebuild(self) -> Rebuilt:
        """Make anew what is derived from the entries: kept frontiers, and when bodies expire."""
        with translated("cannot rebuild"):
            return rebuild(self._db)

    def verify_all(self, verify: Verifier) -> Iterator[Problem]:
        with translated("cannot read the entries"):
            begins = {horizon.author: horizon for horizon in self.horizons()}
            yield from audit(self._all_rows(), self._swarm_id, verify, begins)
            yield from audit_horizons(begins.values(), self._swarm_id, verify)
            yield from self._audit_ends(begins)
            yield from frontiers.audit(self._db)
            for author, seq, raw in self._db.execute("SELECT author, seq, proof FROM fork"):
                try:
                    proof = parse_proof(raw)
                except LedgerError as error:
                    yield Problem(author, seq, f"fork proof: {error.message}")
                    continue
                if (proof.author, proof.seq) != (author, seq):
                    yield Problem(author, seq, "the fork proof is about another entry")
                yield from audit_forks([proof], self._swarm_id, verify)

    def close(self) -> None:
        self._db.close()

    def _end(self, author: bytes) -> _End:
        """Where the stored log ends, whether it is frozen or not; a new log gets its number."""
        query = "SELECT number, seq, id, hlc FROM log WHERE author = ?"
        row = self._db.execute(query, (author,)).fetchone()
        if row is None:
            return _End(begin_log(self._db, author), 0, b"", 0)
        return _End(*row)

    def _check_same(self, entry: Entry, end: _End) -> None:
        """Raise `ForkDetected` unless the entry is the one with its number that is here."""
        stored_id = end.fresh.get(entry.seq)
        if stored_id is None:
            query = "SELECT header FROM entry WHERE log = ? AND seq = ?"
            row = self._db.execute(query, (end.number, entry.seq)).fetchone()
            horizon = horizons.of(self._db, entry.author) if row is None else None
            if horizon is not None and entry.seq <= horizon.size:
                return  # it lies below the horizon, and was forgotten
            stored_id = entry_id(row[0]) if row else None
        if stored_id != entry.id:
            raise fork_error(entry)

    def _select(self, where: str, values: tuple[Any, ...]) -> Iterator[tuple[int, Entry]]:
        """Rows as entries. A row that no longer parses stops the reading, by name."""
        query = f"SELECT rowid, log, seq, header, signature, body FROM entry WHERE {where}"  # noqa: S608
        with translated("cannot read entries"):
            for rowid, log, seq, header_bytes, signature, body in self._db.execute(query, values):
                try:
                    yield rowid, assemble(header_bytes, signature, body)
                except LedgerError as error:
                    name = self._author(log).hex() or "an unknown log"
                    text = f"entry {seq} of {name} is damaged: {error.message}"
                    raise StoreError(text) from error

    def _author(self, number: int) -> bytes:
        """Whose log has this number; nothing if it isn't noted."""
        row = self._db.execute("SELECT author FROM log WHERE number = ?", (number,)).fetchone()
        return bytes(row[0]) if row else b""

    def _all_rows(self) -> Iterator[Row]:
        """Every row, by author and number. In pages: a statement that stays open for minutes
        would keep a running node from folding its WAL back into the file.
        """
        author, seq = b"", -1
        while page := self._db.execute(_PAGE, (author, seq, PAGE_ROWS)).fetchall():
            for columns in page:
                yield Row(*columns)
            author, seq = page[-1][:2]

    def _audit_ends(self, begins: Mapping[bytes, Horizon]) -> Iterator[Problem]:
        """Logs whose noted end is not their last entry: rows were taken away or slipped in."""
        for author, seq, last_id, hlc, last_seq in self._db.execute(_ENDS).fetchall():
            query = f"SELECT header FROM entry WHERE log = {_NUMBER} AND seq = ?"  # noqa: S608
            row = self._db.execute(query, (author, seq)).fetchone()
            noted = Head(author, seq, last_id, hlc)
            horizon = begins.get(author)
            if horizon is not None and horizon.last == noted and (last_seq or 0) <= seq:
                continue
            if last_seq != seq or row is None or _head_of(row[0]) != noted:
                yield Problem(author, seq, "the log does not end where it is noted to end")
        for _, seq, header_bytes in self._db.execute(_ORPHANS):
            head = _head_of(header_bytes)
            yield Problem(head.author if head else b"", seq, "the log is not noted")


def _head_of(header_bytes: bytes) -> Head | None:
    """The end of a log whose last header this is; None if it is damaged, which `audit` tells."""
    try:
        header = parse_header(header_bytes)
    except LedgerError:
        return None
    return Head(header.author, header.seq, entry_id(header_bytes), header.hlc)


def _create(path: Path) -> None:
    """Make the file if it isn't there, readable by its owner only, and its name durable."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)
    directory = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
