"""Keys: frozen edge cases, admission against slow arithmetic, and the text forms."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import (
    KeyRefused,
    PrivateKey,
    admit_public_key,
    did_key,
    parse_did_key,
    parse_peer_id,
    peer_id,
    sodium,
    verify,
)
from ledger.keys import signed_bytes

VECTORS = Path(__file__).parent.parent / "vectors" / "v1"
EDGE = json.loads((VECTORS / "ed25519_edge.json").read_text())["cases"]
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
BASE = (4 * pow(5, -1, P) % P).to_bytes(32, "little")


def on_curve(y: int) -> int | None:
    """An x that goes with y, found by trying the two candidate roots."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    root = pow(square, (P + 3) // 8, P)
    for x in (root, root * pow(2, (P - 1) // 4, P) % P):
        if x * x % P == square:
            return x
    return None


def double(point: tuple[int, int]) -> tuple[int, int]:
    return add(point, point)


def add(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    (x, y), (v, w) = one, other
    t = D * x * v * y * w
    return (x * w + v * y) * pow(1 + t, -1, P) % P, (y * w + x * v) * pow(1 - t, -1, P) % P


def times(number: int, base: tuple[int, int]) -> tuple[int, int]:
    found = (0, 1)
    for bit in f"{number:b}":
        found = double(found)
        if bit == "1":
            found = add(found, base)
    return found


def point(encoded: bytes) -> tuple[int, int]:
    """The point that 32 bytes stand for; it must be one."""
    y = int.from_bytes(encoded, "little") % 2**255
    x = on_curve(y)
    assert x is not None
    return (P - x if x & 1 != encoded[31] >> 7 else x), y


def admitted_by_arithmetic(public: bytes) -> bool:
    """Canonical, on the curve, and eight times the point is not the identity."""
    y = int.from_bytes(public, "little") % 2**255
    x = on_curve(y) if y < P else None
    return x is not None and double(double(double((x, y)))) != (0, 1)


def is_admitted(public: bytes) -> bool:
    try:
        return admit_public_key(public) == public
    except KeyRefused:
        return False


@pytest.mark.parametrize("case", EDGE, ids=[case["name"] for case in EDGE])
def test_edge_case(case):
    public, message, signature = (
        bytes.fromhex(case[field]) for field in ("public", "message", "signature")
    )
    assert is_admitted(public) is case["admitted"]
    assert verify(public, case["context"], message, signature) is case["valid"]


@pytest.mark.parametrize("trusted", [True, False], ids=["both", "the judge alone"])
@pytest.mark.parametrize("case", EDGE, ids=[case["name"] for case in EDGE])
def test_libsodium_changes_no_answer(case, trusted, monkeypatch):
    monkeypatch.setattr(sodium, "trusted", trusted)
    signed = (bytes.fromhex(case[field]) for field in ("message", "signature"))
    assert verify(bytes.fromhex(case["public"]), case["context"], *signed) is case["valid"]


def test_libsodium_is_listened_to_and_says_yes_only_with_the_judge():
    if not sodium.trusted:
        pytest.skip("this libsodium takes what the judge refuses, and is not listened to")
    yes = [case for case in EDGE if by_libsodium(case)]
    assert "an honest signature" in {case["name"] for case in yes}
    assert all(case["valid"] for case in yes)


def by_libsodium(case):
    public, message, signature = (
        bytes.fromhex(case[field]) for field in ("public", "message", "signature")
    )
    return sodium.accepts(public, signed_bytes(case["context"], message), signature)


def test_a_library_that_is_more_generous_is_not_listened_to():
    assert sodium.is_strict(verified_alone)
    assert not sodium.is_strict(times_8_fits)
    assert not sodium.is_strict(takes_any_s)


def verified_alone(public, said, signature):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, said)
    except InvalidSignature:
        return False
    return True


def takes_any_s(public, said, signature):
    """Without the rule S < L, in the same words as the judge otherwise."""
    s = int.from_bytes(signature[32:], "little") % L
    return verified_alone(public, said, signature[:32] + s.to_bytes(32, "little"))


@pytest.mark.parametrize("case", [case for case in EDGE if "times 8" in case["name"]])
def test_what_fits_only_times_8(case):
    said = signed_bytes(case["context"], bytes.fromhex(case["message"]))
    public, signature = bytes.fromhex(case["public"]), bytes.fromhex(case["signature"])
    assert times_8_fits(public, said, signature)
    assert not verified_alone(public, said, signature)


def times_8_fits(public, said, signature):
    """8·S·B = 8·R + 8·h·A, by the slow arithmetic of this file, for S < L."""
    if int.from_bytes(signature[32:], "little") >= L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + said).digest(), "little")
    s = int.from_bytes(signature[32:], "little")
    left = times(8 * s, point(BASE))
    return left == add(times(8, point(signature[:32])), times(8 * h, point(public)))


