"""Succession: who speaks for an identity, and why a stolen key can't decide that."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_chains import NOW_MS, SWARM, FakeSigner, extend, fake_verify

from ledger import (
    Accepted,
    Adopt,
    Book,
    Entry,
    Kind,
    MemoryStore,
    Pending,
    Reason,
    Refused,
    commit,
    encode_pledge,
    encode_retire,
    fork,
    pack,
    seal,
    suspects,
    wants,
)
from ledger.handover import parse_adopt, parse_pledge, parse_retire
from ledger.limits import MAX_SUCCESSIONS
from ledger.succession import remembered

ONE, TWO, THREE, EVE = (FakeSigner(name) for name in ("one", "two", "three", "eve"))


def entry(signer, head, kind, body, *, salt=0) -> Entry:
    seq = head.seq + 1 if head else 1
    return seal(signer, SWARM, head, kind=kind, body=body, hlc=pack(NOW_MS + seq, salt))


def pledge(signer, to) -> Entry:
    return entry(signer, None, Kind.PLEDGE, encode_pledge(commit(to.public)))


def retire(signer, head, to) -> Entry:
    return entry(signer, head, Kind.RETIRE, encode_retire(to.public))


def adopt(signer, last: Entry, following=None) -> Entry:
    commitment = commit(following.public) if following else None
    body = Adopt(last.author, last.seq, last.id, commitment).encode()
    return entry(signer, None, Kind.ADOPT, body)


def handed_over(old=ONE, new=TWO, length=3) -> list[Entry]:
    """A log that pledges, says something, and retires."""
    log = [pledge(old, new)]
    log += extend(old, log[-1].head, length - 2)
    return [*log, retire(old, log[-1].head, new)]


def new_book(**anchors: FakeSigner) -> Book:
    known = {FakeSigner(name).public: commit(to.public) for name, to in anchors.items()}
    return Book(SWARM, fake_verify, anchors=known)


def show(book, *entries: Entry) -> list:
    return [book.admit(each, NOW_MS) for each in entries]


def test_a_log_is_handed_over():
    book, log = new_book(), handed_over()
    heir = [adopt(TWO, log[-1], THREE)]
    heir += extend(TWO, heir[0].head, 2)
    show(book, *log[:-1], *heir)
    assert book.succession.speaker(ONE.public) == ONE.public
    assert book.succession.successor(ONE.public) is None
    show(book, log[-1])
    assert book.succession.speaker(ONE.public) == TWO.public
    assert book.succession.predecessor(TWO.public) == ONE.public
    assert book.succession.predecessor(ONE.public) is None
    assert list(book.succession.line(ONE.public)) == [ONE.public, TWO.public]
    last = retire(TWO, heir[-1].head, THREE)
    show(book, last, adopt(THREE, last))
    assert book.succession.speaker(ONE.public) == THREE.public
    assert book.succession.speaker(TWO.public) == THREE.public


def test_nothing_is_appended_behind_a_retirement():
    book, log = new_book(), handed_over()
    later = extend(ONE, log[-1].head, 2)
    show(book, *log)
    for each in later:
        [refused] = show(book, each)
        assert refused == Refused(Reason.RETIRED, "the log ended with its retirement at 3")
    assert book.head(ONE.public) == log[-1].head


def test_what_waits_behind_a_retirement_is_dropped():
    book, log = new_book(), handed_over()
    [later] = extend(ONE, log[-1].head, 1)
    assert show(book, *log[:2], later)[-1] == Pending(3, 3)
    assert show(book, log[2]) == [Accepted((log[2],))]
    assert book.head(ONE.public) == log[-1].head
    assert book._pending_bytes == 0
    assert book._logs[ONE.public].pending == {}


@pytest.mark.parametrize("nowhere", [True, False])
def test_the_old_key_alone_can_not_name_an_heir(nowhere):
    """Nor one that it pledged to nobody."""
    first = extend(ONE, None, 1)[0] if nowhere else pledge(ONE, TWO)
    book = new_book()
    [_, refused] = show(book, first, retire(ONE, first.head, EVE))
    assert refused.reason is Reason.BAD_SUCCESSION
    assert book.head(ONE.public) == first.head
    show(book, adopt(EVE, retire(ONE, first.head, EVE)))
    assert book.succession.speaker(ONE.public) == ONE.public


def test_a_pledge_counts_as_the_first_entry_only():
    first = extend(ONE, None, 1)[0]
    second = entry(ONE, first.head, Kind.PLEDGE, encode_pledge(commit(TWO.public)))
    book = new_book()
    assert [type(each) for each in show(book, first, second)] == [Accepted, Accepted]
    assert book.succession.commitment(ONE.public) is None
    assert show(book, retire(ONE, second.head, TWO))[0].reason is Reason.BAD_SUCCESSION


def test_the_new_key_alone_can_not_take_over():
    book, log = new_book(), handed_over()
    show(book, *log[:-1], adopt(TWO, log[-2]), adopt(EVE, log[-1]))
    assert book.succession.speaker(ONE.public) == ONE.public


def test_a_heir_that_names_another_end_is_none():
    book, log = new_book(), handed_over()
    show(book, *log, adopt(TWO, log[-2]))
    assert book.succession.speaker(ONE.public) == ONE.public


def test_an_anchor_counts_instead_of_the_pledge():
    book = new_book(one=THREE)
    log = handed_over()
    show(book, *log)
    assert book.head(ONE.public) == log[1].head
    last = retire(ONE, log[1].head, THREE)
    show(book, last, adopt(THREE, last))
    assert book.succession.speaker(ONE.public) == THREE.public


def test_a_forked_log_is_closed_and_goes_on_under_its_pledged_key():
    """The owner of a restored backup, or of a stolen key, can't retire any more."""
    book, log = new_book(), handed_over()
    stolen = entry(ONE, log[0].head, Kind.TASK, b"a thief", salt=7)
    show(book, *log[:2], adopt(TWO, log[0]))
    assert book.succession.speaker(ONE.public) == ONE.public
    show(book, stolen)
    assert book.frozen_at(ONE.public) == 1
    assert book.succession.speaker(ONE.public) == TWO.public


