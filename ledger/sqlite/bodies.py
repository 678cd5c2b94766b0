"""Bodies that will be forgotten, by the time at which they may be.

The table `expiry` is ordered by the stamp after which nobody needs a body, so that finding what is
due is a walk from its start, whatever the size of the ledger. A row is a *span*: neighbours of one
log that were stored together and expire within `SPAN_MS` of each other, under the stamp of the
last of them. So a row serves a whole commit, and a body stays at most that much longer than it
must. A row goes when its bodies go; one that was forgotten in part shrinks.

What SQLite frees is used again for new entries; the file does not shrink, and the old bytes stay
in it until they are overwritten. Entries that were stored before this table existed have no row,
and keep their bodies until it is rebuilt (`rebuilding`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence

from ledger.clock import pack

SPAN_MS = 60_000
"""What a body may outstay its expiry for the sake of fewer rows; nobody drops one in the first
hour anyway (`ledger.limits.DROP_AFTER_MS`)."""

_WITHIN = pack(SPAN_MS)
_NOTE = "INSERT OR IGNORE INTO expiry (at, log, first, last) VALUES (?, ?, ?, ?)"
_DUE = """
    SELECT at, expiry.log, first, last, author
    FROM expiry JOIN log ON log.number = expiry.log
    WHERE at <= ? ORDER BY at, expiry.log, first LIMIT ?
"""
_FORGET = "UPDATE entry SET body = NULL WHERE log = ? AND seq = ?"
_DONE = "DELETE FROM expiry WHERE at = ? AND log = ? AND first = ?"

Mortal = tuple[int, int, int]
"""A body that will be forgotten: the stamp after which it may be, its log, its number."""


def note(db: sqlite3.Connection, mortal: Sequence[Mortal]) -> None:
    """Remember when the bodies of new entries may go. Those of a log come in its order."""
    if mortal:
        db.executemany(_NOTE, _spans(mortal))


def drop(
    db: sqlite3.Connection, before: int, keep: Collection[tuple[bytes, int]], limit: int
) -> int:
    """Forget at most `limit` bodies, the earliest first. Those that are kept stay in the table,
    so as many more rows are looked at.
    """
    forgotten = 0
    for at, log, first, last, author in db.execute(_DUE, (before, limit + len(keep))).fetchall():
        due = [seq for seq in range(first, last + 1) if (author, seq) not in keep]
        gone = due[: limit - forgotten]
        if not gone:
            continue
        db.executemany(_FORGET, [(log, seq) for seq in gone])
        db.execute(_DONE, (at, log, first))
        left = sorted(set(range(first, last + 1)).difference(gone))
        note(db, [(at, log, seq) for seq in left])
        forgotten += len(gone)
        if forgotten == limit:
            break
    return forgotten


def _spans(mortal: Iterable[Mortal]) -> Iterator[tuple[int, int, int, int]]:
    """Stamp, log, first and last number of what goes together."""
    log = first = last = earliest = latest = 0
    for at, number, seq in mortal:
        if number == log and seq == last + 1 and latest - _WITHIN <= at <= earliest + _WITHIN:
            last = seq
            earliest, latest = min(earliest, at), max(latest, at)
            continue
        if log:
            yield latest, log, first, last
        log, first, last, earliest, latest = number, seq, seq, at, at
    if log:
        yield latest, log, first, last
