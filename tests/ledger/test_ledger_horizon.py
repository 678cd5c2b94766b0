"""Logs that begin at a horizon: who believes one, what is forgotten, and what goes on as ever."""

from __future__ import annotations

import tempfile
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_chains import NOW_MS, SWARM, FakeSigner, fake_verify

from ledger import (
    Accepted,
    Begun,
    Book,
    Checkpoint,
    Duplicate,
    Entry,
    Frontier,
    InvalidEntry,
    Kind,
    Limits,
    MemoryStore,
    Pending,
    Reason,
    Refused,
    Tree,
    commit,
    dumps,
    encode_cosign,
    encode_horizon,
    encode_pledge,
    fork,
    loads,
    pack,
    parse_horizon,
    seal,
    verify_horizon,
)
from ledger.limits import MAX_HORIZON_COSIGNS, MIN_HORIZON_AGE_MS
from ledger.merkle import verify_consistency, verify_inclusion
from ledger.sqlite import SqliteStore

ANNA, BOB, HEIR = FakeSigner("anna"), FakeSigner("bob"), FakeSigner("heir")
OLD_MS = NOW_MS - MIN_HORIZON_AGE_MS - 1000
SIZE = 11
MIB = 1 << 20


def say(log: list[Entry], kind: int, body: bytes, at_ms: int) -> Entry:
    head = log[-1].head if log else None
    hlc = pack(at_ms) + len(log)
    log.append(seal(ANNA, SWARM, head, kind=kind, body=body, hlc=hlc))
    return log[-1]


def cosign(signer: FakeSigner, claim: Checkpoint) -> Entry:
    body = encode_cosign([claim])
    return seal(signer, SWARM, None, kind=Kind.COSIGN, body=body, hlc=pack(OLD_MS))


def build(*, size=SIZE, pledged=True, age_ms=0, witnesses=("bob",)) -> list[Entry]:
    """Anna's log: `size` entries, a checkpoint, one more, the horizon, and two more."""
    log: list[Entry] = []
    if pledged:
        say(log, Kind.PLEDGE, encode_pledge(commit(HEIR.public)), OLD_MS - 99)
    while len(log) < size:
        say(log, Kind.TASK, b"%d" % len(log), OLD_MS - 99)
    frontier, last = Frontier().extend(entry.id for entry in log), log[-1].head
    claim = Checkpoint(ANNA.public, size, frontier.root())
    checkpoint = say(log, Kind.CHECKPOINT, claim.encode(), OLD_MS + age_ms)
    say(log, Kind.TASK, b"between", OLD_MS + age_ms + 1)
    cosigns = [cosign(FakeSigner(name), claim) for name in witnesses]
    first = log[0] if pledged else None
    body = encode_horizon(frontier, last, checkpoint, cosigns, first)
    say(log, Kind.HORIZON, body, NOW_MS - 500)
    for _ in range(2):
        say(log, Kind.TASK, b"after", NOW_MS - 400)
    return log


LOG = build()
AT = SIZE + 2  # where the horizon entry stands in the list
ENTRY = LOG[AT]
HORIZON = parse_horizon(ENTRY)


def check(entry: Entry, now_ms: int = NOW_MS):
    return verify_horizon(entry, SWARM, fake_verify, now_ms)


def test_a_horizon_reads_as_it_was_written():
    horizon = check(ENTRY)
    assert horizon == HORIZON
    assert (horizon.author, horizon.size) == (ANNA.public, SIZE)
    assert horizon.last == LOG[SIZE - 1].head
    assert horizon.frontier == Frontier().extend(entry.id for entry in LOG[:SIZE])
    assert horizon.first == LOG[0]
    assert check(build(pledged=False)[AT]).first is None


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_it_takes_a_month(more):
    old_ms = HORIZON.checkpoint.hlc >> 16
    if more < 0:
        with pytest.raises(InvalidEntry) as caught:
            check(ENTRY, old_ms + MIN_HORIZON_AGE_MS + more)
        assert caught.value.reason is Reason.TOO_SOON
    else:
        assert check(ENTRY, old_ms + MIN_HORIZON_AGE_MS + more) == HORIZON


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_cosign_entries_of_a_horizon(more):
    count = MAX_HORIZON_COSIGNS + more
    horizon = check(build(witnesses=[f"w{at}" for at in range(count)])[AT])
    assert len(horizon.cosigns) == min(count, MAX_HORIZON_COSIGNS)
    fields = loads(ENTRY.body)
    fields[5] = [HORIZON.cosigns[0].encode()] * count
    changed = LOG[:AT]
    say(changed, Kind.HORIZON, dumps(fields), NOW_MS)
    if more > 0:
        with pytest.raises(InvalidEntry):
            parse_horizon(changed[-1])
    else:
        assert len(parse_horizon(changed[-1]).cosigns) == count


def test_what_does_not_fit_is_left_out_and_one_must_fit():
    big = [cosign(FakeSigner(f"w{at}"), HORIZON_CLAIM) for at in range(2)]
    claims = [Checkpoint(FakeSigner(str(at)).public, 1, bytes(32)) for at in range(60)]
    body = encode_cosign([HORIZON_CLAIM, *claims])
    wide = seal(BOB, SWARM, None, kind=Kind.COSIGN, body=body, hlc=pack(OLD_MS))
    parts = (HORIZON.frontier, HORIZON.last, HORIZON.checkpoint)
    entry = LOG[:AT]
    say(entry, Kind.HORIZON, encode_horizon(*parts, [*big, *[wide] * 5]), NOW_MS)
    assert 2 < len(parse_horizon(entry[-1]).cosigns) < 7
    with pytest.raises(ValueError, match="cosignature"):
        encode_horizon(*parts, [])


