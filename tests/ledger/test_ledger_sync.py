"""Heads-vector sync: two books converge, forks surface, and every frame is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_chains import NOW_MS, SWARM, FakeSigner, chain, fake_verify

from ledger import (
    Accepted,
    Book,
    DecodeError,
    Duplicate,
    Forked,
    ForkProof,
    Head,
    InvalidEntry,
    MemoryStore,
    Want,
    dumps,
    encode_heads,
    encode_wants,
    fork,
    heads_frame,
    parse_heads,
    parse_wants,
    suspects,
    wants,
)
from ledger.limits import (
    MAX_HEADS_PER_FRAME,
    MAX_UINT63,
    MAX_VALUE_BYTES,
    MAX_WANT_ENTRIES,
    MAX_WANTS_PER_FRAME,
)


class Peer:
    """A book and a store, kept together as a node keeps them."""

    def __init__(self) -> None:
        self.book = Book(SWARM, fake_verify)
        self.store = MemoryStore(SWARM)

    def take(self, entry, *, solicited: bool = False) -> None:
        match self.book.admit(entry, NOW_MS, solicited=solicited):
            case Accepted(entries):
                self.store.append(entries)
            case Forked(proof):
                self.store.add_fork(proof)
            case Duplicate(compare=True):
                [stored] = self.store.range(entry.author, entry.seq, entry.seq, 1 << 20)
                before = self.store.range(entry.author, entry.seq - 1, entry.seq - 1, 1 << 20)
                proof = self.book.conflicts(entry, stored, head=before[0].head if before else None)
                if proof:
                    self.store.add_fork(proof)

    def hear(self, proof: ForkProof) -> None:
        """A proof that came as the body of somebody's entry of kind `FORK`."""
        before = self.store.range(proof.author, proof.frozen_at, proof.frozen_at, 1 << 20)
        if self.book.freeze(proof, head=before[0].head if before else None):
            self.store.add_fork(proof)

    def sync_from(self, other: Peer) -> int:
        """One round; returns how many entries came."""
        theirs = parse_heads(encode_heads(heads_frame(other.book)))
        asked = parse_wants(encode_wants(wants(self.book, theirs)))
        asked += [Want(head.author, head.seq, head.seq) for head in suspects(self.book, theirs)]
        came = 0
        for want in asked:
            for entry in other.store.range(want.author, want.first, want.last, 1 << 20):
                self.take(entry, solicited=True)
                came += 1
        return came


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_two_peers_converge(data):
    logs = [chain(name, 6) for name in ("alice", "bob", "carol")]
    peers = Peer(), Peer()
    for peer in peers:
        for log in logs:
            for entry in log[: data.draw(st.integers(0, 6))]:
                peer.take(entry)
    for _ in range(2):
        peers[0].sync_from(peers[1])
        peers[1].sync_from(peers[0])
    assert dict(peers[0].book.heads()) == dict(peers[1].book.heads())
    assert peers[0].store.heads() == peers[1].store.heads() == heads_frame(peers[0].book)
    assert peers[0].sync_from(peers[1]) == peers[1].sync_from(peers[0]) == 0


def test_a_fork_surfaces_and_settles():
    one, other = Peer(), Peer()
    trunk, branch = chain("alice", 6), chain("alice", 6, fork_at=5)
    for entry in trunk:
        one.take(entry)
    for entry in branch:
        other.take(entry)
    assert suspects(one.book, heads_frame(other.book)) == [branch[-1].head]
    for _ in range(2):
        for here, there in ((one, other), (other, one)):
            here.sync_from(there)
            for proof in here.store.forks():
                there.hear(proof)
    author = trunk[0].author
    # A proof for 6 was found first; the new heads, at 5, then disagree and prove the lower one.
    assert one.book.frozen_at(author) == other.book.frozen_at(author) == 4
    assert one.book.head(author) == other.book.head(author) == trunk[3].head
    assert one.store.heads() == other.store.heads() == [trunk[3].head]
    assert one.store.forks() == other.store.forks() == [fork.find(trunk[4], branch[4])]
    assert one.sync_from(other) == 0
    assert list(one.store.verify_all(fake_verify)) == []


