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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from ledger import fork
from ledger.entry import Entry, Head, assemble
from ledger.errors import LedgerError, StoreError
from ledger.fork import ForkProof, parse_proof
from ledger.keys import Verifier
from ledger.sqlite.schema import check_swarm, connect, identify, migrate, transaction, translated
from ledger.store import Problem, Row, audit, audit_forks, check_append, fork_error, row_of

PAGE_ROWS = 1000
"""Rows read at once by `verify_all`: at most 17 MiB."""

_COLUMNS = "author, seq, id, hlc, kind, header, signature, body"
_INSERT = f"INSERT INTO entry ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_PAGE = f"""
    SELECT {_COLUMNS} FROM entry WHERE (author, seq) > (?, ?) ORDER BY author, seq LIMIT ?
"""  # noqa: S608
_UPSERT_LOG = """
    INSERT INTO log (author, seq, id, hlc) VALUES (?, ?, ?, ?)
    ON CONFLICT (author) DO UPDATE SET seq = excluded.seq, id = excluded.id, hlc = excluded.hlc
"""
_HEADS = """
    SELECT author, seq, id, hlc FROM log WHERE author NOT IN (SELECT author FROM fork)
    UNION ALL
    SELECT entry.author, entry.seq, entry.id, entry.hlc
    FROM fork JOIN log USING (author)
    JOIN entry ON entry.author = fork.author AND entry.seq = min(log.seq, fork.seq - 1)
    ORDER BY 1
"""
_ENDS = """
    SELECT log.author, log.seq, entry.id IS log.id AND entry.hlc IS log.hlc
      AND log.seq = (SELECT max(seq) FROM entry AS any WHERE any.author = log.author)
    FROM log LEFT JOIN entry ON entry.author = log.author AND entry.seq = log.seq
    UNION ALL
    SELECT author, max(seq), 0 FROM entry WHERE author NOT IN (SELECT author FROM log)
    GROUP BY author
"""


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
        heads: dict[bytes, Head] = {}
        with translated("cannot append"), transaction(self._db):
            for entry in entries:
                head = heads.get(entry.author) or self._head(entry.author)
                if head is not None and entry.seq <= head.seq:
                    self._check_same(entry)
                    continue
                check_append(entry, head)
                row = row_of(entry)
                self._db.execute(
                    _INSERT,
                    (
                        *(row.author, row.seq, row.id, row.hlc, row.kind),
                        *(row.header_bytes, row.signature, row.body),
                    ),
                )
                heads[entry.author] = entry.head
            for head in heads.values():
                self._db.execute(_UPSERT_LOG, (head.author, head.seq, head.id, head.hlc))

    def heads(self) -> list[Head]:
        with translated("cannot read the heads"):
            return [Head(*row) for row in self._db.execute(_HEADS)]

    def range(self, author: bytes, first: int, last: int, max_bytes: int) -> list[Entry]:
        found: list[Entry] = []
        where = "author = ? AND seq BETWEEN ? AND ? ORDER BY seq"
        for _, entry in self._select(where, (author, first, last)):
            max_bytes -= len(entry.encode())
            if max_bytes < 0 or entry.seq != max(first, 1) + len(found):
                break
            found.append(entry)
        return found

    def get(self, entry_id: bytes) -> Entry | None:
        return next((entry for _, entry in self._select("id = ?", (entry_id,))), None)

    def by_kind(self, kind: int, *, after_rowid: int = 0, limit: int) -> list[tuple[int, Entry]]:
        where = "kind = ? AND rowid > ? ORDER BY rowid LIMIT ?"
        return list(self._select(where, (kind, after_rowid, limit)))

    def entries(
        self, *, author: bytes | None = None, limit: int, after: int = 0
    ) -> list[tuple[int, Entry]]:
        if author is None:
            return list(self._select("rowid > ? ORDER BY rowid LIMIT ?", (after, limit)))
        where = "author = ? AND rowid > ? ORDER BY rowid LIMIT ?"
        return list(self._select(where, (author, after, limit)))

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

    def verify_all(self, verify: Verifier) -> Iterator[Problem]:
        with translated("cannot read the entries"):
            yield from audit(self._all_rows(), self._swarm_id, verify)
            yield from self._audit_ends()
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

    def _head(self, author: bytes) -> Head | None:
        """Where the stored log ends, whether it is frozen or not."""
        query = "SELECT author, seq, id, hlc FROM log WHERE author = ?"
        row = self._db.execute(query, (author,)).fetchone()
        return Head(*row) if row else None

    def _check_same(self, entry: Entry) -> None:
        query = "SELECT id FROM entry WHERE author = ? AND seq = ?"
        row = self._db.execute(query, (entry.author, entry.seq)).fetchone()
        if row is None or row[0] != entry.id:
            raise fork_error(entry)

    def _select(self, where: str, values: tuple[Any, ...]) -> Iterator[tuple[int, Entry]]:
        """Rows as entries. A row that no longer parses stops the reading, by name."""
        query = f"SELECT rowid, author, seq, header, signature, body FROM entry WHERE {where}"  # noqa: S608
        with translated("cannot read entries"):
            for rowid, author, seq, header_bytes, signature, body in self._db.execute(
                query, values
            ):
                try:
                    yield rowid, assemble(header_bytes, signature, body)
                except LedgerError as error:
                    text = f"entry {seq} of {author.hex()} is damaged: {error.message}"
                    raise StoreError(text) from error

    def _all_rows(self) -> Iterator[Row]:
        """Every row, by author and number. In pages: a statement that stays open for minutes
        would keep a running node from folding its WAL back into the file.
        """
        author, seq = b"", -1
        while page := self._db.execute(_PAGE, (author, seq, PAGE_ROWS)).fetchall():
            for columns in page:
                yield Row(*columns)
            author, seq = page[-1][:2]

    def _audit_ends(self) -> Iterator[Problem]:
        """Logs whose noted end is not their last entry: rows were taken away or slipped in."""
        for author, seq, holds in self._db.execute(_ENDS):
            if not holds:
                yield Problem(author, seq, "the log does not end where it is noted to end")


def _create(path: Path) -> None:
    """Make the file if it isn't there, readable by its owner only, and its name durable."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)
    directory = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