HORIZON_CLAIM = Checkpoint(ANNA.public, SIZE, HORIZON.frontier.root())


def altered(**fields: object) -> Entry:
    """The horizon entry with other fields, signed by its author."""
    names = {"size": 0, "peaks": 1, "last": 2, "hlc": 3, "checkpoint": 4, "cosigns": 5, "first": 6}
    body = loads(ENTRY.body) | {names[name]: value for name, value in fields.items()}
    log = LOG[:AT]
    return say(log, Kind.HORIZON, dumps({k: v for k, v in body.items() if v != ()}), NOW_MS - 500)


OTHER_CLAIM = Checkpoint(ANNA.public, SIZE, bytes(32))
FORGED = replace(cosign(BOB, HORIZON_CLAIM), signature=bytes(64))
STRANGE = [
    altered(size=SIZE - 1),
    altered(size=0),
    altered(size=True),
    altered(size=AT + 1),
    altered(peaks=bytes(32 * 3)),
    altered(peaks=b"half"),
    altered(last=b"short"),
    altered(hlc=HORIZON.checkpoint.hlc),
    altered(hlc=-1),
    altered(checkpoint=LOG[2].encode()),
    altered(checkpoint=b""),
    altered(checkpoint=replace(HORIZON.checkpoint, signature=bytes(64)).encode()),
    altered(cosigns=[]),
    altered(cosigns=[cosign(ANNA, HORIZON_CLAIM).encode()]),
    altered(cosigns=[cosign(BOB, OTHER_CLAIM).encode()]),
    altered(cosigns=[FORGED.encode()]),
    altered(cosigns=[7]),
    altered(first=LOG[1].encode()),
    altered(first=7),
    altered(first=replace(LOG[0], signature=bytes(64)).encode()),
    replace(ENTRY, signature=bytes(64)),
    LOG[AT - 1],
]


@pytest.mark.parametrize("entry", STRANGE, ids=range(len(STRANGE)))
def test_what_does_not_hold_is_refused(entry):
    with pytest.raises(InvalidEntry):
        check(entry)
    book = Book(SWARM, fake_verify)
    answer = book.admit(entry, NOW_MS, solicited=True)
    assert isinstance(answer, Refused | Pending)
    assert book.head(ANNA.public) is None


def test_a_log_begins_where_its_horizon_says():
    book = Book(SWARM, fake_verify)
    assert book.admit(ENTRY, NOW_MS, solicited=True) == Begun(HORIZON)
    assert book.head(ANNA.public) == LOG[SIZE - 1].head
    for entry in LOG[SIZE:]:
        assert book.admit(entry, NOW_MS, solicited=True) == Accepted((entry,))
    assert book.head(ANNA.public) == LOG[-1].head
    assert book.succession.commitment(ANNA.public) == commit(HEIR.public)


def test_nobody_jumps_who_did_not_ask_or_needs_not():
    book = Book(SWARM, fake_verify)
    assert isinstance(book.admit(ENTRY, NOW_MS), Pending)
    for entry in LOG[:SIZE]:
        book.admit(entry, NOW_MS, solicited=True)
    assert book.admit(ENTRY, NOW_MS, solicited=True) == Duplicate()  # it waits since above
    assert book.head(ANNA.public) == LOG[SIZE - 1].head


def test_a_log_that_is_short_jumps_even_if_the_horizon_waited_already():
    book = Book(SWARM, fake_verify)
    for entry in (*LOG[:5], ENTRY, LOG[SIZE]):
        book.admit(entry, NOW_MS)
    assert book.admit(ENTRY, NOW_MS, solicited=True) == Begun(HORIZON)
    assert book._pending_bytes == 0
    for entry in LOG[SIZE:]:
        book.admit(entry, NOW_MS, solicited=True)
    assert book.head(ANNA.public) == LOG[-1].head


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_horizon_opens_no_more_logs_than_are_allowed(more):
    book = Book(SWARM, fake_verify, limits=Limits(unknown_authors=1 + more))
    answer = book.admit(ENTRY, NOW_MS, solicited=True)
    if more < 0:
        assert answer.reason is Reason.AUTHOR_LIMIT
    else:
        assert answer == Begun(HORIZON)


def test_a_fork_below_the_horizon_freezes_all_the_same():
    book = Book(SWARM, fake_verify)
    for entry in (ENTRY, *LOG[SIZE:]):
        book.admit(entry, NOW_MS, solicited=True)
    branch = LOG[:3]
    other = say(branch, Kind.TASK, b"another", OLD_MS)
    assert book.freeze(fork.find(LOG[3], other))
    assert book.frozen_at(ANNA.public) == 3
    assert book.admit(LOG[-1], NOW_MS).reason is Reason.FROZEN


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    made = (
        MemoryStore(SWARM)
        if request.param == "memory"
        else SqliteStore.open(tmp_path / "ledger.db", SWARM)
    )
    yield made
    made.close()


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
