"""Stores whose logs begin at a horizon: what is forgotten, and what goes on as ever."""

from __future__ import annotations

import tempfile
from dataclasses import replace

import pytest
from horizon_log import (
    ANNA,
    AT,
    ENTRY,
    HORIZON,
    LOG,
    OLD_MS,
    SIZE,
    altered,
    build,
    cosign,
    say,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_chains import NOW_MS, SWARM, FakeSigner, fake_verify

from ledger import (
    Book,
    Checkpoint,
    Frontier,
    Kind,
    MemoryStore,
    Tree,
    fork,
    parse_horizon,
    verify_horizon,
)
from ledger.drawing import draw
from ledger.limits import DROP_AFTER_MS, MIN_HORIZON_AGE_MS
from ledger.merkle import verify_consistency, verify_inclusion
from ledger.sqlite import SqliteStore

MIB = 1 << 20


def sound(store) -> bool:
    return list(store.verify_all(fake_verify)) == []


def test_what_lies_below_is_forgotten_a_little_at_a_time(store):
    store.append(LOG)
    assert store.begin(HORIZON)
    assert store.begin(HORIZON)
    assert store.horizons() == [HORIZON]
    assert sound(store)
    counts = []
    while not counts or counts[-1]:
        counts.append(store.drop_headers(4))
        assert sound(store)
        assert store.heads() == [LOG[-1].head]
    assert counts == [4, 4, 2, 0]
    assert store.get(ANNA.public, 1) == LOG[0]
    assert store.get(ANNA.public, 2) is store.get(ANNA.public, SIZE) is None
    assert store.get(ANNA.public, SIZE + 1) == LOG[SIZE]
    kinds = [entry.kind for _, entry in store.entries(limit=99)]
    assert kinds == [entry.kind for entry in (LOG[0], *LOG[SIZE:])]


def test_a_range_below_is_answered_from_the_horizon_on(store):
    store.append(LOG)
    store.begin(HORIZON)
    store.drop_headers(99)
    for first in (1, 5, SIZE):
        assert store.range(ANNA.public, first, 99, MIB) == [ENTRY, *LOG[SIZE:]]
        assert store.range(ANNA.public, first, SIZE, MIB) == [ENTRY]
    assert store.range(ANNA.public, SIZE + 1, 99, MIB) == LOG[SIZE:]
    size = len(ENTRY.encode())
    assert store.range(ANNA.public, 1, 99, size) == [ENTRY]
    assert store.range(ANNA.public, 1, 99, size - 1) == []
    book = Book(SWARM, fake_verify)
    for entry in store.range(ANNA.public, 1, 99, MIB):
        book.admit(entry, NOW_MS, solicited=True)
    assert book.head(ANNA.public) == LOG[-1].head


def test_a_log_may_begin_there_and_its_tree_goes_on(store):
    assert store.begin(HORIZON)
    assert store.heads() == [HORIZON.last]
    assert sound(store)
    store.append(LOG[SIZE:])
    assert store.heads() == [LOG[-1].head]
    assert store.get(ANNA.public, 1) == LOG[0]
    ids = [entry.id for entry in LOG]
    for size in range(SIZE, len(LOG) + 1):
        assert store.frontier(ANNA.public, size) == Frontier().extend(ids[:size])
    assert store.frontier(ANNA.public, SIZE) == HORIZON.frontier
    assert store.frontier(ANNA.public, SIZE - 1) is None
    assert sound(store)
    tree, whole = Tree(ids[SIZE:], HORIZON.frontier), Tree(ids)
    proof = tree.consistency(SIZE)
    assert verify_consistency(SIZE, len(ids), proof, HORIZON.frontier.root(), whole.root())
    for place in range(SIZE, len(ids)):
        assert verify_inclusion(ids[place], place, len(ids), tree.inclusion(place), whole.root())
    store.append(LOG)  # those below are skipped, as what is there always was
    assert store.heads() == [LOG[-1].head]


def test_a_short_copy_jumps_and_a_later_horizon_moves_on(store):
    store.append(LOG[:4])
    assert store.begin(HORIZON)
    store.append(LOG[SIZE:])
    assert store.drop_headers(99) == 3
    assert sound(store)
    later = parse_horizon(build(size=SIZE - 2)[SIZE])
    assert store.begin(later)
    assert store.horizons() == [HORIZON]


def test_a_horizon_that_contradicts_our_copy_changes_nothing(store):
    other = build(pledged=False)
    store.append(LOG)
    assert not store.begin(parse_horizon(other[AT]))
    assert store.horizons() == []
    assert store.drop_headers(9) == 0
    wrong = replace(HORIZON, last=replace(HORIZON.last, id=bytes(32)))
    assert not store.begin(wrong)
    assert store.range(ANNA.public, 1, 99, MIB) == LOG


@pytest.mark.parametrize(("seq", "ends"), [(SIZE + 2, SIZE + 1), (SIZE + 1, SIZE), (4, None)])
def test_a_fork_lowers_the_head_of_such_a_log(store, seq, ends):
    store.begin(HORIZON)
    store.append(LOG[SIZE:])
    branch = LOG[: seq - 1]
    store.add_fork(fork.find(LOG[seq - 1], say(branch, Kind.TASK, b"branch", NOW_MS)))
    assert store.heads() == ([] if ends is None else [LOG[ends - 1].head])


def test_a_horizon_that_was_tampered_with_is_named(tmp_path):
    store = SqliteStore.open(tmp_path / "ledger.db", SWARM)
    store.append(LOG)
    store.begin(HORIZON)
    wrong = altered(last=bytes(32))
    store._db.execute("UPDATE horizon SET entry = ?", (wrong.encode(),))
    texts = [problem.text for problem in store.verify_all(fake_verify)]
    assert "the horizon names another entry" in texts
    forged = replace(ENTRY, signature=bytes(64))
    store._db.execute("UPDATE horizon SET entry = ?", (forged.encode(),))
    assert any(problem.text.startswith("horizon:") for problem in store.verify_all(fake_verify))
    store._db.execute("UPDATE horizon SET entry = ?", (ENTRY.encode(),))
    store.drop_headers(99)
    store._db.execute("DELETE FROM entry WHERE seq = ?", (SIZE + 1,))
    assert any("missing" in problem.text for problem in store.verify_all(fake_verify))
    store.close()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, len(LOG)), st.integers(0, 6)),
        st.tuples(st.just("begin"), st.just(0), st.just(0)),
        st.tuples(st.just("drop"), st.integers(1, 6), st.just(0)),
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=60)
@given(STEPS)
def test_both_stores_do_the_same(steps):
    with tempfile.TemporaryDirectory() as folder:
        memory, sqlite = MemoryStore(SWARM), SqliteStore.open(f"{folder}/l.db", SWARM)
        for what, first, count in steps:
            seen = []
            for store in (memory, sqlite):
                match what:
                    case "append":
                        end = store.heads()[0].seq if store.heads() else 0
                        seen.append(store.append(LOG[min(first, end) : first + count]))
                    case "begin":
                        seen.append(store.begin(HORIZON))
                    case _:
                        seen.append(store.drop_headers(first))
            assert seen[0] == seen[1]
            assert memory.heads() == sqlite.heads()
            assert memory.horizons() == sqlite.horizons()
            assert sorted(e.seq for _, e in memory.entries(limit=99)) == sorted(
                e.seq for _, e in sqlite.entries(limit=99)
            )
            for first_ in (1, SIZE, SIZE + 1):
                ranges = [s.range(ANNA.public, first_, 99, MIB) for s in (memory, sqlite)]
                assert ranges[0] == ranges[1]
            for size in (SIZE - 1, SIZE, SIZE + 2):
                trees = [s.frontier(ANNA.public, size) for s in (memory, sqlite)]
                assert trees[0] == trees[1]
            assert sound(memory)
            assert sound(sqlite)
        sqlite.close()