def test_a_fork_below_the_retirement_does_not_undo_it():
    book, log = new_book(), handed_over()
    show(book, *log, adopt(TWO, log[-1]))
    show(book, entry(ONE, log[0].head, Kind.TASK, b"a thief", salt=7))
    assert book.succession.retired(ONE.public) is None
    assert book.succession.speaker(ONE.public) == TWO.public


@pytest.mark.parametrize("anchored", [True, False])
def test_a_fork_of_the_pledge_ends_the_line_unless_it_is_anchored(anchored):
    book = new_book(one=TWO) if anchored else new_book()
    log = handed_over()
    show(book, *log, adopt(TWO, log[-1]), pledge(ONE, EVE), adopt(EVE, log[-1]))
    assert book.frozen_at(ONE.public) == 0
    assert book.succession.speaker(ONE.public) == (TWO.public if anchored else ONE.public)


def test_an_heir_whose_first_entry_is_forked_is_none():
    book, log = new_book(), handed_over()
    show(book, *log, adopt(TWO, log[-1]), extend(TWO, None, 1)[0])
    assert book.succession.speaker(ONE.public) == ONE.public


MALFORMED = (b"\xff", b"\xa0", b"\xa1\x00\x00", b"\xa1\x00\x41\x00", b"\x80")


@pytest.mark.parametrize("body", MALFORMED)
def test_signed_nonsense_means_nothing(body):
    book = new_book(one=TWO)
    [first] = extend(ONE, None, 1)
    [_, refused] = show(book, first, entry(ONE, first.head, Kind.RETIRE, body))
    assert refused.reason is Reason.BAD_SUCCESSION
    for kind, parse in ((Kind.PLEDGE, parse_pledge), (Kind.ADOPT, parse_adopt)):
        odd = entry(EVE, None, kind, body)
        assert parse(odd) is None
        book = new_book()
        assert show(book, odd) == [Accepted((odd,))]
    assert parse_retire(entry(ONE, first.head, Kind.TASK, encode_retire(TWO.public))) is None
    second = entry(ONE, first.head, Kind.ADOPT, Adopt(EVE.public, 1, bytes(32)).encode())
    assert parse_adopt(second) is None
    assert parse_adopt(adopt(TWO, first, THREE)).commitment == commit(THREE.public)


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_line_is_looked_through_so_far_and_no_further(more):
    signers = [FakeSigner(f"heir {at}") for at in range(MAX_SUCCESSIONS + more + 1)]
    book = new_book()
    last = pledge(signers[0], signers[1])
    show(book, last)
    for at, (old, new) in enumerate(pairwise(signers), start=2):
        end = retire(old, last.head, new)
        last = adopt(new, end, signers[at] if at < len(signers) else None)
        show(book, end, last)
    reached = min(len(signers) - 1, MAX_SUCCESSIONS)
    assert book.succession.speaker(signers[0].public) == signers[reached].public


