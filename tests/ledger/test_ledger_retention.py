"""Bodies that may be forgotten: by whom, when, and what a newcomer believes."""

from __future__ import annotations

import tempfile
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_chains import NOW_MS, SWARM, FakeSigner, fake_verify

from ledger import (
    Accepted,
    Book,
    Duplicate,
    Entry,
    Kind,
    MemoryStore,
    Reason,
    Refused,
    pack,
    parse_entry,
    seal,
)
from ledger.limits import DROP_AFTER_MS, FIRST_OWN_KIND
from ledger.retention import drop_before, may_lack, mortal_until
from ledger.sqlite import SqliteStore
from ledger.sqlite.bodies import SPAN_MS
from ledger.sqlite.rebuilding import Rebuilt
from ledger.sqlite.schema import MIGRATIONS

ANNA, BOB = FakeSigner("anna"), FakeSigner("bob")
LATER_MS = NOW_MS + 1000
APART_MS = 2 * SPAN_MS


def said(signer, head, *, kind=Kind.RESULT, expires_ms: int | None = LATER_MS) -> Entry:
    seq = head.seq + 1 if head else 1
    return seal(
        signer,
        SWARM,
        head,
        kind=kind,
        body=b"%d" % seq,
        hlc=pack(NOW_MS + seq),
        expires=None if expires_ms is None else pack(expires_ms),
    )


def log(signer, *whats: tuple[int, int | None]) -> list[Entry]:
    """A log whose entries have these (kind, expires_ms)."""
    entries: list[Entry] = []
    for kind, expires_ms in whats:
        head = entries[-1].head if entries else None
        entries.append(said(signer, head, kind=kind, expires_ms=expires_ms))
    return entries


@pytest.mark.parametrize(
    ("kind", "expires_ms", "lacks"),
    [
        (Kind.RESULT, LATER_MS, True),
        (FIRST_OWN_KIND - 1, LATER_MS, True),
        (FIRST_OWN_KIND, LATER_MS, False),
        (Kind.RETIRE, LATER_MS, False),
        (Kind.REVOKE, 0, False),
        (99, 0, False),
        (Kind.TASK, None, False),
    ],
)
def test_what_may_come_without_its_body_and_when(kind, expires_ms, lacks):
    entry = said(ANNA, None, kind=kind, expires_ms=expires_ms)
    assert (mortal_until(entry.header) is not None) is lacks
    for now_ms, over in ((LATER_MS - 1, False), (LATER_MS, True), (LATER_MS + 1, True)):
        assert may_lack(entry.header, now_ms) is (lacks and over)
        book = Book(SWARM, fake_verify)
        bare = entry.without_body()
        if lacks and over:
            assert book.admit(bare, now_ms) == Accepted((bare,))
        else:
            assert book.admit(bare, now_ms).reason is Reason.NO_BODY


def test_the_rest_of_an_entry_is_checked_as_ever():
    bare = said(ANNA, None).without_body()
    book = Book(SWARM, fake_verify)
    forged = replace(bare, signature=bytes(64))
    assert book.admit(forged, LATER_MS).reason is Reason.BAD_SIGNATURE
    follows = said(ANNA, said(ANNA, None, kind=Kind.TASK).head).without_body()
    book.admit(bare, LATER_MS)
    assert book.admit(follows, LATER_MS).reason is Reason.BAD_CHAIN
    assert parse_entry(bare.encode()) == bare
    assert book.admit(said(ANNA, None), LATER_MS) == Duplicate()


def test_who_drops_is_an_hour_behind_who_believes():
    """So two clocks an hour apart never make a peer refuse what another has dropped."""
    entry = said(ANNA, None)
    before = drop_before(LATER_MS + DROP_AFTER_MS)
    assert entry.expires == before
    assert drop_before(LATER_MS + DROP_AFTER_MS - 1) < entry.expires
    assert may_lack(entry.header, LATER_MS + DROP_AFTER_MS - DROP_AFTER_MS)
    assert drop_before(0) == 0