def test_nothing_is_wanted_beyond_a_freeze():
    book = Book(SWARM, fake_verify)
    trunk, branch = chain("alice", 6), chain("alice", 6, fork_at=5)
    assert book.freeze(fork.find(trunk[4], branch[4]))
    assert wants(book, [trunk[5].head]) == [Want(trunk[0].author, 1, 4)]
    for entry in trunk[:4]:
        book.admit(entry, NOW_MS)
    assert wants(book, [trunk[5].head]) == []
    assert suspects(book, [branch[5].head, branch[4].head]) == []


def author(number: int) -> bytes:
    return number.to_bytes(32, "big")


def heads_of(count: int) -> list[Head]:
    return [Head(author(at + 1), MAX_UINT63, bytes(32), MAX_UINT63) for at in range(count)]


def test_wants_are_bounded():
    book = Book(SWARM, fake_verify)
    for count in (MAX_WANTS_PER_FRAME - 1, MAX_WANTS_PER_FRAME, MAX_WANTS_PER_FRAME + 1):
        found = wants(book, heads_of(count))
        assert len(found) == min(count, MAX_WANTS_PER_FRAME)
        assert found[0] == Want(author(1), 1, MAX_WANT_ENTRIES)
        assert parse_wants(encode_wants(found)) == found


def test_heads_come_in_pages_that_fit_a_frame():
    book = Book(SWARM, fake_verify)
    heads = heads_of(2 * MAX_HEADS_PER_FRAME + 1)
    book.restore(reversed(heads), [])
    pages = [heads_frame(book)]
    while len(pages[-1]) == MAX_HEADS_PER_FRAME:
        pages.append(heads_frame(book, after=pages[-1][-1].author))
    assert [head for page in pages for head in page] == heads
    assert len(encode_heads(pages[0])) <= MAX_VALUE_BYTES
    assert parse_heads(encode_heads(pages[0])) == pages[0]


@pytest.mark.parametrize("parse", [parse_heads, parse_wants])
@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=60))
def test_hostile_frames_give_typed_errors(parse, raw):
    for candidate in (raw, dumps([[raw, 1, 1]]), dumps([[raw, 1, raw, 1]])):
        try:
            parse(candidate)
        except (DecodeError, InvalidEntry):
            continue


HEAD = [author(1), 1, bytes(32), 5]


@pytest.mark.parametrize(
    "rows",
    [
        {},
        [HEAD, HEAD],
        [[author(2), 1, bytes(32), 5], HEAD],
        [[author(1)[:-1], 1, bytes(32), 5]],
        [[author(1), 0, bytes(32), 5]],
        [[author(1), True, bytes(32), 5]],
        [[author(1), 1, bytes(31), 5]],
        [[author(1), 1, bytes(32), -1]],
        [[author(1), 1, bytes(32), False]],
        [[author(1), MAX_UINT63 + 1, bytes(32), 5]],
        [[author(1), 1, bytes(32), MAX_UINT63 + 1]],
        [[author(1), 1, bytes(32)]],
        [[author(1), 1, bytes(32), 5, 5]],
        [[author(at), 1, bytes(32), 5] for at in range(1, MAX_HEADS_PER_FRAME + 2)],
    ],
)
def test_heads_frames_are_closed(rows):
    with pytest.raises((DecodeError, InvalidEntry)):
        parse_heads(dumps(rows))
    assert parse_heads(dumps([HEAD])) == [Head(author(1), 1, bytes(32), 5)]


@pytest.mark.parametrize(
    "row",
    [
        [author(1), 0, 1],
        [author(1), 2, 1],
        [author(1), 1, MAX_WANT_ENTRIES + 1],
        [author(1), True, 1],
        [author(1), MAX_UINT63, MAX_UINT63 + 1],
        [author(1)[1:], 1, 1],
        [author(1), 1],
    ],
)
def test_wants_frames_are_closed(row):
    with pytest.raises(InvalidEntry):
        parse_wants(dumps([row]))
    edge = Want(author(1), 1, MAX_WANT_ENTRIES)
    assert parse_wants(encode_wants([edge])) == [edge]
    full = [Want(author(1), 1, 1)] * MAX_WANTS_PER_FRAME
    assert parse_wants(encode_wants(full)) == full
    with pytest.raises(InvalidEntry):
        parse_wants(dumps([[author(1), 1, 1]] * (MAX_WANTS_PER_FRAME + 1)))


def test_signers_of_these_tests_differ():
    assert FakeSigner("alice").public != FakeSigner("bob").public