def test_a_horizon_is_drawn_at_the_furthest_witnessed_checkpoint_that_is_old_enough(store):
    early, late = build(size=5), build()
    log = early[:6]  # up to a checkpoint at 5
    while len(log) < SIZE:
        say(log, Kind.TASK, b"more", OLD_MS)
    frontier = Frontier().extend(entry.id for entry in log)
    claim = Checkpoint(ANNA.public, SIZE, frontier.root())
    checkpoint = say(log, Kind.CHECKPOINT, claim.encode(), OLD_MS + 5)
    store.append(log)
    first = parse_horizon(early[7])
    when_ms = OLD_MS + 5 + MIN_HORIZON_AGE_MS + DROP_AFTER_MS
    assert draw(store, ANNA.public, when_ms) is None  # nobody has cosigned
    store.append([first.cosigns[0]])
    drawn = say(list(log), Kind.HORIZON, draw(store, ANNA.public, when_ms), NOW_MS)
    assert parse_horizon(drawn).size == 5
    carol = cosign(FakeSigner("carol"), claim)
    store.append([carol])
    assert parse_horizon(horizon_of(log, draw(store, ANNA.public, when_ms - 1))).size == 5
    horizon = parse_horizon(horizon_of(log, draw(store, ANNA.public, when_ms)))
    assert (horizon.size, horizon.cosigns, horizon.first) == (SIZE, (carol,), log[0])
    assert horizon.checkpoint == checkpoint
    entry = verify_horizon(horizon.entry, SWARM, fake_verify, when_ms).entry
    store.append([entry])
    assert store.begin(horizon)
    assert draw(store, ANNA.public, when_ms) is None
    assert draw(store, late[0].author[::-1], when_ms) is None


def horizon_of(log, body):
    return say(list(log), Kind.HORIZON, body, NOW_MS)
