"""What the database derives from its entries, made anew: Merkle frontiers and expiry dates.

Both are there only to find things quickly. They are dropped and made again from the headers,
page by page, in one transaction each, so that a crash leaves the one before. Entries that were
stored before a table existed get their rows this way as well.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from ledger.header import parse_header
from ledger.retention import mortal_until
from ledger.sqlite import bodies, frontiers
from ledger.sqlite.schema import transaction

_PAGE_ROWS = 1000
"""Headers read at once: half a MiB."""

_KEPT = "SELECT author, size FROM frontier JOIN log ON log.number = frontier.log ORDER BY author"
_WHOLE = """
    SELECT rowid, log, seq, header FROM entry
    WHERE rowid > ? AND body IS NOT NULL ORDER BY rowid LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How many trees, and how many bodies that will expire, there are."""

    frontiers: int
    expiries: int


def rebuild(db: sqlite3.Connection) -> Rebuilt:
    """Make everything derived anew. Raises `InvalidEntry` for a header that is damaged."""
    with transaction(db):
        kept = db.execute(_KEPT).fetchall()
        db.execute("DELETE FROM frontier")
        made = sum(frontiers.frontier(db, author, size) is not None for author, size in kept)
    with transaction(db):
        db.execute("DELETE FROM expiry")
        after = expiries = 0
        while page := db.execute(_WHOLE, (after, _PAGE_ROWS)).fetchall():
            mortal = [
                (until, log, seq)
                for _, log, seq, raw in page
                if (until := mortal_until(parse_header(raw))) is not None
            ]
            bodies.note(db, mortal)
            expiries += len(mortal)
            after = page[-1][0]
    return Rebuilt(made, expiries)
