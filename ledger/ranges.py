"""The frames of reconciliation: what is said about ranges of authors.

A frame walks along the order of authors from the lowest to the highest. Each step names the
bound at which it ends and what is said about the logs since the bound before:

    null                nothing: they are equal, or were dealt with
    bytes(16)           Compare: the fingerprint of my heads in there
    [0, items]          Items: here are my heads in there, 16 bytes each
    [1, items]          Ask: send me the heads behind these items of yours
    [2, places, heads]  Answer: you listed items that I don't have, at these places, and I have
                        these heads that you did not list

A bound is a prefix of a key, as short as it can be: it takes two bytes to tell 1 000 random keys
apart. The last bound may be null, the end. A request is `[salt, steps]`, a response is
`[salt, steps, upto]`: everything below `upto` was dealt with, the rest did not fit.

    row         = author ‖ seq (8 bytes) ‖ head id
    item        = SHA-256(salt ‖ row)[:16]
    fingerprint = SHA-256(salt ‖ row ‖ row ‖ …)[:16]

The fingerprint hashes all rows in order. A sum or an exclusive or of items could be updated in
place, but the salt is new each time, so there is nothing to update, and whoever can mint keys
can cancel differences in anything linear.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from ledger import codec
from ledger.entry import Head
from ledger.errors import InvalidEntry
from ledger.header import HASH_BYTES
from ledger.keys import PUBLIC_BYTES
from ledger.limits import (
    MAX_RECONCILE_ITEMS,
    MAX_RECONCILE_RANGES,
    MAX_UINT63,
    MAX_VALUE_BYTES,
    RECONCILE_FANOUT,
)

SALT_BYTES = 16
ITEM_BYTES = 16
_ITEMS, _ASK, _ANSWER = 0, 1, 2
_HEAD_FIELDS = 4
_FRAME_BYTES, _RANGE_BYTES, _HEAD_BYTES = 64, 16, 89
"""What encoding takes at most: around the steps, around one step without its bounds, a head."""


@dataclass(frozen=True, slots=True)
class Compare:
    """The fingerprint of the sender's rows."""

    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Items:
    """All of the sender's items, in the order of their authors."""

    items: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """Items of the receiver whose heads the sender wants."""

    items: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Places in the receiver's `Items` that the sender lacks, and heads that it has instead."""

    places: bytes
    heads: tuple[Head, ...]


Saying: TypeAlias = Compare | Items | Ask | Answer


@dataclass(frozen=True, slots=True)
class Range:
    """What is said about the logs with `lower` ≤ author < `upper`; None is the end."""

    lower: bytes
    upper: bytes | None
    says: Saying

    def size_bytes(self) -> int:
        """At least what its encoding takes, with the silent step that may come before it."""
        bounds = len(self.lower) + len(self.upper or b"") + 6
        match self.says:
            case Compare():
                return bounds + 1 + ITEM_BYTES
            case Items(items) | Ask(items):
                return bounds + _RANGE_BYTES + ITEM_BYTES * len(items)
            case Answer(places, heads):
                return bounds + _RANGE_BYTES + len(places) + _HEAD_BYTES * len(heads)


@dataclass(frozen=True, slots=True)
class Response:
    """What a responder says. `upto` is where it ran out of room; None if it did not."""

    salt: bytes
    ranges: tuple[Range, ...]
    upto: bytes | None


class Room:
    """Counts what still fits into one frame."""

    __slots__ = ("_bytes", "_ranges")

    def __init__(self) -> None:
        self._bytes = MAX_VALUE_BYTES - _FRAME_BYTES
        self._ranges = MAX_RECONCILE_RANGES

    def take(self, ranges: Sequence[Range]) -> bool:
        """Reserve the room for these, if there is enough for all of them."""
        size_bytes = sum(part.size_bytes() for part in ranges)
        fits = size_bytes <= self._bytes and len(ranges) <= self._ranges
        if fits:
            self._bytes -= size_bytes
            self._ranges -= len(ranges)
        return fits

    def heads(self) -> int:
        """How many heads an answer may hold now, next to places and bounds."""
        spare = RECONCILE_FANOUT + _RANGE_BYTES + 2 * PUBLIC_BYTES + 6
        return (self._bytes - spare) // _HEAD_BYTES if self._ranges else 0


def session_salt(ours: bytes, theirs: bytes) -> bytes:
    """The salt of one reconciliation, from the initiator's half and the responder's."""
    return hashlib.sha256(b"symphony/reconcile/1\x00" + ours + theirs).digest()[:SALT_BYTES]


def answering_salt(secret: bytes, salt: bytes) -> bytes:
    """The responder's half. Its secret makes it unforeseeable, and it needs no memory of it."""
    return hashlib.sha256(secret + salt).digest()[:SALT_BYTES]


def item(salt: bytes, row: bytes) -> bytes:
    """What stands for one head."""
    return hashlib.sha256(salt + row).digest()[:ITEM_BYTES]


def fingerprint(salt: bytes, rows: Sequence[bytes]) -> bytes:
    """What stands for all heads in a range."""
    return hashlib.sha256(salt + b"".join(rows)).digest()[:ITEM_BYTES]


def separator(before: bytes, after: bytes) -> bytes:
    """The shortest prefix of `after` that is larger than `before`, which is the smaller one."""
    length = next(at for at, (a, b) in enumerate(zip(before, after, strict=True)) if a != b)
    return after[: length + 1]