def test_keys_that_adopt_each_other_lead_nowhere():
    book = new_book()
    for mine, other in ((ONE, TWO), (TWO, ONE)):
        body = Adopt(other.public, 1, bytes(32), commit(other.public)).encode()
        first = entry(mine, None, Kind.ADOPT, body)
        show(book, first, *extend(mine, first.head, 1))
        show(book, *extend(mine, first.head, 1, salt="other"))
        assert book.frozen_at(mine.public) == 1
    assert list(book.succession.line(ONE.public)) == [ONE.public, TWO.public]


@dataclass(frozen=True)
class View:
    """All that a book says of successions."""

    speakers: tuple
    retired: tuple
    predecessors: tuple
    commitments: tuple


KEYS = [signer.public for signer in (ONE, TWO, THREE, EVE)]


def view(book) -> View:
    known = book.succession
    return View(
        tuple(map(known.speaker, KEYS)),
        tuple(map(known.retired, KEYS)),
        tuple(map(known.predecessor, KEYS)),
        tuple(map(known.commitment, KEYS)),
    )


def world() -> list[Entry]:
    """An honest line of three, and a thief with the first two keys."""
    one = handed_over(ONE, TWO, 4)
    two = [adopt(TWO, one[-1], THREE)]
    two += extend(TWO, two[0].head, 1)
    two.append(retire(TWO, two[-1].head, THREE))
    three = [adopt(THREE, two[-1])]
    eve = [adopt(EVE, one[-1])]
    stolen = [entry(ONE, one[1].head, Kind.TASK, b"thief", salt=3)]
    stolen += [retire(ONE, stolen[0].head, EVE)]
    stolen += [entry(TWO, two[1].head, Kind.RETIRE, encode_retire(THREE.public), salt=9)]
    return [*one, *two, *three, *eve, *stolen]


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_any_order_of_arrival_says_the_same(data):
    everything = data.draw(st.lists(st.sampled_from(world()), unique_by=lambda e: e.id))
    left, right = (built(data.draw(st.permutations(everything))) for _ in range(2))
    assert view(left) == view(right)
    assert dict(left.heads()) == dict(right.heads())


def built(arrivals) -> Book:
    """A book that met these entries, with a store for what it forgot; repeated like sync does."""
    book, stored = Book(SWARM, fake_verify), {}
    for _ in range(len(arrivals) + 1):
        for each in arrivals:
            admission = book.admit(each, NOW_MS)
            if isinstance(admission, Accepted):
                stored |= {(e.author, e.seq): e for e in admission.entries}
            elif (kept := stored.get((each.author, each.seq))) is not None:
                before = stored.get((each.author, each.seq - 1))
                book.conflicts(each, kept, head=before.head if before else None)
    return book


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_restart_says_the_same(data):
    arrivals = data.draw(st.permutations(world()))
    book, store = Book(SWARM, fake_verify), MemoryStore(SWARM)
    for each in [*arrivals, *arrivals]:
        admission = book.admit(each, NOW_MS)
        if isinstance(admission, Accepted):
            store.append(admission.entries)
        elif (kept := store.get(each.author, each.seq)) is not None:
            before = store.get(each.author, each.seq - 1)
            book.conflicts(each, kept, head=before.head if before else None)
        for proof in book.forks().values():
            store.add_fork(proof)
    again = Book(SWARM, fake_verify)
    again.restore(store.heads(), store.forks())
    for each in remembered(store):
        again.succession.note(each)
    assert view(again) == view(book)


def test_who_holds_more_than_our_retired_log_holds_another_branch():
    book, log = new_book(), handed_over()
    show(book, *log)
    branch = extend(ONE, log[1].head, 4, salt="thief")
    theirs = [branch[-1].head]
    assert wants(book, theirs) == []
    [suspect] = suspects(book, theirs)
    assert (suspect.author, suspect.seq) == (ONE.public, 3)
    show(book, branch[0])
    assert book.forks()[ONE.public] == fork.find(log[2], branch[0])
