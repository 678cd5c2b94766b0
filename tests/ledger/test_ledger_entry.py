"""Entries: bytes in, bytes kept; the closed header; who signed what for which swarm."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_chains import NOW_MS, SWARM, FakeSigner, chain, fake_verify

from ledger import (
    DecodeError,
    Entry,
    Head,
    InvalidEntry,
    Kind,
    PrivateKey,
    Reason,
    check_entry,
    did_key,
    dumps,
    loads,
    pack,
    parse_entry,
    parse_proof,
    peer_id,
    seal,
    verify,
    verify_proof,
)
from ledger.limits import MAX_BODY_BYTES, MAX_ENTRY_BYTES, MAX_HEADER_BYTES, MAX_REFS, MAX_UINT63

VECTORS = Path(__file__).parent.parent / "vectors" / "v1"
ALICE = FakeSigner("alice")
HASH = st.binary(min_size=32, max_size=32)
UINT = st.integers(0, MAX_UINT63)


def one(**fields: object) -> Entry:
    return seal(ALICE, SWARM, None, **({"kind": 2, "body": b"", "hlc": 1} | fields))


def wire(changes: dict, *, drop: tuple = (), body: bytes | None = b"") -> bytes:
    """The bytes of a first entry with some header fields changed or dropped, signed anew."""
    fields = loads(one().header_bytes) | changes
    header_bytes = dumps({key: value for key, value in fields.items() if key not in drop})
    return dumps([header_bytes, ALICE.sign("entry", SWARM + header_bytes), body])


@settings(deadline=None, max_examples=100)
@given(
    head=st.none() | st.builds(Head, st.just(ALICE.public), st.integers(1, 2**40), HASH, UINT),
    kind=UINT,
    body=st.binary(max_size=300),
    refs=st.lists(HASH, max_size=MAX_REFS),
    expires=st.none() | UINT,
)
def test_what_is_sealed_parses_to_itself(head, kind, body, refs, expires):
    hlc = min(MAX_UINT63, head.hlc + 1) if head else 5
    if head and hlc <= head.hlc:
        return
    entry = seal(ALICE, SWARM, head, kind=kind, body=body, hlc=hlc, refs=refs, expires=expires)
    raw = entry.encode()
    assert parse_entry(raw) == entry
    assert parse_entry(raw).encode() == raw
    assert (entry.author, entry.kind, entry.body, entry.hlc) == (ALICE.public, kind, body, hlc)
    assert (entry.refs, entry.expires) == (tuple(refs), expires)
    assert entry.body_hash == hashlib.sha256(body).digest()
    assert entry.id == hashlib.sha256(b"\0" + entry.header_bytes).digest()
    assert (entry.seq, entry.prev) == ((head.seq + 1, head.id) if head else (1, None))
    check_entry(entry, SWARM, fake_verify)
    stripped = parse_entry(entry.without_body().encode())
    assert (stripped.id, stripped.body, stripped.signature) == (entry.id, None, entry.signature)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 255))
def test_hostile_bytes_give_an_entry_or_a_typed_error(noise, at, value):
    raw = bytearray(chain("alice", 2)[1].encode())
    raw[at % len(raw)] = value
    for candidate in (noise, bytes(raw), dumps([noise, noise, noise]), dumps([noise, b"", None])):
        try:
            entry = parse_entry(candidate)
        except (DecodeError, InvalidEntry):
            continue
        assert entry.encode() == candidate


def test_every_bit_of_an_entry_matters():
    raw = chain("alice", 1)[0].encode()
    for at in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[at // 8] ^= 1 << at % 8
        with pytest.raises((DecodeError, InvalidEntry)):
            check_entry(parse_entry(bytes(flipped)), SWARM, fake_verify)


@pytest.mark.parametrize(
    ("changes", "drop"),
    [
        ({0: 2}, ()),
        ({0: 0}, ()),
        ({0: -1}, ()),
        ({0: False}, ()),
        ({0: True}, ()),
        ({2: 0}, ()),
        ({2: True}, ()),
        ({2: MAX_UINT63 + 1}, ()),
        ({2: 2}, ()),
        ({3: bytes(32)}, ()),
        ({2: 2, 3: bytes(31)}, ()),
        ({2: 2, 3: "x" * 32}, ()),
        ({4: -1}, ()),
        ({4: MAX_UINT63 + 1}, ()),
        ({5: MAX_UINT63 + 1}, ()),
        ({5: None}, ()),
        ({1: bytes(33)}, ()),
        ({6: bytes(31)}, ()),
        ({7: "0"}, ()),
        ({8: None}, ()),
        ({8: [bytes(31)]}, ()),
        ({8: [0]}, ()),
        ({8: {}}, ()),
        ({9: None}, ()),
        ({9: MAX_UINT63 + 1}, ()),
        ({10: 0}, ()),
        ({"0": 0}, ()),
        *[({}, (key,)) for key in (0, 1, 2, 4, 5, 6, 7, 8)],
    ],
)
def test_the_header_is_closed(changes, drop):
    with pytest.raises(InvalidEntry):
        parse_entry(wire(changes, drop=drop))


def test_unknown_kinds_are_fine():
    assert parse_entry(wire({5: 4711})).kind == 4711
    assert Kind(1) is Kind.CAPABILITY


@pytest.mark.parametrize(
    "value", [None, 0, [], {}, [b"", b""], [b"", b"", b"", b""], ["", b"", b""], [b"", b"", ""]]
)
def test_other_outer_shapes_are_refused(value):
    with pytest.raises(InvalidEntry):
        parse_entry(dumps(value))


def test_body_limit():
    for size in (MAX_BODY_BYTES - 1, MAX_BODY_BYTES):
        assert parse_entry(one(body=b"x" * size).encode()).body == b"x" * size
    with pytest.raises(InvalidEntry) as caught:
        one(body=b"x" * (MAX_BODY_BYTES + 1))
    assert caught.value.reason is Reason.OVERSIZE
    with pytest.raises(InvalidEntry) as caught:
        parse_entry(wire({7: MAX_BODY_BYTES + 1}, body=None))
    assert caught.value.reason is Reason.OVERSIZE


def test_refs_limit():
    for count in (MAX_REFS - 1, MAX_REFS):
        assert len(one(refs=[bytes(32)] * count).refs) == count
    with pytest.raises(InvalidEntry, match="refs"):
        one(refs=[bytes(32)] * (MAX_REFS + 1))


def test_the_longest_header_fits_and_longer_ones_are_refused_unread():
    head = Head(ALICE.public, MAX_UINT63 - 1, bytes(32), MAX_UINT63 - 1)
    entry = seal(
        ALICE,
        SWARM,
        head,
        kind=MAX_UINT63,
        body=b"x" * MAX_BODY_BYTES,
        hlc=MAX_UINT63,
        refs=[bytes(32)] * MAX_REFS,
        expires=MAX_UINT63,
    )
    assert len(entry.header_bytes) == 426
    assert len(entry.encode()) <= MAX_ENTRY_BYTES
    for size in (MAX_HEADER_BYTES, MAX_HEADER_BYTES + 1):
        raw = dumps([b"\xff" * size, bytes(64), None])
        with pytest.raises((DecodeError, InvalidEntry)) as caught:
            parse_entry(raw)
        oversize = isinstance(caught.value, InvalidEntry)
        assert oversize == (size > MAX_HEADER_BYTES)


def test_raw_size_is_checked_before_parsing():
    with pytest.raises(DecodeError):
        parse_entry(b"\xff" * MAX_ENTRY_BYTES)
    with pytest.raises(InvalidEntry) as caught:
        parse_entry(b"\xff" * (MAX_ENTRY_BYTES + 1))
    assert caught.value.reason is Reason.OVERSIZE


def test_a_body_must_fit_its_header():
    entry = one(body=b"four")
    for body in (b"five!", b"fivE", b""):
        with pytest.raises(InvalidEntry) as caught:
            parse_entry(dumps([entry.header_bytes, entry.signature, body]))
        assert caught.value.reason is Reason.BAD_BODY


def test_a_signature_is_for_one_swarm():
    entry = one()
    with pytest.raises(InvalidEntry) as caught:
        check_entry(entry, bytes(32), fake_verify)
    assert caught.value.reason is Reason.BAD_SIGNATURE


def test_a_key_anybody_can_sign_for_gets_no_entry_in():
    identity = bytes([1]) + bytes(31)
    raw = wire({1: identity})
    header_bytes = loads(raw)[0]
    entry = parse_entry(dumps([header_bytes, identity + bytes(32), b""]))
    with pytest.raises(InvalidEntry):
        check_entry(entry, SWARM, verify)


def test_seal_minds_its_caller():
    head = one(hlc=7).head
    with pytest.raises(ValueError, match="hlc"):
        seal(ALICE, SWARM, head, kind=1, body=b"", hlc=7)
    with pytest.raises(ValueError, match="author"):
        seal(FakeSigner("bob"), SWARM, head, kind=1, body=b"", hlc=8)
    assert seal(ALICE, SWARM, head, kind=1, body=b"", hlc=8).seq == 2


def test_frozen_vectors():
    vector = json.loads((VECTORS / "entries.json").read_text())
    key, swarm = (
        PrivateKey.from_seed(bytes.fromhex(vector["seed"])),
        bytes.fromhex(vector["swarm_id"]),
    )
    assert did_key(key.public) == vector["did_key"]
    assert peer_id(key.public) == vector["peer_id"]
    last: Entry | None = None
    for expected in vector["entries"]:
        entry = parse_entry(bytes.fromhex(expected["wire"]))
        check_entry(entry, swarm, verify)
        assert entry.id.hex() == expected["id"]
        assert [ref.hex() for ref in entry.refs] == expected["refs"]
        for field in ("seq", "hlc", "kind", "expires"):
            assert getattr(entry, field) == expected[field]
        again = seal(
            key,
            swarm,
            last.head if last else None,
            kind=entry.kind,
            body=entry.body,
            hlc=entry.hlc,
            refs=entry.refs,
            expires=entry.expires,
        )
        assert again == entry
        last = entry
    proof = parse_proof(bytes.fromhex(vector["fork_proof"]))
    verify_proof(proof, swarm, verify)
    assert (proof.author, proof.seq) == (key.public, 3)
    assert pack(NOW_MS) == NOW_MS << 16
