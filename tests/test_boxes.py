"""Sealed boxes: only the one they are for can open them, and only for what they are about."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import PrivateKey
from symphony.node.boxes import KEY_BYTES, OVERHEAD_BYTES, BoxKey, seal_box

ADA, BOB = BoxKey(b"a" * 32), BoxKey(b"b" * 32)


def entropy(size: int) -> bytes:
    return b"e" * size


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=40), st.binary(max_size=40))
def test_only_who_it_is_for_opens_it_and_only_for_what_it_is_about(
    data: bytes, about: bytes, other: bytes
) -> None:
    box = seal_box(ADA.public, data, about)
    assert box is not None
    assert len(box) == len(data) + OVERHEAD_BYTES
    assert ADA.open(box, about) == data
    assert BOB.open(box, about) is None
    assert other == about or ADA.open(box, other) is None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, KEY_BYTES + 20), st.integers(1, 255))
def test_a_box_that_was_touched_does_not_open(at: int, flip: int) -> None:
    box = seal_box(ADA.public, b"four", b"", entropy)
    assert box is not None
    at %= len(box)
    touched = box[:at] + bytes([box[at] ^ flip]) + box[at + 1 :]
    # The top bit of an X25519 key is not looked at, but it is a part of what the key is made of.
    assert ADA.open(touched, b"") is None


def test_two_boxes_of_the_same_are_never_the_same() -> None:
    assert seal_box(ADA.public, b"x", b"") != seal_box(ADA.public, b"x", b"")


def test_junk_is_no_box_and_a_point_of_small_order_no_key() -> None:
    for junk in (b"", b"short", bytes(200), b"\xff" * 200):
        assert ADA.open(junk, b"") is None
    assert seal_box(bytes(KEY_BYTES), b"x", b"") is None


def test_the_key_follows_from_the_seed_and_shows_nothing_of_it() -> None:
    key = PrivateKey.from_seed(b"a" * 32)
    assert BoxKey(key.seed).public == ADA.public
    assert ADA.public not in (key.public, key.seed)
    assert repr(ADA) == f"BoxKey(public={ADA.public.hex()})"


def test_the_construction_is_frozen() -> None:
    """What an earlier version sealed can still be opened."""
    box = bytes.fromhex(FROZEN)
    assert ADA.open(box, b"task") == b"state"
    assert seal_box(ADA.public, b"state", b"task", entropy) == box


FROZEN = (
    "fb41b1fcf75c1227fa08876056a5ed07ac44fe0c116ec2de80b8e523959d7824519d734da1966bd58e47ab0c"
    "cbfe3c34b97caa25d1"
)
