"""Bodies that will be forgotten, by the time at which they may be.

Each entry whose body may be dropped some day has a row in the table `expiry`, ordered by the
stamp after which nobody needs it; a row goes when its body goes. Finding what is due is so a walk
from the start of that table, whatever the size of the ledger. Rows arrive nearly in order, so
that they cost little.

What SQLite frees is used again for new entries; the file does not shrink, and the old bytes stay
in it until they are overwritten. Entries that were stored before this table existed have no row,
and keep their bodies until it is rebuilt (`rebuilding`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence

_NOTE = "INSERT OR IGNORE INTO expiry (at, log, seq) VALUES (?, ?, ?)"
_DUE = """
    SELECT at, expiry.log, expiry.seq, author FROM expiry JOIN log ON log.number = expiry.log
    WHERE at <= ? ORDER BY at, expiry.log, expiry.seq LIMIT ?
"""
_FORGET = "UPDATE entry SET body = NULL WHERE log = ? AND seq = ?"
_DONE = "DELETE FROM expiry WHERE at = ? AND log = ? AND seq = ?"


def note(db: sqlite3.Connection, rows: Sequence[tuple[int | None, int, int]]) -> None:
    """Remember when the bodies of new entries may go: stamp, log, number."""
    if rows:
        db.executemany(_NOTE, rows)


def drop(
    db: sqlite3.Connection, before: int, keep: Collection[tuple[bytes, int]], limit: int
) -> int:
    """Forget at most `limit` bodies, the earliest first. Those that are kept stay in the table,
    so as many more rows are looked at.
    """
    due = db.execute(_DUE, (before, limit + len(keep))).fetchall()
    gone = [row[:3] for row in due if (row[3], row[2]) not in keep][:limit]
    db.executemany(_FORGET, [(log, seq) for _, log, seq in gone])
    db.executemany(_DONE, gone)
    return len(gone)
