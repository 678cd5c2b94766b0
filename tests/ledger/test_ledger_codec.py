"""The codec: one value, one encoding; nothing else gets in, whatever its shape or size."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from types import MappingProxyType

import cbor2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.codec import Value, dumps, loads
from ledger.errors import DecodeError
from ledger.limits import MAX_DEPTH, MAX_ITEMS, MAX_VALUE_BYTES

INTS = st.integers(-(2**64), 2**64 - 1) | st.sampled_from(
    [
        sign * (2**bits + off)
        for bits in (0, 5, 8, 16, 32, 63)
        for off in (-1, 0, 1, 24)
        for sign in (1, -1)
    ]
)
KEYS = INTS | st.binary(max_size=40) | st.text(max_size=40)
SCALARS = st.none() | st.booleans() | KEYS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)


def depth_of(value: object) -> int:
    match value:
        case list():
            return 1 + max(map(depth_of, value), default=0)
        case dict():
            return 1 + max(map(depth_of, value.values()), default=0)
        case _:
            return 0


@settings(deadline=None, max_examples=300)
@given(VALUES)
def test_a_value_comes_back_and_a_general_library_reads_the_same(value):
    if depth_of(value) > MAX_DEPTH:
        with pytest.raises(ValueError, match="nested"):
            dumps(value)
        return
    raw = dumps(value)
    assert loads(raw) == value
    assert cbor2.loads(raw) == value


@settings(deadline=None, max_examples=500)
@given(st.binary(max_size=60))
@example(b"\x1b\x00\x00\x00\x00\xff\xff\xff\xff")
@example(b"\xa1\x00")
def test_what_is_accepted_encodes_to_itself(raw):
    try:
        value = loads(raw)
    except DecodeError:
        return
    assert dumps(value) == raw


@settings(deadline=None, max_examples=300)
@given(VALUES.filter(lambda value: depth_of(value) <= MAX_DEPTH), st.data())
def test_a_damaged_encoding_is_refused_or_is_another_exact_encoding(value, data):
    raw = bytearray(dumps(value))
    at = data.draw(st.integers(0, len(raw) - 1))
    edit = data.draw(st.sampled_from(["flip", "cut", "insert", "append"]))
    if edit == "flip":
        raw[at] ^= 1 << data.draw(st.integers(0, 7))
    elif edit == "cut":
        del raw[at:]
    elif edit == "insert":
        raw.insert(at, data.draw(st.integers(0, 255)))
    else:
        raw.append(data.draw(st.integers(0, 255)))
    try:
        other = loads(bytes(raw))
    except DecodeError:
        return
    assert dumps(other) == bytes(raw)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=40))
def test_the_library_agrees_on_every_accepted_value(raw):
    try:
        value = loads(raw)
    except DecodeError:
        return
    assert cbor2.loads(raw) == value


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("", "middle"),
        ("1800", "shortest"),
        ("1817", "shortest"),
        ("1900ff", "shortest"),
        ("1a0000ffff", "shortest"),
        ("1b00000000ffffffff", "shortest"),
        ("3800", "shortest"),
        ("5801", "shortest"),
        ("1c", "reserved"),
        ("5f40ff", "indefinite"),
        ("9fff", "indefinite"),
        ("bfff", "indefinite"),
        ("c000", "tag"),
        ("c249010000000000000000", "tag"),
        ("f7", "simple"),
        ("f93c00", "float"),
        ("fb3ff0000000000000", "float"),
        ("f800", "simple"),
        ("f814", "simple"),
        ("0000", "goes on"),
        ("43 0000", "middle"),
        ("63 6161", "middle"),
        ("19 01", "middle"),
        ("1a 000001", "middle"),
        ("82 00", "middle"),
        ("a1 00", "middle"),
        ("61 ff", "UTF-8"),
        ("63 eda080", "UTF-8"),
        ("62 c080", "UTF-8"),
        ("a2 0100 0000", "order"),
        ("a2 0000 0000", "order"),
        ("a2 2000 1800", "shortest"),
        ("a2 20 00 1864 01", "order"),
        ("a1 f5 00", "key"),
        ("a1 f4 00", "key"),
        ("a1 f6 00", "key"),
        ("a1 80 00", "key"),
        ("a1 a0 00", "key"),
        ("9b ffffffffffffffff", "items"),
        ("bb ffffffffffffffff", "items"),
        ("5b ffffffffffffffff", "middle"),
        ("7b ffffffffffffffff", "middle"),
        ("9a 7fffffff 00", "items"),
    ],
)
def test_refused(raw, why):
    with pytest.raises(DecodeError, match=why):
        loads(bytes.fromhex(raw))


def test_keys_are_sorted_by_their_bytes_not_their_length():
    assert dumps({100: 1, -1: 2}).hex() == "a218640120 02".replace(" ", "")
    assert loads(dumps({"b": 0, b"a": 1, 3: 2, "aa": 3})) == {3: 2, b"a": 1, "b": 0, "aa": 3}


def test_depth_is_bounded_at_both_ends():
    def nested(depth: int) -> bytes:
        return b"\x81" * depth + b"\x00"

    for depth in (MAX_DEPTH - 1, MAX_DEPTH):
        assert dumps(loads(nested(depth))) == nested(depth)
    for depth in (MAX_DEPTH + 1, 10_000, MAX_VALUE_BYTES - 1):
        with pytest.raises(DecodeError, match="nested"):
            loads(nested(depth))
    with pytest.raises(DecodeError, match="nested"):
        loads(b"\xa1\x00" * (MAX_DEPTH + 1) + b"\x00")


@pytest.mark.parametrize(("limit", "head_bytes"), [(100, 2), (MAX_VALUE_BYTES, 3)])
def test_size_is_bounded_before_anything_is_read(limit, head_bytes):
    for size in (limit - 1, limit, limit + 1):
        text = b"x" * (size - head_bytes)
        raw = dumps(text)
        assert len(raw) == size
        if size <= limit:
            assert loads(raw, max_bytes=limit) == text
        else:
            with pytest.raises(DecodeError, match="at most"):
                loads(raw, max_bytes=limit)
    with pytest.raises(DecodeError, match="at most"):
        loads(b"\xff" * (MAX_VALUE_BYTES + 1))


def test_items_are_counted_over_all_containers():
    def shapes(count: int) -> Iterator[Value]:
        yield [0] * count
        yield dict.fromkeys(range(count), 0)
        yield [[0] * (count - 2), []]
        yield [dict.fromkeys(range(count - 3), 0), [0]]

    for count in (99, 100, 101):
        for value in shapes(count):
            raw = dumps(value)
            if count <= 100:
                assert loads(raw, max_items=100) == value
            else:
                with pytest.raises(DecodeError, match="items"):
                    loads(raw, max_items=100)
    assert len(loads(dumps([0] * MAX_ITEMS))) == MAX_ITEMS
    with pytest.raises(DecodeError, match="items"):
        loads(dumps([0] * (MAX_ITEMS + 1)))


def test_integers_have_64_bits():
    for value in (2**64 - 1, -(2**64)):
        assert loads(dumps(value)) == value
    for value in (2**64, -(2**64) - 1):
        with pytest.raises(ValueError, match="64 bits"):
            dumps(value)


@pytest.mark.parametrize(
    "value", [1.0, {1.0: 0}, {True: 0}, {None: 0}, {(): 0}, object(), {1}, bytearray(b"x")]
)
def test_other_types_have_no_encoding(value):
    with pytest.raises(TypeError):
        dumps(value)


def test_lone_surrogates_have_no_encoding():
    with pytest.raises(ValueError, match="surrogates"):
        dumps("\ud800")


def test_tuples_enums_and_read_only_mappings_are_welcome():
    class Colour(IntEnum):
        RED = 7

    value = MappingProxyType({Colour.RED: (Colour.RED, "x")})
    assert loads(dumps(value)) == {7: [7, "x"]}
