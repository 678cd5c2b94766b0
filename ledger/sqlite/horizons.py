"""Where logs begin on disk, and how what lies below is forgotten, a little at a time.

A row in the table `horizon` takes effect at once: the log is read, checked and served from there
on. The entries below go later, so many in one transaction, so that forgetting a million of them
never holds up a commit. The log's first entry stays if it commits to a successor.
"""

from __future__ import annotations

import sqlite3

from ledger.entry import Entry, parse_entry
from ledger.horizon import Horizon, parse_horizon
from ledger.kinds import Kind
from ledger.sqlite import frontiers
from ledger.sqlite.schema import begin_log

_OF = """
    SELECT entry FROM horizon WHERE log = (SELECT number FROM log WHERE author = ?)
"""
_ALL = "SELECT entry FROM horizon JOIN log ON log.number = horizon.log ORDER BY author"
_KEEP = "INSERT OR REPLACE INTO horizon (log, size, entry) VALUES (?, ?, ?)"
_ID = "SELECT number, seq FROM log WHERE author = ?"
_END = "UPDATE log SET seq = ?, id = ?, hlc = ? WHERE number = ?"
_FIRST = """
    INSERT OR IGNORE INTO entry (log, seq, kind, header, signature, body) VALUES (?, 1, ?, ?, ?, ?)
"""
_FORGET = f"""
    DELETE FROM entry WHERE rowid IN (
      SELECT entry.rowid FROM horizon CROSS JOIN entry ON entry.log = horizon.log
      AND entry.seq <= horizon.size
      WHERE NOT (entry.seq = 1 AND kind IN ({int(Kind.PLEDGE)}, {int(Kind.ADOPT)})) LIMIT ?
    )
"""  # noqa: S608  # two numbers of our own


def of(db: sqlite3.Connection, author: bytes) -> Horizon | None:
    """Where a log begins; None if it begins at 1."""
    row = db.execute(_OF, (author,)).fetchone()
    return parse_horizon(parse_entry(row[0])) if row else None


def every(db: sqlite3.Connection) -> list[Horizon]:
    """All of them, ordered by author."""
    return [parse_horizon(parse_entry(raw)) for (raw,) in db.execute(_ALL)]


def begin(db: sqlite3.Connection, horizon: Horizon, last: Entry | None) -> bool:
    """Let a log begin there; `last` is our own entry of the number `horizon.size`. False if our
    copy contradicts it.
    """
    before = of(db, horizon.author)
    if before is not None and before.size >= horizon.size:
        return True
    row = db.execute(_ID, (horizon.author,)).fetchone()
    if row is None:
        row = (begin_log(db, horizon.author), 0)
    number, seq = row
    if seq >= horizon.size:
        same = frontiers.frontier(db, horizon.author, horizon.size) == horizon.frontier
        if not same or last is None or last.head != horizon.last:
            return False
    else:
        db.execute(_END, (horizon.size, horizon.last.id, horizon.last.hlc, number))
    db.execute(_KEEP, (number, horizon.size, horizon.entry.encode()))
    if horizon.first is not None:
        first = horizon.first
        signed = (int(first.kind), first.header_bytes, first.signature, first.body)
        db.execute(_FIRST, (number, *signed))
    return True


def forget(db: sqlite3.Connection, limit: int) -> int:
    """Delete at most so many entries below horizons; how many there were."""
    return db.execute(_FORGET, (limit,)).rowcount
