"""Horizons: who believes one, and how a book goes on from there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from horizon_log import (
    ANNA,
    AT,
    BOB,
    ENTRY,
    HEIR,
    HORIZON,
    HORIZON_CLAIM,
    LOG,
    OLD_MS,
    SIZE,
    altered,
    build,
    cosign,
    say,
)
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
    Pending,
    Reason,
    Refused,
    commit,
    dumps,
    encode_cosign,
    encode_horizon,
    fork,
    loads,
    pack,
    parse_horizon,
    seal,
    verify_horizon,
)
from ledger.limits import MAX_HORIZON_COSIGNS, MIN_HORIZON_AGE_MS


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
