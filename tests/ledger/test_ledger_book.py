"""The book: chain rules, early entries, forks, and every limit, in any order of arrival."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_chains import NOW_MS, SWARM, FakeSigner, chain, extend, fake_verify

from ledger import (
    Accepted,
    Book,
    Duplicate,
    Forked,
    Head,
    Held,
    Limits,
    Pending,
    Reason,
    Refused,
    fork,
    pack,
    seal,
)
from ledger.limits import ENTRY_OVERHEAD_BYTES, MAX_FUTURE_MS
from ledger.log import memory_bytes

ALICE = FakeSigner("alice")


def new_book(**limits: int) -> Book:
    return Book(SWARM, fake_verify, limits=Limits(**limits))


def admit(book: Book, entry, now_ms: int = NOW_MS, **options: bool):
    return book.admit(entry, now_ms, **options)


def test_a_log_grows_in_order():
    book, log = new_book(), chain("alice", 3)
    assert book.head(ALICE.public) is None
    for entry in log:
        assert admit(book, entry) == Accepted((entry,))
        assert book.head(ALICE.public) == entry.head
    assert [admit(book, entry) for entry in log] == [Duplicate()] * 3
    assert dict(book.heads()) == {ALICE.public: log[-1].head}


def test_an_early_entry_waits_and_is_released():
    book, log = new_book(), chain("alice", 6)
    assert admit(book, log[3]) == Pending(1, 3)
    assert admit(book, log[5]) == Pending(1, 3)
    assert admit(book, log[1]) == Pending(1, 1)
    assert admit(book, log[1]) == Duplicate()
    assert admit(book, log[0]) == Accepted((log[0], log[1]))
    assert admit(book, log[4]) == Pending(3, 3)
    assert admit(book, log[2]) == Accepted(tuple(log[2:]))
    assert book._pending_bytes == 0


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_interleaving_ends_in_the_same_heads(data):
    logs = [chain(name, length) for name, length in (("alice", 7), ("bob", 4), ("carol", 1))]
    everything = [entry for log in logs for entry in log]
    arrivals = data.draw(st.permutations(everything))
    repeats = data.draw(st.lists(st.sampled_from(everything), max_size=10))
    book = new_book()
    released = []
    for entry in [*arrivals, *repeats]:
        match admit(book, entry):
            case Accepted(entries):
                released.extend(entries)
            case Pending(first, last):
                assert first <= last < entry.seq
            case Duplicate():
                pass
            case other:
                pytest.fail(f"{other}")
    assert dict(book.heads()) == {log[-1].author: log[-1].head for log in logs}
    for log in logs:
        assert [entry for entry in released if entry.author == log[0].author] == log
    assert book._pending_bytes == 0


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_forks_in_any_order_freeze_at_the_same_place(data):
    trunk = chain("alice", 6)
    branches = [chain("alice", 6, fork_at=seq) for seq in (2, 4)]
    everything = {entry.id: entry for log in (trunk, *branches) for entry in log}
    store: dict[int, list] = {}
    book = new_book(recent_per_author=data.draw(st.integers(1, 8)))

    def show(entry) -> None:
        match admit(book, entry):
            case Accepted(entries):
                for item in entries:
                    store.setdefault(item.seq, []).append(item)
            case Duplicate(compare=True):
                stored = store[entry.seq][-1]
                before = store[entry.seq - 1][-1].head if entry.seq > 1 else None
                book.conflicts(entry, stored, head=before)

    arrivals = data.draw(st.permutations(list(everything.values())))
    for entry in arrivals:
        show(entry)
    for _ in range(len(arrivals)):  # sync repeats until nothing moves
        for entry in sorted(arrivals, key=lambda entry: entry.seq):
            show(entry)
    assert book.frozen_at(ALICE.public) == 1
    assert book.head(ALICE.public) == trunk[0].head
    assert book._pending_bytes == 0
    later = extend(ALICE, trunk[-1].head, 1)[0]
    assert admit(book, later).reason is Reason.FROZEN
    assert admit(book, trunk[0]) == Duplicate()


def test_a_fork_at_the_first_entry_leaves_nothing():
    book = new_book()
    one, other = chain("alice", 2), chain("alice", 1, fork_at=1)
    for entry in one:
        admit(book, entry)
    result = admit(book, other[0])
    assert result == Forked(fork.find(one[0], other[0]))
    assert book.frozen_at(ALICE.public) == 0
    assert book.head(ALICE.public) is None
    assert dict(book.forks()) == {ALICE.public: result.proof}


def test_a_fork_among_early_entries_is_seen():
    book, trunk, branch = new_book(), chain("alice", 6), chain("alice", 6, fork_at=4)
    admit(book, trunk[0])
    admit(book, trunk[4])
    assert isinstance(admit(book, branch[4]), Forked)
    assert book.frozen_at(ALICE.public) == 4
    assert book._pending_bytes == 0
    for entry in trunk[1:4]:
        assert isinstance(admit(book, entry), Accepted)
    assert admit(book, trunk[4]).reason is Reason.FROZEN


def test_a_fork_older_than_memory_needs_the_store():
    book, trunk = new_book(recent_per_author=2, recent_ids=4), chain("alice", 9)
    branch = chain("alice", 9, fork_at=3)
    for entry in trunk:
        admit(book, entry)
    assert admit(book, branch[2]) == Duplicate(compare=True)
    assert admit(book, trunk[2]) == Duplicate(compare=True), "its id is forgotten as well"
    assert admit(book, trunk[5]) == Duplicate(), "its id is not"
    assert book.conflicts(trunk[2], trunk[2]) is None
    forged = replace(branch[2], signature=bytes(64))
    assert book.conflicts(forged, trunk[2]) is None
    assert book.frozen_at(ALICE.public) is None
    proof = book.conflicts(branch[2], trunk[2], head=trunk[1].head)
    assert proof == fork.find(trunk[2], branch[2])
    assert book.frozen_at(ALICE.public) == 2
    assert book.head(ALICE.public) == trunk[1].head


def test_a_proof_from_elsewhere_freezes_a_log_not_seen_yet():
    book, trunk, branch = new_book(), chain("alice", 4), chain("alice", 4, fork_at=3)
    proof = fork.find(trunk[2], branch[2])
    assert not book.freeze(replace(proof, first=replace(proof.first, signature=bytes(64))))
    assert book.frozen_at(ALICE.public) is None
    assert book.freeze(proof)
    results = [type(admit(book, entry)) for entry in trunk]
    assert results == [Accepted, Accepted, Refused, Refused]


def test_an_entry_that_does_not_follow_our_head():
    book, trunk, branch = new_book(), chain("alice", 2), chain("alice", 3, fork_at=2)
    for entry in trunk:
        admit(book, entry)
    assert admit(book, branch[2]).reason is Reason.BAD_CHAIN
    assert book.head(ALICE.public) == trunk[1].head


def test_an_early_entry_of_another_branch_convicts_its_author_when_its_twin_comes():
    book, trunk, branch = new_book(), chain("alice", 4), chain("alice", 3, fork_at=2)
    admit(book, branch[2])
    admit(book, trunk[0])
    assert admit(book, trunk[1]) == Accepted((trunk[1],))
    assert admit(book, trunk[3]) == Pending(3, 3)
    assert admit(book, trunk[2]) == Forked(fork.find(trunk[2], branch[2]))
    assert book.head(ALICE.public) == trunk[1].head
    assert book._pending_bytes == 0


def test_an_entry_of_another_branch_is_remembered_and_refused_again_and_again():
    book, trunk, branch = new_book(), chain("alice", 3), chain("alice", 3, fork_at=2)
    for entry in trunk[:2]:
        admit(book, entry)
    for _ in range(2):
        assert admit(book, branch[2]).reason is Reason.BAD_CHAIN
    assert book.furthest(ALICE.public) == (3, branch[2].id)
    assert admit(book, trunk[2]) == Forked(fork.find(trunk[2], branch[2]))


def test_the_clock_must_grow():
    book, first = new_book(), chain("alice", 1)[0]
    admit(book, first)
    for hlc in (first.hlc - 1, first.hlc):
        head = replace(first.head, hlc=0)
        entry = seal(ALICE, SWARM, head, kind=1, body=b"", hlc=hlc)
        assert admit(book, entry).reason is Reason.BAD_CLOCK


def test_future_entries_are_held():
    for ahead_ms in (MAX_FUTURE_MS - 1, MAX_FUTURE_MS, MAX_FUTURE_MS + 1):
        hlc = pack(NOW_MS + ahead_ms)
        entry = seal(ALICE, SWARM, None, kind=1, body=b"", hlc=hlc)
        book = new_book()
        result = admit(book, entry)
        if ahead_ms <= MAX_FUTURE_MS:
            assert result == Accepted((entry,))
        else:
            assert result == Held(NOW_MS + 1)
            assert not book.heads()
            assert admit(book, entry, NOW_MS + 1) == Accepted((entry,))


def test_forged_and_bodyless_entries_are_refused():
    book, entry = new_book(), chain("alice", 1)[0]
    forged = replace(entry, signature=bytes(64))
    assert admit(book, forged).reason is Reason.BAD_SIGNATURE
    assert admit(book, entry.without_body()).reason is Reason.NO_BODY
    assert not book._logs
    assert isinstance(admit(book, forged, verified=True), Accepted)


def test_the_limit_of_early_entries_per_author():
    limit = 256
    log = chain("alice", limit + 3)
    book = new_book(rate_burst=1000)
    assert book.limits.pending_per_author == limit
    assert admit(book, log[limit + 1]) == Pending(1, limit + 2)  # one too far: not kept
    assert admit(book, log[limit]) == Pending(1, limit)  # the last that is kept
    for entry in log[1:limit]:
        assert isinstance(admit(book, entry), Pending)
    assert admit(book, log[0]) == Accepted(tuple(log[: limit + 1]))
    assert admit(book, log[limit + 1]) == Accepted((log[limit + 1],))


def test_the_limit_of_early_bytes():
    log = chain("alice", 4)
    room = memory_bytes(log[3]) + memory_bytes(log[2])
    assert room > 2 * ENTRY_OVERHEAD_BYTES
    for pending_bytes, kept in ((room - 1, 1), (room, 2), (room + 1, 2)):
        book = new_book(pending_bytes=pending_bytes)
        assert admit(book, log[3]) == Pending(1, 3)
        assert admit(book, log[2]) == Pending(1, 2 if kept == 2 else 3)
        assert admit(book, log[0]) == Accepted((log[0],))
        assert len(admit(book, log[1]).entries) == (3 if kept == 2 else 1)


def test_the_limit_of_unknown_authors():
    book = new_book(unknown_authors=3)
    for name in "abc":
        assert isinstance(admit(book, chain(name, 1)[0]), Accepted)
    stranger = chain("d", 1)[0]
    for solicited in (False, True):
        refused = admit(book, stranger, solicited=solicited)
        assert refused.reason is Reason.AUTHOR_LIMIT
    assert isinstance(admit(book, chain("a", 2)[1]), Accepted)
    assert book.vouch(chain("a", 1)[0].author)
    assert book.vouch(chain("a", 1)[0].author)
    assert isinstance(admit(book, stranger), Accepted)
    assert admit(book, chain("e", 1)[0]).reason is Reason.AUTHOR_LIMIT
    assert book.vouch(chain("e", 1)[0].author)
    assert isinstance(admit(book, chain("e", 1)[0]), Accepted)
    assert admit(book, chain("f", 1)[0]).reason is Reason.AUTHOR_LIMIT


def test_a_restored_book_counts_the_logs_that_rest_as_well():
    book = new_book(unknown_authors=3)
    book.restore([chain(name, 1)[0].head for name in "abc"], ())
    assert not book._logs
    assert admit(book, chain("d", 1)[0]).reason is Reason.AUTHOR_LIMIT
    assert isinstance(admit(book, chain("a", 2)[1]), Accepted)
    assert admit(book, chain("d", 1)[0]).reason is Reason.AUTHOR_LIMIT
    assert book.vouch(chain("a", 1)[0].author)
    assert isinstance(admit(book, chain("d", 1)[0]), Accepted)
    assert book.vouch(chain("b", 1)[0].author)
    assert isinstance(admit(book, chain("e", 1)[0]), Accepted)
    assert admit(book, chain("f", 1)[0]).reason is Reason.AUTHOR_LIMIT


def test_the_limit_of_known_authors():
    book = new_book(known_authors=2)
    assert [book.vouch(name) for name in (b"a", b"b", b"c", b"a")] == [True, True, False, True]


def test_the_rate_of_an_author():
    burst = 200
    log = chain("alice", burst + 50)
    book = new_book(rate_burst=burst)
    for entry in log[:burst]:
        assert isinstance(admit(book, entry), Accepted)
    assert admit(book, log[burst]).reason is Reason.RATE_LIMIT
    assert admit(book, log[burst], NOW_MS + 49).reason is Reason.RATE_LIMIT
    assert isinstance(admit(book, log[burst], NOW_MS + 50), Accepted)
    for at, entry in enumerate(log[burst + 1 : burst + 21]):
        assert isinstance(admit(book, entry, NOW_MS + 1050), Accepted), at
    assert admit(book, log[burst + 21], NOW_MS + 1050).reason is Reason.RATE_LIMIT
    assert isinstance(admit(book, log[burst + 21], NOW_MS + 1050, solicited=True), Accepted)


def test_a_clock_set_back_gives_no_burst_and_starves_nobody():
    log = chain("alice", 4)
    book = new_book(rate_burst=2)
    admit(book, log[0])
    admit(book, log[1])
    back_ms = NOW_MS - 100_000
    assert admit(book, log[2], back_ms).reason is Reason.RATE_LIMIT
    assert admit(book, log[2], back_ms + 49).reason is Reason.RATE_LIMIT
    assert isinstance(admit(book, log[2], back_ms + 50), Accepted)


def test_repeating_and_forging_do_not_use_up_an_authors_rate():
    log = chain("alice", 4)
    book = new_book(rate_burst=3, recent_per_author=1, pending_per_author=1)
    admit(book, log[0])
    admit(book, log[1])
    far = chain("alice", 9)[8]
    for _ in range(10):
        assert isinstance(admit(book, log[0]), Duplicate)
        assert isinstance(admit(book, far), Pending)
        admit(book, replace(log[2], signature=bytes(64)))
    assert isinstance(admit(book, log[2]), Accepted)
    assert admit(book, log[3]).reason is Reason.RATE_LIMIT


def test_what_is_remembered_is_bounded():
    book, log = new_book(recent_per_author=4, rate_burst=50), chain("alice", 20)
    for entry in log:
        admit(book, entry)
    remembered = [seq for seq in range(1, 22) if book.recent_id(ALICE.public, seq)]
    assert remembered == [17, 18, 19, 20]
    assert all(entry.body is None for entry in book._logs[ALICE.public].recent.values())


def test_a_restored_book_goes_on():
    trunk, branch = chain("alice", 4), chain("alice", 4, fork_at=3)
    bob = chain("bob", 3)
    proof = fork.find(trunk[2], branch[2])
    book = new_book(unknown_authors=2)
    book.restore([trunk[1].head, bob[1].head], [proof])
    assert book.frozen_at(ALICE.public) == 2
    assert admit(book, trunk[2]).reason is Reason.FROZEN
    assert admit(book, bob[1]) == Duplicate()
    assert admit(book, bob[0]) == Duplicate(compare=True)
    assert admit(book, bob[2]) == Accepted((bob[2],))
    assert admit(book, chain("carol", 1)[0]).reason is Reason.AUTHOR_LIMIT
    assert book.recent_id(bob[0].author, 3) == bob[2].id
    assert isinstance(book.head(ALICE.public), Head)
