"""The database file: how it is opened, whose it is, and its numbered migrations.

`application_id` says that the file is ours, `user_version` which migrations it has had, and the
table `meta` which swarm it belongs to. Each migration is one transaction, so that a crash in the
middle of an upgrade leaves the version before it.

What a header says is stored once, in the header: beside it stand only the log, the number and the
kind, by which entries are found. Each index is paid for with every entry, so there are few: one by
log and number, one by kind for the kinds that are looked for that way. There is none by id: ids
are random, so it would dirty a page of the file for every single entry, and whoever refers to an
entry can name its log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from ledger.errors import DecodeError, InvalidEntry, SchemaTooNew, StoreError, WrongSwarm
from ledger.kinds import Kind

APPLICATION_ID = 0x53594D4C
"""The letters SYML, in the header of the file."""

BUSY_TIMEOUT_MS = 5000
"""How long to wait for another process that holds the database, such as a backup."""

CHECKPOINT_PAGES = 4000
"""Pages in the WAL before they are folded into the file: 16 MiB, four times the default. The same
pages of the indexes are touched again and again; this way they are written to the file less often.
"""

CACHE_KIB = 16 * 1024
"""Pages kept in memory: the inner nodes of the indexes of ten million entries, and then some."""

LAID_OUT_BYTES = 4 * 1024 * 1024
"""How long the WAL is made when a database is opened: 200 small commits."""

COMMON = (Kind.AWARD, Kind.RESULT)
"""What a ledger is made of, and what nobody looks for by its kind alone: these kinds have no place
in the index by kind. To look for one all the same is a walk through the table."""

SELDOM = f"kind NOT IN {tuple(map(int, COMMON))}"
"""All other kinds; they have one. A query that is to use the index says the same words."""

MIGRATIONS = (
    """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
    CREATE TABLE log (
      number INTEGER PRIMARY KEY, author BLOB NOT NULL UNIQUE,
      seq INTEGER NOT NULL, id BLOB NOT NULL, hlc INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE entry (
      rowid INTEGER PRIMARY KEY,
      log INTEGER NOT NULL REFERENCES log, seq INTEGER NOT NULL, kind INTEGER NOT NULL,
      header BLOB NOT NULL, signature BLOB NOT NULL, body BLOB,
      UNIQUE (log, seq)
    ) STRICT;
    CREATE INDEX entry_by_kind ON entry (kind);
    CREATE TABLE fork (
      author BLOB PRIMARY KEY NOT NULL, seq INTEGER NOT NULL, proof BLOB NOT NULL
    ) STRICT;
    """,
    """
    CREATE TABLE frontier (
      log INTEGER PRIMARY KEY REFERENCES log, size INTEGER NOT NULL, peaks BLOB NOT NULL
    ) STRICT;
    """,
    """
    CREATE TABLE expiry (
      at INTEGER NOT NULL, log INTEGER NOT NULL REFERENCES log, seq INTEGER NOT NULL,
      PRIMARY KEY (at, log, seq)
    ) WITHOUT ROWID, STRICT;
    """,
    """
    CREATE TABLE horizon (
      log INTEGER PRIMARY KEY REFERENCES log, size INTEGER NOT NULL, entry BLOB NOT NULL
    ) STRICT;
    """,
    """
    DROP INDEX entry_by_kind;
    CREATE INDEX entry_by_kind ON entry (kind) WHERE kind NOT IN (3, 4);
    ALTER TABLE expiry RENAME TO expiry_of_one;
    CREATE TABLE expiry (
      at INTEGER NOT NULL, log INTEGER NOT NULL REFERENCES log,
      first INTEGER NOT NULL, last INTEGER NOT NULL,
      PRIMARY KEY (at, log, first)
    ) WITHOUT ROWID, STRICT;
    INSERT INTO expiry (at, log, first, last) SELECT at, log, seq, seq FROM expiry_of_one;
    DROP TABLE expiry_of_one;
    """,
)
"""Numbered from 1. Never edit one that was released: add the next."""


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Errors of the disk and of SQLite as `StoreError`."""
    try:
        yield
    except (DecodeError, InvalidEntry) as error:
        raise StoreError(f"{doing}: damaged rows: {error.message}") from error
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{doing}: {error}") from error


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing, on the disk when it ends."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def connect(where: str) -> sqlite3.Connection:
    is_uri = where.startswith("file:")
    db = sqlite3.connect(where, uri=is_uri, isolation_level=None, check_same_thread=False)
    db.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    return db


def identify(db: sqlite3.Connection) -> int:
    """The schema version of our own file, 0 for an empty one. Raises for any other file."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION_ID and (application or tables):
        raise StoreError("the file is a database of another program", hint="name another file")
    if version > len(MIGRATIONS):
        raise SchemaTooNew(f"the database has version {version}, we know {len(MIGRATIONS)}")
    return int(version)


def migrate(db: sqlite3.Connection, swarm_id: bytes) -> None:
    """Bring the file to the newest version, one transaction a step."""
    for number, script in enumerate(MIGRATIONS, start=1):
        with transaction(db):
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version >= number:
                continue
            for statement in script.split(";"):
                db.execute(statement)
            if number == 1:
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                db.execute("INSERT INTO meta VALUES ('swarm_id', ?)", (swarm_id,))
            db.execute(f"PRAGMA user_version = {number}")


def lay_out(db: sqlite3.Connection) -> None:
    """Make the WAL as long as it will soon be anyway. A commit that writes over what is there
    already is synced in two thirds of the time that one needs which makes the file longer. The
    pages that this takes are free again, and the next entries use them.
    """
    with transaction(db):
        db.execute("CREATE TABLE laid_out (bytes BLOB)")
        db.execute("INSERT INTO laid_out VALUES (zeroblob(?))", (LAID_OUT_BYTES,))
        db.execute("DROP TABLE laid_out")
    db.execute("PRAGMA wal_checkpoint(RESTART)")


def check_swarm(db: sqlite3.Connection, swarm_id: bytes) -> None:
    row = db.execute("SELECT value FROM meta WHERE name = 'swarm_id'").fetchone()
    if row is None or row[0] != swarm_id:
        raise WrongSwarm("the database belongs to another swarm")


def begin_log(db: sqlite3.Connection, author: bytes) -> int:
    """A row for a log that nothing was stored of yet; its number."""
    fresh = "INSERT INTO log (author, seq, id, hlc) VALUES (?, 0, x'', 0)"
    return db.execute(fresh, (author,)).lastrowid or 0
