"""The fast reader of headers and the slow one give the same verdict on any bytes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_chains import chain

from ledger import DecodeError, Header, InvalidEntry, dumps
from ledger.header import decode_header, parse_header
from ledger.limits import MAX_BODY_BYTES, MAX_REFS, MAX_UINT63

EDGES = [0, 1, 2, 23, 24, 255, 256, 2**16 - 1, 2**16, 2**32 - 1, 2**32, MAX_UINT63, 2**63]
UINT = st.sampled_from(EDGES) | st.integers(0, 2**64 - 1)
HASH = st.binary(min_size=32, max_size=32)
ODD = st.sampled_from([True, None, -1, b"", b"x" * 31, b"x" * 33, "x", [], {}])
FIELDS = st.fixed_dictionaries(
    {
        0: st.just(1),
        1: HASH,
        2: UINT,
        4: UINT,
        5: UINT,
        6: HASH,
        7: st.integers(0, MAX_BODY_BYTES + 1),
        8: st.lists(HASH, max_size=MAX_REFS + 1),
    },
    optional={3: HASH, 9: UINT, 10: UINT},
)


def verdict(read, raw):
    try:
        return read(raw)
    except (DecodeError, InvalidEntry) as error:
        return type(error), str(error)


def agree(raw):
    fast, slow = verdict(parse_header, raw), verdict(decode_header, raw)
    assert fast == slow
    if isinstance(fast, Header):
        assert fast.encode() == raw
        assert all(type(a) is type(b) for a, b in zip(vars_of(fast), vars_of(slow), strict=True))
    return fast


def vars_of(header):
    return [getattr(header, name) for name in Header.__slots__]


@settings(deadline=None, max_examples=400)
@given(FIELDS)
def test_on_headers_that_are_nearly_right(fields):
    agree(dumps(fields))


@settings(deadline=None, max_examples=200)
@given(FIELDS, st.integers(0, 10), ODD)
def test_on_fields_of_another_type(fields, key, value):
    agree(dumps(fields | {key: value}))


def test_every_byte_of_a_header_may_be_anything():
    whole = chain("alice", 2)
    for raw in (whole[0].header_bytes, whole[1].header_bytes):
        for at in range(len(raw)):
            for value in range(0, 256, 5):
                agree(raw[:at] + bytes([value]) + raw[at + 1 :])


def test_cut_and_stretched_headers():
    raw = chain("alice", 2)[1].header_bytes
    for at in range(len(raw)):
        agree(raw[:at])
        agree(raw[:at] + raw[at + 1 :])
        agree(raw[:at] + b"\x00" + raw[at:])
    agree(raw + b"\x00")
    agree(raw * 3)


def test_integers_that_are_not_in_their_shortest_form_are_refused():
    raw = chain("alice", 1)[0].header_bytes
    at = raw.index(b"\x02\x01\x04") + 1
    for longer in (b"\x18\x01", b"\x19\x00\x01", b"\x1a" + bytes(3) + b"\x01", b"\x1b" + bytes(8)):
        kind, text = agree(raw[:at] + longer + raw[at + 1 :])
        assert kind is DecodeError
        assert "shortest" in text