@settings(deadline=None, max_examples=200)
@given(seed=st.binary(min_size=32, max_size=32), said=st.binary(max_size=200), bit=st.integers(0))
def test_one_flipped_bit_and_neither_says_yes(seed, said, bit):
    key = PrivateKey.from_seed(seed)
    signature = key.sign("entry", said)
    assert sodium.accepts(key.public, signed_bytes("entry", said), signature)
    assert verify(key.public, "entry", said, signature)
    forged = bytearray(signature)
    forged[bit // 8 % 64] ^= 1 << bit % 8
    assert not sodium.accepts(key.public, signed_bytes("entry", said), bytes(forged))
    assert not verify(key.public, "entry", said, bytes(forged))


def test_the_edge_cases_meet_every_rule():
    assert sum("small order" in case["name"] for case in EDGE) == 8
    assert sum(case["valid"] for case in EDGE) == 3
    for case in EDGE:
        public = bytes.fromhex(case["public"])
        if len(public) == 32:
            assert admitted_by_arithmetic(public) is case["admitted"], case["name"]


@settings(deadline=None, max_examples=50)
@given(st.binary(min_size=32, max_size=32))
def test_admission_agrees_with_slow_arithmetic(public):
    assert is_admitted(public) is admitted_by_arithmetic(public)


@settings(deadline=None, max_examples=30)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200))
def test_signatures_are_bound_to_key_context_and_message(seed, message):
    key = PrivateKey.from_seed(seed)
    signature = key.sign("entry", message)
    assert verify(key.public, "entry", message, signature)
    assert not verify(key.public, "bid", message, signature)
    assert not verify(key.public, "entry", message + b"x", signature)
    other = PrivateKey.from_seed(seed[::-1] + b"" if seed != seed[::-1] else bytes(32))
    if other.public != key.public:
        assert not verify(other.public, "entry", message, signature)


@settings(deadline=None, max_examples=30)
@given(st.binary(min_size=32, max_size=32))
def test_text_forms_come_back(seed):
    public = PrivateKey.from_seed(seed).public
    assert did_key(public).startswith("did:key:z6Mk")
    assert peer_id(public).startswith("12D3KooW")
    assert parse_did_key(did_key(public)) == public
    assert parse_peer_id(peer_id(public)) == public


@pytest.mark.parametrize("parse", [parse_did_key, parse_peer_id])
@settings(deadline=None, max_examples=100)
@given(st.text(max_size=80))
def test_other_text_is_refused(parse, text):
    for candidate in (text, "did:key:z" + text, "12D3KooW" + text):
        with pytest.raises(KeyRefused):
            parse(candidate)


def test_text_forms_have_one_spelling():
    public = PrivateKey.from_seed(bytes(32)).public
    peer, did = peer_id(public), did_key(public)
    refused = [
        (parse_peer_id, text)
        for text in ("1" + peer, peer[1:], peer + "1", peer + "\n", " " + peer, peer.lower(), did)
    ] + [
        (parse_did_key, text)
        for text in (did.removeprefix("did:key:z"), did.replace(":z", ":z1"), did.upper(), peer)
    ]
    for parse, text in refused:
        with pytest.raises(KeyRefused):
            parse(text)
    with pytest.raises(KeyRefused):
        did_key(bytes(32))


def test_libp2p_writes_the_same_peer_id():
    ed25519 = pytest.importorskip("libp2p.crypto.ed25519")
    ids = pytest.importorskip("libp2p.peer.id")
    key = PrivateKey.from_seed(b"\x07" * 32)
    theirs = ids.ID.from_pubkey(ed25519.Ed25519PublicKey.from_bytes(key.public))
    assert theirs.to_base58() == peer_id(key.public)


def test_the_seed_is_not_printed_and_has_32_bytes():
    asked: list[int] = []

    def source(size: int) -> bytes:
        asked.append(size)
        return b"\xab" * size

    key = PrivateKey.generate(source)
    assert asked == [32]
    assert key.seed == b"\xab" * 32
    assert "abab" not in repr(key)
    assert key.public.hex() in repr(key)
    for size in (31, 33):
        with pytest.raises(ValueError, match="32"):
            PrivateKey.from_seed(bytes(size))
