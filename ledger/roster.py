"""The heads of all logs, ordered by author, kept up to date while they change.

Sync compares ranges of authors, so it needs the heads in order, and needs them often: sorting
10 000 logs anew takes longer than comparing them. A roster keeps three views of the same heads:
by author (a dictionary), the authors in order, and one *row* for each, the 72 bytes that stand
for a head in a fingerprint:

    row = author ‖ seq, 8 bytes big-endian ‖ id

A head that moves costs a binary search, a new log in addition the shift of a list.

Rosters that begin alike may share their views (`share`). What changes lies over the shared
dictionary; the ordered views are copied when they are next looked at, which most nodes of a
large simulated swarm never do.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from types import MappingProxyType

from ledger.entry import Head
from ledger.overlay import Overlay

SEQ_BYTES = 8


def row_of(head: Head) -> bytes:
    """What stands for a head in fingerprints and items."""
    return head.author + head.seq.to_bytes(SEQ_BYTES, "big") + head.id


class Roster:
    """Heads by author, in the order of the authors."""

    __slots__ = ("_authors", "_heads", "_late", "_rows", "_shared")

    def __init__(self, heads: Iterable[Head] = ()) -> None:
        self._heads: MutableMapping[bytes, Head] = {head.author: head for head in heads}
        self._authors = sorted(self._heads)
        self._rows = [row_of(self._heads[author]) for author in self._authors]
        self._shared = False
        self._late: dict[bytes, Head] = {}
        """Heads that the ordered views, being shared, don't have yet."""

    def share(self) -> Roster:
        """Another roster with the same heads, at no cost until one of the two changes."""
        self._own_order()
        other = Roster()
        other._heads, other._authors, other._rows = self._heads, self._authors, self._rows
        self._shared = other._shared = True
        return other

    def _own_heads(self) -> None:
        """Before a change: it is made over what is shared."""
        if self._shared and not self._late:
            self._heads = Overlay(self._heads)

    def _own_order(self) -> None:
        """Before the ordered views are used: what is late is put into copies of them."""
        if self._late:
            self._authors, self._rows = list(self._authors), list(self._rows)
            late, self._late, self._shared = self._late, {}, False
            for head in late.values():
                self._place(head)

    def _place(self, head: Head) -> None:
        at = bisect_left(self._authors, head.author)
        if at < len(self._authors) and self._authors[at] == head.author:
            self._rows[at] = row_of(head)
        else:
            self._authors.insert(at, head.author)
            self._rows.insert(at, row_of(head))

    def __len__(self) -> int:
        return len(self._heads)

    def __iter__(self) -> Iterator[bytes]:
        self._own_order()
        return iter(self._authors)

    def __contains__(self, author: object) -> bool:
        return author in self._heads

    def get(self, author: bytes) -> Head | None:
        """The head of a log, None if there is none."""
        return self._heads.get(author)

    def by_author(self) -> Mapping[bytes, Head]:
        """The heads as they are now; to be asked for again after a change."""
        return MappingProxyType(self._heads)

    def put(self, head: Head) -> None:
        """Set the head of a log, new or known."""
        self._own_heads()
        if self._shared:
            self._late[head.author] = head
        else:
            self._place(head)
        self._heads[head.author] = head

    def drop(self, author: bytes) -> None:
        """Forget a log that is there."""
        self.put(self._heads[author])
        self._own_order()
        at = bisect_left(self._authors, author)
        del self._heads[author]
        del self._authors[at]
        del self._rows[at]

    def span(self, lower: bytes, upper: bytes | None) -> tuple[int, int]:
        """The places of the authors `lower` ≤ a < `upper`; `upper` None means all that follow.

        Bounds may be shorter than an author: they compare as byte strings do.
        """
        self._own_order()
        first = bisect_left(self._authors, lower)
        if upper is None:
            return first, len(self._authors)
        return first, bisect_left(self._authors, upper, lo=first)

    def author(self, place: int) -> bytes:
        """The author at a place."""
        self._own_order()
        return self._authors[place]

    def head(self, place: int) -> Head:
        """The head at a place."""
        return self._heads[self.author(place)]

    def rows(self, first: int, end: int) -> list[bytes]:
        """The rows from one place to before another, in order."""
        self._own_order()
        return self._rows[first:end]
