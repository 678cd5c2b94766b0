"""A hostile peer floods a node: memory stays bounded, each refusal says why, others are served.

The flood mixes everything that costs nothing to send: invented authors, early entries, entries
from the future, bodies that are too large, nesting that is too deep, ranges that nobody asked
for, heads far ahead. Bounds are made small, so that a flood of a few hundred messages reaches
them all.
"""

from dataclasses import replace
from typing import Any

import pytest
from core_stage import SWARM, WALL_MS, Stage
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import Kind, Limits, encode_heads, pack, seal
from ledger.errors import DecodeError
from ledger.limits import MAX_BODY_BYTES, MAX_ENTRY_BYTES, MAX_FUTURE_MS, MAX_WANT_ENTRIES
from symphony.core import limits, messages
from symphony.core.effects import Append, Reject, Send, SendRange
from symphony.core.inputs import Heard, PeerDown
from symphony.core.messages import Entries, Heads, Reconcile, Want

SMALL = Limits(
    pending_per_author=8,
    pending_bytes=64 * 1024,
    unknown_authors=6,
    known_authors=8,
    rate_per_s=5,
    rate_burst=10,
)


class Flooded:
    """A node with small bounds, a hostile peer eve, and an honest one."""

    def __init__(self) -> None:
        self.stage = Stage(peers="ada eve")
        self.book = self.stage.swarm.journal.book
        self.book.limits = SMALL
        # The logs of both peers are open already, with the large bounds.
        self.now_entries = 0

    @property
    def ada(self):
        return self.stage.peers["ada"]

    def eve_says(self, message) -> list[str]:
        """What eve's message is rejected for."""
        self.stage.effects.clear()
        self.stage.heard("eve", message)
        return [effect.reason for effect in self.stage.of(Reject)]

    def ada_writes(self) -> None:
        """An honest entry, gossiped; it must be taken in at once."""
        entry = self.ada.entry(Kind.TASK, b"honest %d" % self.now_entries, self.stage.now_ms)
        self.now_entries += 1
        self.stage.heard("ada", Entries((entry.encode(),)))
        head = self.book.head(self.ada.id)
        assert head is not None
        assert head.seq == entry.seq

    def stored(self, author) -> int:
        """Entries of an author that were to be stored by the last message."""
        return sum(
            entry.author == author for effect in self.stage.of(Append) for entry in effect.entries
        )

    def check_bounds(self) -> None:
        book, swarm = self.book, self.stage.swarm
        known = {self.stage.me, *(peer.id for peer in self.stage.peers.values())}
        assert len(set(book.heads()) - known) <= SMALL.unknown_authors
        assert book._pending_bytes <= SMALL.pending_bytes
        waiting = [len(log.pending) for author, log in book._logs.items() if author not in known]
        assert max(waiting, default=0) <= SMALL.pending_per_author
        assert len(swarm.journal._asked) <= limits.MAX_ASKED
        behind = swarm._replication._catch_up._behind
        assert all(len(logs) <= limits.MAX_BEHIND for logs in behind.values())
        assert swarm._forks._looking <= limits.MAX_LOOKUPS


def invented(flooded, number, entries=1):
    """The first entries of an author that nobody knows."""
    signer = flooded.stage.keys.signer(b"invented %d".ljust(32, b".") % number)
    made = []
    for seq in range(1, entries + 1):
        head = made[-1].head if made else None
        hlc = pack(WALL_MS - 9999 + seq)
        made.append(seal(signer, SWARM, head, kind=Kind.TASK, body=b"%d" % seq, hlc=hlc))
    return made


def of_one(flooded, number, **changes: Any):
    """A lone entry of an invented author."""
    signer = flooded.stage.keys.signer(b"loner %d" % number + bytes(20))
    plain = {"kind": Kind.TASK, "body": b"x", "hlc": pack(WALL_MS + number)}
    return seal(signer, SWARM, None, **{**plain, **changes})


def test_invented_authors_are_refused_from_the_bound_on():
    flooded = Flooded()
    for number in range(SMALL.unknown_authors):
        assert flooded.eve_says(Entries((invented(flooded, number)[0].encode(),))) == []
    for answer in (False, True):
        [reason] = flooded.eve_says(Entries((invented(flooded, 99)[0].encode(),), asked=answer))
        assert "nobody vouched for" in reason
    flooded.check_bounds()
    flooded.ada_writes()


@pytest.mark.parametrize("asked", [False, True])
def test_calling_it_an_answer_does_not_lift_the_rate(asked):
    flooded = Flooded()
    many = [entry.encode() for entry in invented(flooded, 0, 40)]
    reasons = flooded.eve_says(Entries(tuple(many), asked=asked))
    author = invented(flooded, 0)[0].author
    assert flooded.stored(author) == SMALL.rate_burst
    assert reasons
    assert all("publishes too fast" in reason for reason in reasons)
    flooded.ada_writes()


def test_what_was_asked_for_is_free_of_the_rate_but_nothing_else_is():
    flooded = Flooded()
    whole = invented(flooded, 0, 60)
    head = whole[39].head
    flooded.stage.effects.clear()
    flooded.stage.heard("eve", Heads(encode_heads([head]), reply=False))
    assert flooded.stage.sent("eve", Want)[-1] == Want(head.author, 1, 40)
    raw = [entry.encode() for entry in whole]
    flooded.stage.effects.clear()
    flooded.stage.heard("ada", Entries(tuple(raw[:20]), asked=True))  # ada was not asked
    assert flooded.stored(head.author) == SMALL.rate_burst
    assert flooded.eve_says(Entries(tuple(raw[:40]), asked=True)) == []
    assert flooded.book.head(head.author) == head
    reasons = flooded.eve_says(Entries(tuple(raw[40:]), asked=True))
    assert all("publishes too fast" in reason for reason in reasons)
    assert reasons


