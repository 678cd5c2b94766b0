"""The trees of logs on disk: ids are hashed from headers, and the last frontier of a log is kept.

A frontier is derived: it can be dropped at any time and is made again from the headers. It is
kept because a log of a million entries takes a second to hash, and a checkpoint comes every
minute. Nothing is kept per entry: proofs hash what they need.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from ledger.entry import parse_entry
from ledger.header import HASH_BYTES, entry_id
from ledger.horizon import parse_horizon
from ledger.merkle import Frontier
from ledger.store import Problem

_PAGE_IDS = 10_000
"""Ids hashed at once: 320 KB."""

_HEADERS = """
    SELECT seq, header FROM entry WHERE log = (SELECT number FROM log WHERE author = ?)
    AND seq BETWEEN ? AND ? ORDER BY seq
"""
_KEPT = """
    SELECT size, peaks FROM frontier WHERE log = (SELECT number FROM log WHERE author = ?)
"""
_KEEP = """
    INSERT OR REPLACE INTO frontier (log, size, peaks)
    SELECT number, ?2, ?3 FROM log WHERE author = ?1
"""
_HORIZON = """
    SELECT entry FROM horizon WHERE log = (SELECT number FROM log WHERE author = ?) AND size <= ?
"""
_ALL = "SELECT author, size, peaks FROM frontier JOIN log ON log.number = frontier.log"


def ids(db: sqlite3.Connection, author: bytes, first: int, last: int) -> list[bytes]:
    """The ids of a range of a log, up to the first gap."""
    first = max(first, 1)
    found: list[bytes] = []
    for seq, header_bytes in db.execute(_HEADERS, (author, first, last)):
        if seq != first + len(found):
            break
        found.append(entry_id(header_bytes))
    return found


def frontier(db: sqlite3.Connection, author: bytes, size: int) -> Frontier | None:
    """The frontier of the first `size` entries, None if they aren't all here. Kept."""
    row = db.execute(_KEPT, (author,)).fetchone()
    kept = _parse(*row) if row else None
    below = base(db, author, size)
    start = kept if kept is not None and below.size <= kept.size <= size else below
    found = _extend(db, author, start, size)
    if found.size != size:
        return None
    if found != kept:
        db.execute(_KEEP, (author, size, b"".join(found.peaks)))
    return found


def base(db: sqlite3.Connection, author: bytes, size: int) -> Frontier:
    """The frontier from which a tree of this size can be made: that of the log's horizon, if it
    lies below, else the empty one.
    """
    row = db.execute(_HORIZON, (author, size)).fetchone()
    return parse_horizon(parse_entry(row[0])).frontier if row else Frontier()


def audit(db: sqlite3.Connection) -> Iterator[Problem]:
    """Kept frontiers that are not those of their logs."""
    for author, size, peaks in db.execute(_ALL).fetchall():
        if _extend(db, author, base(db, author, size), size) != _parse(size, peaks):
            yield Problem(author, size, "the kept Merkle frontier is not that of the log")


def _extend(db: sqlite3.Connection, author: bytes, start: Frontier, size: int) -> Frontier:
    """The frontier after as many of the entries up to `size` as are here."""
    while start.size < size:
        last = min(size, start.size + _PAGE_IDS)
        page = ids(db, author, start.size + 1, last)
        if not page:
            break
        start = start.extend(page)
    return start


def _parse(size: int, peaks: bytes) -> Frontier | None:
    """A kept frontier; None if the row is damaged, and it is made again."""
    hashes = [peaks[at : at + HASH_BYTES] for at in range(0, len(peaks), HASH_BYTES)]
    try:
        return Frontier(size, tuple(hashes))
    except ValueError:
        return None