def bodies(store) -> list[bool]:
    return [entry.body is not None for _, entry in store.entries(limit=99)]


def drop(store, until_ms, *, keep=(), limit=99) -> int:
    return store.drop_bodies(pack(until_ms), keep=keep, limit=limit)


def test_what_is_due_is_forgotten_earliest_first_and_so_many_at_a_time(store):
    entries = log(
        ANNA,
        (Kind.RESULT, LATER_MS + 2 * APART_MS),
        (Kind.RESULT, LATER_MS),
        (Kind.CHECKPOINT, LATER_MS),
        (Kind.RESULT, None),
        (Kind.RESULT, LATER_MS + APART_MS),
    )
    store.append(entries)
    assert drop(store, LATER_MS - 1) == 0
    assert bodies(store) == [True] * 5
    assert drop(store, LATER_MS + 2 * APART_MS, limit=1) == 1
    assert bodies(store) == [True, False, True, True, True]
    assert drop(store, LATER_MS + 2 * APART_MS, limit=1) == 1
    assert bodies(store) == [True, False, True, True, False]
    assert drop(store, LATER_MS + APART_MS) == 0
    assert drop(store, LATER_MS + 2 * APART_MS, limit=5) == 1
    assert drop(store, LATER_MS * 2) == 0
    assert bodies(store) == [False, False, True, True, False]


def test_neighbours_that_expire_together_share_a_row(tmp_path):
    store = SqliteStore.open(tmp_path / "ledger.db", SWARM)
    steps = [0, 5, SPAN_MS, SPAN_MS + 1, 1, 0]
    store.append(log(ANNA, *[(Kind.RESULT, LATER_MS + step) for step in steps]))
    rows = store._db.execute("SELECT at, first, last FROM expiry ORDER BY first").fetchall()
    assert rows == [
        (pack(LATER_MS + SPAN_MS), 1, 3),
        (pack(LATER_MS + SPAN_MS + 1), 4, 5),
        (pack(LATER_MS), 6, 6),
    ]
    assert drop(store, LATER_MS + SPAN_MS, keep={(ANNA.public, 2)}, limit=2) == 2
    assert bodies(store) == [False, True, True, True, True, False]
    assert drop(store, LATER_MS + SPAN_MS, keep={(ANNA.public, 2)}) == 1
    assert drop(store, LATER_MS + 2 * SPAN_MS, limit=2) == 2
    assert bodies(store) == [False, False, False, False, True, False]
    store.close()


def test_the_chain_stays_whole(store):
    entries = log(ANNA, *[(Kind.RESULT, LATER_MS)] * 5)
    store.append(entries)
    before = (store.heads(), store.ids(ANNA.public, 1, 9), store.frontier(ANNA.public, 5))
    assert drop(store, LATER_MS) == 5
    assert (store.heads(), store.ids(ANNA.public, 1, 9), store.frontier(ANNA.public, 5)) == before
    assert store.get(ANNA.public, 3) == entries[2].without_body()
    assert list(store.verify_all(fake_verify)) == []
    book, now_ms = Book(SWARM, fake_verify), LATER_MS
    for entry in store.range(ANNA.public, 1, 9, 1 << 20):
        assert isinstance(book.admit(parse_entry(entry.encode()), now_ms), Accepted)
    [more] = [said(ANNA, entries[-1].head)]
    store.append([*entries, more])
    assert bodies(store) == [False] * 5 + [True]


def test_what_is_kept_stays_and_does_not_stand_in_the_way(store):
    store.append(log(ANNA, *[(Kind.RESULT, LATER_MS)] * 6))
    keep = frozenset((ANNA.public, seq) for seq in (1, 2, 3))
    assert drop(store, LATER_MS, keep=keep, limit=2) == 2
    assert drop(store, LATER_MS, keep=keep, limit=2) == 1
    assert drop(store, LATER_MS, keep=keep, limit=2) == 0
    assert bodies(store) == [True] * 3 + [False] * 3
    assert drop(store, LATER_MS, limit=2) == 2


