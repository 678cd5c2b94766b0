"""Every limit of the ledger one below, at, and one above it, where no other test has all three."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ledger_chains import NOW_MS, SWARM, FakeSigner, chain, extend, fake_verify

from ledger import (
    Accepted,
    Book,
    Checkpoint,
    DecodeError,
    Duplicate,
    Head,
    Held,
    HybridClock,
    InvalidEntry,
    Kind,
    Limits,
    Pending,
    PrivateKey,
    Reason,
    Refused,
    Sealed,
    Want,
    admit_public_key,
    dumps,
    encode_cosign,
    heads_frame,
    pack,
    parse_cosign,
    parse_heads,
    parse_wants,
    physical_ms,
    seal,
    verify_sealed,
    wants,
)
from ledger.keys import _admitted
from ledger.limits import (
    MAX_CACHED_KEYS,
    MAX_COSIGNATURES,
    MAX_COSIGNED,
    MAX_FUTURE_MS,
    MAX_HEADS_PER_FRAME,
    MAX_PROOF_HASHES,
    MAX_PUSH_MS,
    MAX_RECONCILE_ITEMS,
    MAX_WANT_ENTRIES,
    MAX_WANTS_PER_FRAME,
)
from ledger.log import memory_bytes
from ledger.ranges import parse_request
from ledger.sync import encode_wants

ALICE = FakeSigner("alice")
AROUND = pytest.mark.parametrize("more", [-1, 0, 1])


def book(**limits: int) -> Book:
    return Book(SWARM, fake_verify, limits=Limits(**limits))


def sent_by(count: int) -> list[FakeSigner]:
    return [FakeSigner(f"author {at}") for at in range(count)]


@AROUND
def test_early_entries_of_an_author(more):
    limit = 5
    early = chain("alice", limit + 3)[limit + more]  # so far ahead of number 1
    here = book(pending_per_author=limit)
    here.admit(early, NOW_MS)
    assert (early.seq in here._logs[ALICE.public].pending) is (more <= 0)


@AROUND
def test_early_bytes_in_all(more):
    [*_, early] = chain("alice", 3)
    here = book(pending_bytes=memory_bytes(early) - more)
    assert here.admit(early, NOW_MS) == Pending(1, 2 if more <= 0 else 3)
    assert (here._pending_bytes > 0) is (more <= 0)


@AROUND
def test_logs_that_nobody_vouched_for(more):
    limit = 3
    here = book(unknown_authors=limit)
    for signer in sent_by(limit - 1):
        here.admit(extend(signer, None, 1)[0], NOW_MS)
    others = [FakeSigner(f"late {at}") for at in range(2 + more)]
    found = [here.admit(extend(each, None, 1)[0], NOW_MS) for each in others]
    refused = [each for each in found if isinstance(each, Refused)]
    assert [each.reason for each in refused] == [Reason.AUTHOR_LIMIT] * max(0, 1 + more)


@AROUND
def test_members(more):
    limit = 3
    here = book(known_authors=limit)
    answers = [here.vouch(signer.public) for signer in sent_by(limit + more)]
    assert answers.count(False) == max(0, more)
    assert here.vouch(sent_by(1)[0].public)


@AROUND
def test_a_burst_of_an_author(more):
    here, burst = book(rate_burst=4, rate_per_s=1), 4
    found = [here.admit(each, NOW_MS) for each in chain("alice", burst + more)]
    assert sum(isinstance(each, Refused) for each in found) == max(0, more)


@AROUND
def test_the_rate_of_an_author(more):
    """One every 200 ms, when the burst is spent, and not one millisecond sooner."""
    here, log = book(rate_burst=1, rate_per_s=5), chain("alice", 2)
    assert isinstance(here.admit(log[0], NOW_MS), Accepted)
    found = here.admit(log[1], NOW_MS + 200 + more)
    assert isinstance(found, Refused if more < 0 else Accepted)


@AROUND
def test_headers_remembered_of_a_log(more):
    limit = 4
    here, log = book(recent_per_author=limit), chain("alice", limit + more)
    for each in log:
        here.admit(each, NOW_MS)
    assert len(here._logs[ALICE.public].recent) == min(limit, limit + more)
    oldest = 1 + max(0, more)
    assert here.recent_id(ALICE.public, oldest) == log[oldest - 1].id
    assert here.recent_id(ALICE.public, oldest - 1) is None
    assert here.admit(log[-1], NOW_MS) == Duplicate()


@AROUND
def test_an_entry_from_the_future(more):
    entry = seal(ALICE, SWARM, None, kind=2, body=b"", hlc=pack(NOW_MS + MAX_FUTURE_MS + more))
    assert isinstance(book().admit(entry, NOW_MS), Held if more > 0 else Accepted)


@AROUND
def test_how_far_a_peer_pushes_our_clock(more):
    clock = HybridClock()
    observed = clock.observe(pack(NOW_MS + MAX_PUSH_MS + more), NOW_MS)
    assert observed.capped is (more > 0)
    assert physical_ms(clock.last) == NOW_MS + MAX_PUSH_MS + min(0, more)


@AROUND
def test_heads_of_a_frame(more):
    count = MAX_HEADS_PER_FRAME + more
    heads = [Head(at.to_bytes(32, "big"), 1, bytes(32), 1) for at in range(1, count + 1)]
    raw = dumps([(head.author, head.seq, head.id, head.hlc) for head in heads])
    if more > 0:
        with pytest.raises(InvalidEntry):
            parse_heads(raw)
    else:
        assert parse_heads(raw) == heads
    here = book()
    here.restore(heads, [])
    assert len(heads_frame(here)) == min(count, MAX_HEADS_PER_FRAME)


@AROUND
def test_wants_of_a_frame(more):
    count = MAX_WANTS_PER_FRAME + more
    ranges = [Want(at.to_bytes(32, "big"), 1, 1) for at in range(1, count + 1)]
    raw = dumps([(want.author, want.first, want.last) for want in ranges])
    if more > 0:
        with pytest.raises(InvalidEntry):
            parse_wants(raw)
    else:
        assert parse_wants(raw) == ranges
    theirs = [Head(want.author, 1, bytes(32), 1) for want in ranges]
    assert len(wants(book(), theirs)) == min(count, MAX_WANTS_PER_FRAME)


@AROUND
def test_entries_of_a_want(more):
    count = MAX_WANT_ENTRIES + more
    [want] = wants(book(), [Head(ALICE.public, count, bytes(32), 1)])
    assert (want.first, want.last) == (1, min(count, MAX_WANT_ENTRIES))
    raw = encode_wants([Want(ALICE.public, 1, count)])
    if more > 0:
        with pytest.raises(InvalidEntry):
            parse_wants(raw)
    else:
        assert parse_wants(raw) == [Want(ALICE.public, 1, count)]


@AROUND
def test_checkpoints_in_one_cosign_entry(more):
    rows = sorted((signer.public, 1, bytes(32)) for signer in sent_by(MAX_COSIGNED + more))
    entry = seal(ALICE, SWARM, None, kind=Kind.COSIGN, body=dumps(rows), hlc=pack(NOW_MS))
    if more > 0:
        with pytest.raises(InvalidEntry):
            parse_cosign(entry)
    else:
        assert parse_cosign(entry) == [Checkpoint(*row) for row in rows]


def sealed_entry():
    """The first of two entries, and its seal by one witness."""
    log = chain("alice", 2)
    claim = Checkpoint(ALICE.public, 1, log[0].id)
    hlc = log[1].hlc + 1
    checkpoint = seal(ALICE, SWARM, log[1].head, kind=Kind.CHECKPOINT, body=claim.encode(), hlc=hlc)
    bob = FakeSigner("bob")
    body = encode_cosign([claim])
    cosign = seal(bob, SWARM, None, kind=Kind.COSIGN, body=body, hlc=hlc)
    return log[0], Sealed((), checkpoint.encode(), (cosign.encode(),))


@AROUND
def test_cosignatures_of_a_seal(more):
    entry, sealed = sealed_entry()
    many = replace(sealed, cosigns=sealed.cosigns * (MAX_COSIGNATURES + more))
    if more > 0:
        with pytest.raises(InvalidEntry) as caught:
            verify_sealed(many, entry, SWARM, fake_verify)
        assert caught.value.reason is Reason.OVERSIZE
    else:
        assert verify_sealed(many, entry, SWARM, fake_verify) == {FakeSigner("bob").public}


@AROUND
def test_hashes_of_a_proof(more):
    """A tree that needs so many can't be made; what is too long is refused before it is hashed."""
    entry, sealed = sealed_entry()
    long = replace(sealed, path=(bytes(32),) * (MAX_PROOF_HASHES + more))
    with pytest.raises(InvalidEntry) as caught:
        verify_sealed(long, entry, SWARM, fake_verify)
    assert caught.value.reason is (Reason.OVERSIZE if more > 0 else Reason.BAD_PROOF)


@AROUND
def test_items_of_a_reconciliation_frame(more):
    """Counted before a single range is looked at: [salt, steps] and one step are three items."""
    items = [0] * (MAX_RECONCILE_ITEMS - 3 + more)
    with pytest.raises(DecodeError if more > 0 else InvalidEntry):
        parse_request(dumps([bytes(16), [items]]))


@AROUND
def test_parsed_keys_that_are_kept(more, monkeypatch):
    """The cache of keys is as large as its limit says, and drops the oldest."""
    assert _admitted.cache_parameters()["maxsize"] == MAX_CACHED_KEYS
    _admitted.cache_clear()
    monkeypatch.setattr("ledger.keys.pow", lambda *_: 1, raising=False)  # skip the slow square
    real = PrivateKey.from_seed(b"k" * 32).public
    for at in range(MAX_CACHED_KEYS - 1 + more):
        admit_public_key((at + 2).to_bytes(32, "little"))
    admit_public_key(real)
    assert _admitted.cache_info().currsize == min(MAX_CACHED_KEYS, MAX_CACHED_KEYS + more)
    _admitted.cache_clear()
