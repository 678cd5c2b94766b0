"""Anti-entropy by heads vector: tell a peer where our logs end, ask for what it has beyond.

Gossip is lossy; this is what makes the ledgers of a swarm converge. One round, either way round:

    A → B   heads_frame(A)                a page of A's heads, ordered by author
    B       wants(B, heads)               contiguous ranges that A has and B lacks
    B → A   the wants; A answers with entries from its store, in order
    B       admit(…, solicited=True)      every entry is checked as if it came by gossip

A log in which both sides hold different ids for one number is a suspect: fetch the peer's entry
of that number; admitting it (or `Book.conflicts`) yields the proof, which then travels as an
entry of kind `FORK` in the finder's log, so that the lowest proof reaches everybody. Frozen logs
are compared only up to where they are frozen, so a settled fork costs nothing. Who holds more of
a log than ours, which retired, holds another branch of it: that is a suspect as well.

All lists are bounded; what does not fit follows in the next round, because by then the heads
have moved.

What is compared are heads, not sets of entries, so that pruning can never disturb it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ledger import codec
from ledger.book import Book
from ledger.entry import Head
from ledger.errors import InvalidEntry
from ledger.header import HASH_BYTES
from ledger.keys import PUBLIC_BYTES
from ledger.limits import (
    MAX_HEADS_PER_FRAME,
    MAX_UINT63,
    MAX_WANT_ENTRIES,
    MAX_WANTS_PER_FRAME,
)


@dataclass(frozen=True, slots=True)
class Want:
    """Entries `first` to `last` (both included) of one log."""

    author: bytes
    first: int
    last: int


def heads_frame(book: Book, *, after: bytes = b"") -> list[Head]:
    """A page of our heads, ordered by author, starting behind the author `after`.

    A page shorter than `MAX_HEADS_PER_FRAME` is the last one.
    """
    roster = book.roster
    first, end = roster.span(after, None)
    first += first < end and roster.author(first) == after
    return [roster.head(at) for at in range(first, min(end, first + MAX_HEADS_PER_FRAME))]


def wants(book: Book, their_heads: Iterable[Head]) -> list[Want]:
    """What a peer with these heads has and we lack, bounded per log and in all."""
    result: list[Want] = []
    for theirs in their_heads:
        ours = book.head(theirs.author)
        frozen_at = book.frozen_at(theirs.author)
        first = ours.seq + 1 if ours else 1
        last = min(theirs.seq, first + MAX_WANT_ENTRIES - 1)
        retire = book.succession.retired(theirs.author)
        if frozen_at is not None:
            last = min(last, frozen_at)
        if retire is not None:
            last = min(last, retire.seq)
        if first <= last:
            result.append(Want(theirs.author, first, last))
            if len(result) == MAX_WANTS_PER_FRAME:
                break
    return result


def suspects(book: Book, their_heads: Iterable[Head]) -> list[Head]:
    """Those of a peer's heads that contradict ours: same number, another id; or, where our log
    retired, a higher number. That one is moved to the retirement, where the branches differ.
    """
    result: list[Head] = []
    for theirs in their_heads:
        frozen_at = book.frozen_at(theirs.author)
        if frozen_at is not None and theirs.seq > frozen_at:
            continue
        retire = book.succession.retired(theirs.author)
        if retire is not None and theirs.seq > retire.seq:
            result.append(replace(theirs, seq=retire.seq))
            continue
        ours = book.recent_id(theirs.author, theirs.seq)
        if ours is not None and ours != theirs.id:
            result.append(theirs)
    return result


def encode_heads(heads: Sequence[Head]) -> bytes:
    """`[[author, seq, id, hlc], …]`, as `heads_frame` orders them."""
    assert len(heads) <= MAX_HEADS_PER_FRAME
    return codec.dumps([(head.author, head.seq, head.id, head.hlc) for head in heads])


def parse_heads(raw: bytes) -> list[Head]:
    """Raises `DecodeError`, or `InvalidEntry` for a frame that `encode_heads` can't have made."""
    heads: list[Head] = []
    last_author = b""
    for row in _rows(raw, MAX_HEADS_PER_FRAME):
        match row:
            case [bytes() as author, int() as seq, bytes() as entry_id, int() as hlc] if (
                len(author) == PUBLIC_BYTES
                and author > last_author
                and _positive(seq)
                and len(entry_id) == HASH_BYTES
                and not isinstance(hlc, bool)
                and 0 <= hlc <= MAX_UINT63
            ):
                heads.append(Head(author, seq, entry_id, hlc))
                last_author = author
            case _:
                raise InvalidEntry("a head is [author, seq, id, hlc], ordered by author")
    return heads


def encode_wants(ranges: Sequence[Want]) -> bytes:
    """`[[author, first, last], …]`."""
    assert len(ranges) <= MAX_WANTS_PER_FRAME
    return codec.dumps([(want.author, want.first, want.last) for want in ranges])


def parse_wants(raw: bytes) -> list[Want]:
    """Raises `DecodeError`, or `InvalidEntry` for a frame that `encode_wants` can't have made."""
    ranges: list[Want] = []
    for row in _rows(raw, MAX_WANTS_PER_FRAME):
        match row:
            case [bytes() as author, int() as first, int() as last] if (
                len(author) == PUBLIC_BYTES
                and _positive(first)
                and _positive(last)
                and 0 <= last - first < MAX_WANT_ENTRIES
            ):
                ranges.append(Want(author, first, last))
            case _:
                raise InvalidEntry("a want is [author, first, last], a short range")
    return ranges


def _rows(raw: bytes, limit: int) -> list[codec.Value]:
    rows = codec.loads(raw)
    if not isinstance(rows, list) or len(rows) > limit:
        raise InvalidEntry(f"a frame is an array of at most {limit} rows")
    return rows


def _positive(value: int) -> bool:
    return not isinstance(value, bool) and 1 <= value <= MAX_UINT63