def test_a_body_that_is_missing_for_no_good_reason_is_named(store):
    entries = log(ANNA, (Kind.RESULT, None), (Kind.PLEDGE, LATER_MS), (Kind.RESULT, LATER_MS))
    store.append([entry.without_body() for entry in entries])
    problems = list(store.verify_all(fake_verify))
    assert [problem.seq for problem in problems] == [1, 2]
    assert "never dropped" in problems[0].text


def test_a_database_from_before_keeps_what_it_has(tmp_path, monkeypatch):
    path = tmp_path / "ledger.db"
    entries = log(ANNA, *[(Kind.RESULT, LATER_MS)] * 2)
    with monkeypatch.context() as past:
        past.setattr("ledger.sqlite.schema.MIGRATIONS", MIGRATIONS[:2])
        past.setattr("ledger.sqlite.bodies.note", lambda _db, _rows: None)
        old = SqliteStore.open(path, SWARM)
        old.append(entries[:1])
        old.close()
    store = SqliteStore.open(path, SWARM)
    store.append(entries)
    assert drop(store, LATER_MS) == 1
    assert bodies(store) == [True, False]
    assert store.rebuild() == Rebuilt(frontiers=0, expiries=1)
    assert drop(store, LATER_MS) == 1
    assert bodies(store) == [False, False]
    store.close()


def test_what_is_derived_is_made_anew(tmp_path):
    store = SqliteStore.open(tmp_path / "ledger.db", SWARM)
    entries = log(ANNA, *[(Kind.RESULT, LATER_MS)] * 3, (Kind.TASK, None))
    store.append(entries)
    tree = store.frontier(ANNA.public, 4)
    drop(store, LATER_MS, limit=1)
    assert store.rebuild() == Rebuilt(frontiers=1, expiries=2)
    assert store.frontier(ANNA.public, 4) == tree
    store._db.execute("UPDATE frontier SET peaks = zeroblob(32)")
    store._db.execute("DELETE FROM expiry")
    assert len(list(store.verify_all(fake_verify))) == 1
    assert drop(store, LATER_MS) == 0
    store.rebuild()
    assert list(store.verify_all(fake_verify)) == []
    assert drop(store, LATER_MS) == 2
    store.close()


WHATS = st.tuples(
    st.sampled_from([Kind.CAPABILITY, Kind.RESULT, Kind.CHECKPOINT, 99]),
    st.sampled_from([None, LATER_MS, LATER_MS + APART_MS, LATER_MS + 2 * APART_MS]),
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(WHATS, max_size=6),
    st.lists(WHATS, max_size=6),
    st.lists(
        st.tuples(
            st.integers(-1, 3).map(lambda steps: LATER_MS + steps * APART_MS),
            st.frozensets(
                st.tuples(st.sampled_from([ANNA.public, BOB.public]), st.integers(1, 6)),
                max_size=4,
            ),
            st.integers(1, 5),
        ),
        max_size=4,
    ),
)
def test_both_stores_forget_the_same(annas, bobs, calls):
    entries = [*log(ANNA, *annas), *log(BOB, *bobs)]
    with tempfile.TemporaryDirectory() as folder:
        memory, sqlite = MemoryStore(SWARM), SqliteStore.open(f"{folder}/l.db", SWARM)
        for store in (memory, sqlite):
            store.append(entries)
        for until_ms, keep, limit in calls:
            counts = [drop(store, until_ms, keep=keep, limit=limit) for store in (memory, sqlite)]
            assert counts[0] == counts[1]
            assert memory.entries(limit=99) == sqlite.entries(limit=99)
            for _, entry in memory.entries(limit=99):
                assert entry.body is not None or (
                    mortal_until(entry.header) is not None
                    and entry.expires <= pack(LATER_MS + 3 * APART_MS)
                )
            assert list(sqlite.verify_all(fake_verify)) == []
        sqlite.close()


def test_a_refusal_says_why():
    refused = Book(SWARM, fake_verify).admit(said(ANNA, None).without_body(), NOW_MS)
    assert refused == Refused(Reason.NO_BODY, "the entry came without its body")
