"""A store read page by page: its memory is bounded, and nothing that arrives meanwhile is missed.

Pages follow the row ids, which grow with the order of arrival. Each page is a query of its own, so
a long walk holds no lock between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ledger.entry import Entry

if TYPE_CHECKING:
    from ledger.store import Store

PAGE_ENTRIES = 500
"""Read at once: some 150 KiB."""


def pages_of(
    store: Store, kind: int, *, after: int = 0, limit: int = PAGE_ENTRIES
) -> Iterator[tuple[Entry, ...]]:
    """The entries of a kind behind row id `after`, `limit` at a time, as they arrived."""
    while page := store.by_kind(kind, after_rowid=after, limit=limit):
        yield tuple(entry for _, entry in page)
        after = page[-1][0]


def all_of(store: Store, kind: int) -> Iterator[Entry]:
    """All entries of a kind, as they arrived."""
    for page in pages_of(store, kind):
        yield from page
