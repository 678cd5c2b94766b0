"""Range-based set reconciliation: find the logs whose heads differ, at the price of those.

After Meyer, "Range-Based Set Reconciliation" (2023), over heads instead of entries. Both sides
cut the order of all authors into ranges and compare one fingerprint for each. A range that
differs is cut into 16 again, until it is so small that its logs are listed:

    A → B   salt                               a session opens
    B → A   salt, 16 fingerprints              B's logs, in ranges of equal counts
    A → B   where they differ: 16 each         A's
    B → A   where those differ: items          one range has 16 logs or fewer by now
    A → B   the items that A lacks             and A knows which of its own B lacks
    B → A   their heads

Two ledgers that are equal are known to be so after one round trip of about 400 bytes, however
many logs they hold. The initiator (`Initiator`) is a small state machine. The responder is a
function of its book and one request: it remembers nothing, so it can't be filled up, and heads
may move while a session runs.

The salt is half the initiator's and half the responder's, and new in each session: whoever mints
keys or entries can't make two ledgers look equal that are not.

Everything has a bound: the frame (64 KiB), the rounds (8), and the work for one frame (one hash
of each of our rows). What does not fit into a frame follows in the next round. What is not
settled after the last round is left to the heads vector (`complete` is False then).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from ledger.book import Book
from ledger.entry import Head
from ledger.errors import InvalidEntry
from ledger.limits import MAX_RECONCILE_ROUNDS, RECONCILE_FANOUT
from ledger.ranges import (
    SALT_BYTES,
    Answer,
    Ask,
    Compare,
    Items,
    Range,
    Response,
    Room,
    Saying,
    answering_salt,
    encode_request,
    encode_response,
    fingerprint,
    item,
    parse_request,
    parse_response,
    separator,
    session_salt,
)
from ledger.roster import Roster


def respond(book: Book, secret: bytes, request: bytes) -> bytes:
    """The response to one request. `secret` is a random string of the node's own.

    Raises `DecodeError` and `InvalidEntry` for a request that no initiator sends.
    """
    theirs, ranges = parse_request(request)
    ours = answering_salt(secret, theirs)
    return encode_response(_respond(book.roster, session_salt(theirs, ours), ours, ranges))


def _respond(roster: Roster, salt: bytes, ours: bytes, ranges: Sequence[Range]) -> Response:
    if not ranges:
        return Response(ours, tuple(_describe(roster, salt, b"", None)), None)
    room, said = Room(), list[Range]()
    for part in ranges:
        match part.says:
            case Compare():
                parts = _compare(roster, salt, part)
            case Items(items):
                own = _own(roster, salt, part)
                places = bytes(at for at, theirs in enumerate(items) if theirs not in own)
                listed = frozenset(items)
                heads = [place for each, place in own.items() if each not in listed]
                parts, upto = _answer(roster, part, places, heads, room)
                if upto is not None:
                    return Response(ours, (*said, *parts), upto)
            case Ask(items):
                own = _own(roster, salt, part)
                heads = sorted(own[each] for each in items if each in own)
                parts, upto = _answer(roster, part, b"", heads, room)
                if upto is not None:
                    return Response(ours, (*said, *parts), upto)
            case Answer():
                raise InvalidEntry("a request that answers")
            case _:
                assert_never(part.says)
        if not room.take(parts):
            return Response(ours, tuple(said), part.lower)
        said += parts
    return Response(ours, tuple(said), None)


def _answer(
    roster: Roster, part: Range, places: bytes, heads: list[int], room: Room
) -> tuple[list[Range], bytes | None]:
    """The heads at these places of the roster, as many as fit, and where it had to stop."""
    if not places and not heads:
        return [], None
    fitting = room.heads()
    if fitting < 1:
        return [], part.lower
    upto = roster.author(heads[fitting]) if len(heads) > fitting else None
    found = tuple(roster.head(place) for place in heads[:fitting])
    upper = part.upper if upto is None else upto
    return [Range(part.lower, upper, Answer(places, found))], upto


def _own(roster: Roster, salt: bytes, part: Range) -> dict[bytes, int]:
    """Our items in a range, in order, with their places in the roster."""
    first, end = roster.span(part.lower, part.upper)
    rows = roster.rows(first, end)
    return {item(salt, row): place for place, row in enumerate(rows, start=first)}


def _compare(roster: Roster, salt: bytes, part: Range) -> list[Range]:
    """Nothing if a fingerprint is ours too, else a closer look."""
    assert isinstance(part.says, Compare)
    rows = roster.rows(*roster.span(part.lower, part.upper))
    if fingerprint(salt, rows) == part.says.fingerprint:
        return []
    return list(_describe(roster, salt, part.lower, part.upper))


def _describe(roster: Roster, salt: bytes, lower: bytes, upper: bytes | None) -> Iterator[Range]:
    """What we hold in a range: its items if they are few, else 16 fingerprints."""
    first, end = roster.span(lower, upper)
    count = end - first
    if count <= RECONCILE_FANOUT:
        items = tuple(item(salt, row) for row in roster.rows(first, end))
        yield Range(lower, upper, Items(items))
        return
    for part in range(RECONCILE_FANOUT):
        start = first + count * part // RECONCILE_FANOUT
        stop = first + count * (part + 1) // RECONCILE_FANOUT
        rows = roster.rows(start, stop)
        last = part == RECONCILE_FANOUT - 1
        bound = upper if last else separator(roster.author(stop - 1), roster.author(stop))
        yield Range(lower, bound, Compare(fingerprint(salt, rows)))
        lower = bound or b""


@dataclass(frozen=True, slots=True)
class _Part:
    """A range that waits to be sent, or was sent. `says` None: it differs, look more closely.
    `authors` are those behind the items in `says`.
    """

    lower: bytes
    upper: bytes | None
    says: Saying | None = None
    authors: tuple[bytes, ...] = ()


class Initiator:
    """One side of one session: `start`, then `take` each response until there is no request.

    `theirs` are the peer's heads that differ from ours or that we lack, `ours` the authors whose
    heads the peer lacks or has otherwise; both grow while the session runs and may be used at
    any time. `complete` says that nothing else differs.
    """

    def __init__(self, book: Book, salt: bytes) -> None:
        """`salt` is 16 fresh random bytes."""
        if len(salt) != SALT_BYTES:
            raise ValueError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
        self.theirs: dict[bytes, Head] = {}
        self.ours: set[bytes] = set()
        self.complete = False
        self.rounds = 0
        self._book = book
        self._half = salt
        self._their_half: bytes | None = None
        self._salt = b""
        self._sent = [_Part(b"", None)]
        self._waiting: list[_Part] = []

    def start(self) -> bytes:
        """The first request."""
        assert self.rounds == 0
        self.rounds = 1
        return encode_request(self._half, ())

    def take(self, raw: bytes) -> bytes | None:
        """The next request, None when the session is over.

        Raises `DecodeError` and `InvalidEntry` for what no responder sends; the session is to be
        dropped then.
        """
        response = parse_response(raw)
        if self._their_half is None:
            self._their_half = response.salt
            self._salt = session_salt(self._half, response.salt)
        elif response.salt != self._their_half:
            raise InvalidEntry("a response of another session")
        rest = self._rest(response.upto)
        self._waiting = [*self._look(response.ranges), *rest, *self._waiting]
        self.complete = not self._waiting
        if self.complete or self.rounds == MAX_RECONCILE_ROUNDS:
            return None
        self.rounds += 1
        return self._request()

    def _rest(self, upto: bytes | None) -> list[_Part]:
        """What we sent and the responder had no room for."""
        if upto is None:
            return []
        rest = [part for part in self._sent if part.upper is None or part.upper > upto]
        if not rest or upto <= self._sent[0].lower:
            raise InvalidEntry("a response that deals with nothing")
        cut = rest[0]
        if cut.lower < upto:
            if not isinstance(cut.says, Items | Ask):
                raise InvalidEntry("half an answer to a fingerprint")
            rest[0] = replace(cut, lower=upto)
        return [
            _Part(part.lower, part.upper) if isinstance(part.says, Items) else part for part in rest
        ]

    def _look(self, ranges: Sequence[Range]) -> Iterator[_Part]:
        """What is to be said next about what was answered."""
        at = 0
        for part in ranges:
            while at < len(self._sent) and not _covers(self._sent[at], part):
                at += 1
            if at == len(self._sent):
                raise InvalidEntry("an answer to what was not asked")
            sent = self._sent[at]
            answers = isinstance(sent.says, Items | Ask)
            if answers != isinstance(part.says, Answer):
                raise InvalidEntry("an answer of the wrong kind")
            yield from self._look_at(part, sent)

    def _look_at(self, part: Range, sent: _Part) -> Iterator[_Part]:
        roster = self._book.roster
        match part.says:
            case Compare(theirs):
                rows = roster.rows(*roster.span(part.lower, part.upper))
                if fingerprint(self._salt, rows) != theirs:
                    yield _Part(part.lower, part.upper)
            case Items(items):
                own = _own(roster, self._salt, part)
                listed = frozenset(items)
                self.ours |= {roster.author(own[each]) for each in own if each not in listed}
                lacking = tuple(each for each in items if each not in own)
                if lacking:
                    yield _Part(part.lower, part.upper, Ask(lacking))
            case Answer(places, heads):
                if places and places[-1] >= len(sent.authors):
                    raise InvalidEntry("places in a list that was not sent")
                self.ours |= {sent.authors[place] for place in places}
                for head in heads:
                    if self._book.head(head.author) != head:
                        self.theirs[head.author] = head
            case Ask():
                raise InvalidEntry("a response that asks")
            case _:
                assert_never(part.says)

    def _request(self) -> bytes:
        """As much of what waits as fits into one frame, in order."""
        room, said = Room(), list[Range]()
        self._sent = []
        for number, part in enumerate(self._waiting):
            if part.says is None:
                ranges = list(_describe(self._book.roster, self._salt, part.lower, part.upper))
            else:
                ranges = [Range(part.lower, part.upper, part.says)]
            if not room.take(ranges):
                self._waiting = self._waiting[number:]
                break
            said += ranges
            self._sent += map(self._note, ranges)
        else:
            self._waiting = []
        return encode_request(self._half, said)

    def _note(self, sent: Range) -> _Part:
        """A range as it was sent, with the authors of its items."""
        if not isinstance(sent.says, Items):
            return _Part(sent.lower, sent.upper, sent.says)
        roster = self._book.roster
        first, end = roster.span(sent.lower, sent.upper)
        authors = tuple(roster.author(place) for place in range(first, end))
        return _Part(sent.lower, sent.upper, sent.says, authors)


def _covers(sent: _Part, part: Range) -> bool:
    """Does a range that was sent hold all of this one?"""
    return sent.lower <= part.lower and (
        sent.upper is None or (part.upper is not None and part.upper <= sent.upper)
    )