def encode_request(salt: bytes, ranges: Sequence[Range]) -> bytes:
    """Without ranges it opens a session."""
    return codec.dumps((salt, _steps(ranges)))


def encode_response(response: Response) -> bytes:
    return codec.dumps((response.salt, _steps(response.ranges), response.upto))


def parse_request(raw: bytes) -> tuple[bytes, list[Range]]:
    """The initiator's salt and its ranges. Raises `DecodeError` and `InvalidEntry`."""
    match codec.loads(raw, max_items=MAX_RECONCILE_ITEMS):
        case [bytes() as salt, list() as steps] if len(salt) == SALT_BYTES:
            return salt, _ranges(steps)
    raise InvalidEntry("a reconciliation request is [salt, steps]")


def parse_response(raw: bytes) -> Response:
    """Raises `DecodeError` and `InvalidEntry`."""
    match codec.loads(raw, max_items=MAX_RECONCILE_ITEMS):
        case [bytes() as salt, list() as steps, bytes() | None as upto] if len(salt) == SALT_BYTES:
            ranges = _ranges(steps)
            if upto is None or (_is_bound(upto) and not _beyond(ranges, upto)):
                return Response(salt, tuple(ranges), upto)
    raise InvalidEntry("a reconciliation response is [salt, steps, upto]")


def _beyond(ranges: list[Range], upto: bytes) -> bool:
    """Does any range reach past what was dealt with?"""
    return bool(ranges) and (ranges[-1].upper is None or ranges[-1].upper > upto)


def _steps(ranges: Sequence[Range]) -> list[codec.Encodable]:
    steps: list[codec.Encodable] = []
    at: bytes | None = b""
    for part in ranges:
        if part.lower != at:
            steps += (part.lower, None)
        steps += (part.upper, _said(part.says))
        at = part.upper
    return steps


def _said(says: Saying) -> codec.Encodable:
    match says:
        case Compare(fingerprint):
            return fingerprint
        case Items(items):
            return (_ITEMS, b"".join(items))
        case Ask(items):
            return (_ASK, b"".join(items))
        case Answer(places, heads):
            fields: list[codec.Encodable] = []
            for head in heads:
                fields += (head.author, head.seq, head.id, head.hlc)
            return (_ANSWER, places, fields)


def _ranges(steps: list[codec.Value]) -> list[Range]:
    """The ranges that `_steps` wrote as these steps, and no other."""
    if len(steps) % 2 or len(steps) > 4 * MAX_RECONCILE_RANGES:
        raise InvalidEntry("steps are pairs of a bound and what is said below it, not too many")
    ranges: list[Range] = []
    lower, silent, ended = b"", False, False
    for upper, said in zip(steps[::2], steps[1::2], strict=True):
        ascends = isinstance(upper, bytes) and _is_bound(upper) and upper > lower
        if ended or not (ascends or upper is None):
            raise InvalidEntry("bounds of ranges ascend, and only the last may be null")
        if said is None:
            if silent or upper is None:
                raise InvalidEntry("a silent step that could be left out")
            silent = True
        else:
            assert upper is None or isinstance(upper, bytes)
            ranges.append(Range(lower, upper, _parse_said(said, lower, upper)))
            silent = False
        ended, lower = upper is None, upper if isinstance(upper, bytes) else b""
    if silent or len(ranges) > MAX_RECONCILE_RANGES:
        raise InvalidEntry("a silent step at the end, or too many ranges")
    return ranges


def _is_bound(bound: bytes) -> bool:
    return 1 <= len(bound) <= PUBLIC_BYTES


def _parse_said(said: codec.Value, lower: bytes, upper: bytes | None) -> Saying:
    match said:
        case bytes() if len(said) == ITEM_BYTES:
            return Compare(said)
        case [0, bytes() as items] if said[0] is not False:
            return Items(_split(items))
        case [1, bytes() as items] if said[0] is not True and items:
            return Ask(_split(items))
        case [2, bytes() as places, list() as fields] if places or fields:
            ascending = all(a < b for a, b in pairwise(places))
            if ascending and all(place < RECONCILE_FANOUT for place in places):
                return Answer(places, _heads(fields, lower, upper))
    raise InvalidEntry("a range that says nothing known")


def _split(items: bytes) -> tuple[bytes, ...]:
    if len(items) % ITEM_BYTES or len(items) > RECONCILE_FANOUT * ITEM_BYTES:
        raise InvalidEntry(f"items are {ITEM_BYTES} bytes each, at most {RECONCILE_FANOUT}")
    return tuple(items[at : at + ITEM_BYTES] for at in range(0, len(items), ITEM_BYTES))


def _heads(fields: list[codec.Value], lower: bytes, upper: bytes | None) -> tuple[Head, ...]:
    """Heads inside a range, ordered by author."""
    heads: list[Head] = []
    for at in range(0, len(fields), _HEAD_FIELDS):
        match fields[at : at + _HEAD_FIELDS]:
            case [bytes() as author, int() as seq, bytes() as entry_id, int() as hlc] if (
                len(author) == PUBLIC_BYTES
                and author >= lower
                and (upper is None or author < upper)
                and (not heads or author > heads[-1].author)
                and type(seq) is int
                and 1 <= seq <= MAX_UINT63
                and len(entry_id) == HASH_BYTES
                and type(hlc) is int
                and 0 <= hlc <= MAX_UINT63
            ):
                heads.append(Head(author, seq, entry_id, hlc))
            case _:
                raise InvalidEntry("a head is author, seq, id, hlc, in order and in its range")
    return tuple(heads)
