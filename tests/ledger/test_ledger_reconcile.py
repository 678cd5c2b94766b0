"""Reconciliation finds exactly the heads that differ, in few bytes, whatever the frames hold."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_chains import SWARM, fake_verify

from ledger import Book, DecodeError, Head, InvalidEntry, dumps, loads, ranges
from ledger.limits import (
    MAX_RECONCILE_RANGES,
    MAX_RECONCILE_ROUNDS,
    MAX_UINT63,
    MAX_VALUE_BYTES,
    RECONCILE_FANOUT,
)
from ledger.ranges import Answer, Ask, Compare, Items, Range, Response
from ledger.reconcile import Initiator, respond
from ledger.roster import Roster

SECRET = b"known to the responder"
SALT = bytes(range(16))


def book_of(heads) -> Book:
    book = Book(SWARM, fake_verify)
    book.restore(heads, [])
    return book


def some_heads(count: int, chance: random.Random) -> list[Head]:
    return [Head(chance.randbytes(32), 7, chance.randbytes(32), 1 << 56) for _ in range(count)]


def moved(head: Head, chance: random.Random) -> Head:
    return Head(head.author, head.seq + 1, chance.randbytes(32), head.hlc + 1)


def reconcile(ours: Book, theirs: Book, salt: bytes = SALT) -> tuple[Initiator, int]:
    """A whole session, and the bytes of all its frames."""
    session = Initiator(ours, salt)
    request: bytes | None = session.start()
    size_bytes = 0
    while request is not None:
        response = respond(theirs, SECRET, request)
        assert max(len(request), len(response)) <= MAX_VALUE_BYTES
        size_bytes += len(request) + len(response)
        request = session.take(response)
    return session, size_bytes


def differences(ours: Book, theirs: Book) -> tuple[dict[bytes, Head], set[bytes]]:
    """The dumb twin: compare all heads."""
    news = {a: head for a, head in theirs.heads().items() if ours.head(a) != head}
    return news, {a for a, head in ours.heads().items() if theirs.head(a) != head}


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32),
    st.integers(0, 120),
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(0, 40),
    st.booleans(),
)
def test_exactly_what_differs_is_found(seed, common, mine, yours, changed, clustered):
    chance = random.Random(seed)
    heads = some_heads(common + mine + yours, chance)
    if clustered:  # minted keys that share a long prefix
        heads = [Head(bytes(28) + h.author[28:], h.seq, h.id, h.hlc) for h in heads]
    ours, theirs = heads[: common + mine], heads[:common] + heads[common + mine :]
    for at in range(min(changed, common)):
        side = ours if chance.random() < 0.5 else theirs
        side[at] = moved(side[at], chance)
    one, other = book_of(ours), book_of(theirs)
    session, _ = reconcile(one, other, chance.randbytes(16))
    assert session.complete
    assert (session.theirs, session.ours) == differences(one, other)


@pytest.mark.parametrize(
    ("logs", "changed", "limit_bytes"),
    [(1000, 0, 500), (1000, 10, 8000), (1000, 100, 45000), (10000, 0, 500), (10000, 10, 14000)],
)
@pytest.mark.parametrize("we_moved", [False, True])
def test_what_a_sync_costs(logs, changed, limit_bytes, we_moved):
    chance = random.Random(logs + changed)
    heads = some_heads(logs, chance)
    news = list(heads)
    for at in chance.sample(range(logs), changed):
        news[at] = moved(news[at], chance)
    one, other = book_of(news if we_moved else heads), book_of(heads if we_moved else news)
    session, size_bytes = reconcile(one, other)
    assert (session.theirs, session.ours) == differences(one, other)
    assert len(session.ours) == changed
    if we_moved:  # the initiator then tells these heads
        size_bytes += (
            sum(len(dumps((h.author, h.seq, h.id, h.hlc))) for h in news) * changed // logs
        )
    assert size_bytes <= limit_bytes
    assert session.rounds <= 4


def test_a_frame_that_is_full_goes_on_in_the_next():
    chance = random.Random(5)
    heads = some_heads(2_000, chance)
    old, new = (
        book_of(heads[:1200]),
        book_of([moved(h, chance) for h in heads[:1200]] + heads[1200:]),
    )
    session, _ = reconcile(old, new)
    assert session.rounds > 4
    assert session.complete
    assert (session.theirs, session.ours) == differences(old, new)
    # A newcomer with nothing asks for everything; what does not fit in 8 rounds is left.
    session, _ = reconcile(book_of([]), book_of(some_heads(7_000, chance)))
    assert not session.complete
    assert session.rounds == MAX_RECONCILE_ROUNDS
    assert 4_000 < len(session.theirs) < 7_000


def test_one_side_empty():
    heads = some_heads(40, random.Random(6))
    session, _ = reconcile(book_of(heads), book_of([]))
    assert (session.theirs, session.ours) == ({}, {head.author for head in heads})
    session, _ = reconcile(book_of([]), book_of(heads))
    assert (session.theirs, session.ours) == ({head.author: head for head in heads}, set())
    session, size_bytes = reconcile(book_of([]), book_of([]))
    assert session.complete
    assert size_bytes < 64


def test_heads_may_move_while_a_session_runs():
    chance = random.Random(7)
    heads = some_heads(500, chance)
    one, other = book_of(heads), book_of([*heads[:-1], moved(heads[-1], chance)])
    session = Initiator(one, SALT)
    request: bytes | None = session.start()
    while request is not None:
        for book in (one, other):
            book.roster.put(moved(chance.choice(heads), chance))
        request = session.take(respond(other, SECRET, request))
    assert heads[-1].author in session.ours
    for author, head in session.theirs.items():
        assert head.author == author


def test_a_salt_is_made_by_both():
    book = book_of(some_heads(300, random.Random(8)))
    seen = set()
    for secret in (b"one", b"two"):
        for salt in (bytes(16), SALT):
            session = Initiator(book, salt)
            seen.add(respond(book, secret, session.start())[20:])
    assert len(seen) == 4
    with pytest.raises(ValueError, match="16 bytes"):
        Initiator(book, b"short")


def test_a_roster_equals_a_sorted_dictionary():
    chance = random.Random(9)
    roster, twin = Roster(), {}
    for _ in range(600):
        head = Head(bytes(31) + chance.randbytes(1), chance.randint(1, 9), bytes(32), 1)
        if head.author in twin and chance.random() < 0.3:
            roster.drop(head.author)
            del twin[head.author]
        else:
            roster.put(head)
            twin[head.author] = head
        assert list(roster) == sorted(twin)
    assert dict(roster.by_author()) == twin
    for first, end in ((0, len(roster)), (3, 9)):
        expected = [Roster([twin[a]]).rows(0, 1)[0] for a in sorted(twin)][first:end]
        assert roster.rows(first, end) == expected
    assert roster.span(b"", None) == (0, len(twin))
    assert roster.span(roster.author(3), roster.author(5)) == (3, 5)


def test_rosters_that_share_go_their_own_ways():
    chance = random.Random(11)
    heads = some_heads(20, chance)
    first = Roster(heads)
    second, third = first.share(), first.share()
    news = moved(heads[3], chance)
    second.put(news)
    first.drop(heads[5].author)
    assert first.get(news.author) == heads[3] == third.get(news.author)
    assert second.get(news.author) == news
    assert (len(first), len(second), len(third)) == (19, 20, 20)
    assert heads[5].author not in first
    assert third.rows(0, 20) == Roster(heads).rows(0, 20)


def fp(text: str = "x") -> Compare:
    return Compare(text.encode().ljust(16))


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=80), st.integers(0, 2**16))
def test_hostile_frames_are_refused_by_type(raw, seed):
    book = book_of(some_heads(60, random.Random(1)))
    chance = random.Random(seed)
    request = Initiator(book, SALT).start()
    response = bytearray(respond(book_of([]), SECRET, request))
    response[chance.randrange(len(response))] ^= 1 << chance.randrange(8)
    for frame in (raw, dumps([SALT, [b"\x05", raw]]), dumps([SALT, [raw, raw], None]), response):
        for take in (Initiator(book, SALT).take, lambda frame: respond(book, SECRET, frame)):
            try:
                take(bytes(frame))
            except (DecodeError, InvalidEntry):
                continue


@pytest.mark.parametrize(
    "steps",
    [
        [None],
        [b"\x05", None],
        [b"\x05", None, b"\x06", None, None, b"f" * 16],
        [None, b"f" * 16, None, b"f" * 16],
        [b"\x05", b"f" * 16, b"\x05", b"f" * 16],
        [b"", b"f" * 16],
        [b"f" * 33, b"f" * 16],
        [b"\x05", b"f" * 15],
        [None, [0, b"f" * 17]],
        [None, [0, b"f" * 16 * (RECONCILE_FANOUT + 1)]],
        [None, [False, b"f" * 16]],
        [None, [1, b""]],
        [None, [True, b"f" * 16]],
        [None, [2, b"", []]],
        [None, [2, bytes([RECONCILE_FANOUT]), []]],
        [None, [2, b"\x01\x01", []]],
        [None, [2, b"", [bytes(32), 1, bytes(32)]]],
        [None, [2, b"", [bytes(32), 0, bytes(32), 1]]],
        [None, [2, b"", [bytes(32), True, bytes(32), 1]]],
        [None, [2, b"", [bytes(32), 1, bytes(31), 1]]],
        [None, [2, b"", [bytes(32), 1, bytes(32), MAX_UINT63 + 1]]],
        [None, [2, b"", [bytes(32), 1, bytes(32), 1] * 2]],
        [b"\x05", [2, b"", [b"\x06" * 32, 1, bytes(32), 1]]],
        [None, [3, b""]],
        [None, 5],
    ],
)
def test_frames_are_closed(steps):
    with pytest.raises(InvalidEntry):
        ranges.parse_request(dumps([SALT, steps]))
    with pytest.raises(InvalidEntry):
        ranges.parse_response(dumps([SALT, steps, None]))


def test_frames_read_as_they_were_written():
    heads = (Head(b"\x11" * 32, 1, bytes(32), 0), Head(b"\x12" * 32, MAX_UINT63, bytes(32), 5))
    parts = [
        Range(b"", b"\x05", fp()),
        Range(b"\x05", b"\x06", Items((b"i" * 16,))),
        Range(b"\x07", b"\x08", Ask((b"i" * 16, b"j" * 16))),
        Range(b"\x10", None, Answer(b"\x00\x03", heads)),
    ]
    raw = ranges.encode_request(SALT, parts)
    assert ranges.parse_request(raw) == (SALT, parts)
    for response in (
        Response(SALT, tuple(parts), None),
        Response(SALT, tuple(parts[:3]), b"\x08"),
        Response(SALT, tuple(parts[:3]), b"\x08\x01"),
    ):
        assert ranges.parse_response(ranges.encode_response(response)) == response
    for response in (
        Response(SALT, tuple(parts), b"\x20"),
        Response(SALT, tuple(parts[:3]), b"\x07"),
    ):
        with pytest.raises(InvalidEntry):
            ranges.parse_response(ranges.encode_response(response))


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_the_ranges_of_a_frame_are_bounded(more):
    room = ranges.Room()
    part = Range(b"", b"", Items(()))
    assert all(
        room.take([part]) for _ in range(min(MAX_RECONCILE_RANGES, MAX_RECONCILE_RANGES + more))
    )
    assert room.take([part]) == (more < 0)
    count = MAX_RECONCILE_RANGES + more
    steps = [[at.to_bytes(2, "big"), [0, b""]] for at in range(1, count + 1)]
    raw = dumps([SALT, [each for step in steps for each in step]])
    if more > 0:
        with pytest.raises(InvalidEntry):
            ranges.parse_request(raw)
    else:
        assert len(ranges.parse_request(raw)[1]) == count


def test_an_initiator_takes_only_answers_to_what_it_asked():
    chance = random.Random(10)
    heads = some_heads(100, chance)
    book, other = book_of(heads), book_of([moved(head, chance) for head in heads])
    theirs = ranges.answering_salt(SECRET, SALT)

    def answer(*parts: Range, upto: bytes | None = None, salt: bytes = theirs) -> bytes:
        return ranges.encode_response(Response(salt, parts, upto))

    hostile = [
        answer(Range(b"", None, Answer(b"", (Head(b"\x11" * 32, 1, bytes(32), 0),)))),
        answer(Range(b"", None, Ask((b"i" * 16,)))),
        answer(upto=b"\x01"),
    ]
    for frame in hostile:
        session = Initiator(book, SALT)
        session.start()
        with pytest.raises(InvalidEntry):
            session.take(frame)
    session = Initiator(book, SALT)
    second = session.take(respond(other, SECRET, session.start()))
    asked = ranges.parse_request(second)[1]
    listed = asked[0]
    assert isinstance(listed.says, Items)
    for frame in (
        answer(salt=SALT),
        answer(Range(listed.lower, listed.upper, fp())),
        answer(Range(b"", None, Answer(b"\x00", ()))),
        answer(Range(listed.lower, listed.upper, Answer(bytes([len(listed.says.items)]), ()))),
    ):
        with pytest.raises(InvalidEntry):
            session.take(frame)
    with pytest.raises(InvalidEntry):
        respond(book, SECRET, ranges.encode_request(SALT, [Range(b"", None, Answer(b"\x00", ()))]))
    assert session.take(respond(other, SECRET, second)) is None
    assert session.ours == {head.author for head in heads}


def test_nothing_hides_in_a_frame():
    """Every frame that is read is the one encoding of what it says."""
    chance = random.Random(11)
    one, other = book_of(some_heads(300, chance)), book_of(some_heads(300, chance))
    session = Initiator(one, SALT)
    request: bytes | None = session.start()
    while request is not None:
        assert ranges.encode_request(*ranges.parse_request(request)) == request
        response = respond(other, SECRET, request)
        assert ranges.encode_response(ranges.parse_response(response)) == response
        assert dumps(loads(response, max_items=1 << 20)) == response
        request = session.take(response)