def test_a_lost_connection_ends_all_that_was_expected_of_it():
    flooded = Flooded()
    whole = invented(flooded, 0, 40)
    flooded.stage.heard("eve", Heads(encode_heads([whole[-1].head]), reply=False))
    flooded.stage.give(PeerDown(flooded.stage.peers["eve"].id))
    flooded.eve_says(Entries(tuple(entry.encode() for entry in whole), asked=True))
    assert flooded.stored(whole[0].author) == SMALL.rate_burst


@pytest.mark.parametrize("ahead_ms", [MAX_FUTURE_MS, MAX_FUTURE_MS + 1])
def test_entries_from_the_future_are_not_kept(ahead_ms):
    flooded = Flooded()
    at_ms = WALL_MS + flooded.stage.now_ms + ahead_ms
    entry = of_one(flooded, 1, hlc=pack(at_ms))
    flooded.eve_says(Entries((entry.encode(),)))
    kept = ahead_ms <= MAX_FUTURE_MS
    assert (flooded.book.head(entry.author) is not None) == kept
    own = flooded.stage.swarm.journal.write(Kind.TASK, b"own")  # our clock is hardly pushed
    assert (own.hlc >> 16) <= WALL_MS + flooded.stage.now_ms + 60_001


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\x81" * 20 + b"\x00", "more than 8 nested"),
        (b"\x9f\xff", "entry: "),
        (b"\x00", "entry: "),
        (b"\x83\x40\x40\xf6", "entry: "),
        (bytes(MAX_ENTRY_BYTES + 1), "an entry of"),
    ],
)
def test_what_can_not_be_read_is_refused_by_name(raw, why):
    flooded = Flooded()
    [reason] = flooded.eve_says(Entries((raw,), asked=True))
    assert why in reason
    assert flooded.stage.of(Append) == []
    flooded.ada_writes()


@pytest.mark.parametrize(
    "frame", [b"\x81" * 40, bytes(limits.MAX_FRAME_BYTES + 1), b"\xa1\x64type\x67entries"]
)
def test_frames_that_can_not_be_read_never_reach_the_core(frame):
    with pytest.raises(DecodeError):
        messages.decode(frame)


def test_an_oversized_body_can_not_even_be_made_and_is_refused_if_forged():
    flooded = Flooded()
    entry = of_one(flooded, 1, body=bytes(MAX_BODY_BYTES))
    swollen = replace(entry, body=bytes(MAX_BODY_BYTES + 1)).encode()
    [reason] = flooded.eve_says(Entries((swollen,)))
    assert "entry:" in reason
    assert flooded.stage.of(Append) == []


FLOODS = ("strangers", "early", "future", "range", "junk", "heads", "frames", "wants", "repeat")


@given(st.lists(st.tuples(st.sampled_from(FLOODS), st.integers(0, 60)), max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_flood_stays_within_bounds_and_starves_nobody(flood):
    flooded = Flooded()
    asked = 0
    for kind, number in flood:
        flooded.eve_says(hostile(flooded, kind, number))
        sends = [e for e in flooded.stage.of(Send) if isinstance(e.message, Want)]
        asked += len(sends)
        assert all(0 <= e.message.last - e.message.first < MAX_WANT_ENTRIES for e in sends), (
            "every request is bounded"
        )
        assert len(flooded.stage.of(SendRange)) <= 1
        flooded.check_bounds()
        flooded.stage.wait(250)  # honest entries come at a rate within the bounds
        flooded.ada_writes()
        flooded.stage.effects.clear()
        flooded.stage.heard("ada", Want(flooded.stage.me, 1, 5))
        assert [served.peer for served in flooded.stage.of(SendRange)] == [flooded.ada.id]
    assert asked <= 3 * (len(flood) + 1) + limits.RANGES_IN_FLIGHT


def hostile(flooded, kind, number):
    """One hostile message."""
    match kind:
        case "strangers":
            some = (invented(flooded, number + at)[0].encode() for at in range(10))
            return Entries(tuple(some), asked=bool(number % 2))
        case "early":
            late = invented(flooded, number % 5, 12)[number % 11 + 1 :]
            return Entries(tuple(entry.encode() for entry in reversed(late)))
        case "future":
            entry = of_one(flooded, number, hlc=pack(WALL_MS * 2))
            return Entries((entry.encode(),), asked=True)
        case "range":
            return Entries(
                tuple(entry.encode() for entry in invented(flooded, number, 30)), asked=True
            )
        case "junk":
            return Entries((b"\x81" * (number + 1), bytes(number + 1)), asked=True)
        case "heads":
            heads = [replace(invented(flooded, at)[0].head, seq=2**40) for at in range(number + 1)]
            return Heads(encode_heads(sorted(heads, key=lambda h: h.author)), reply=True)
        case "frames":
            return Reconcile(bytes(number + 1), answer=bool(number % 2))
        case "wants":
            return Want(bytes(32), 1, 2**48)
        case _:
            entry = flooded.stage.capabilities["ada"].encode()
            return Entries((entry,) * (number + 1), asked=True)


def test_the_record_of_requests_is_bounded(monkeypatch):
    monkeypatch.setattr(limits, "MAX_ASKED", 4)
    flooded = Flooded()
    for number in range(6):
        head = replace(invented(flooded, number)[0].head, seq=2**40)
        flooded.stage.give(
            Heard(flooded.stage.peers["eve"].id, Heads(encode_heads([head]), reply=False))
        )
        assert len(flooded.stage.swarm.journal._asked) == min(number + 1, 4)
