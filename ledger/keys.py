"""Ed25519 keys: whom an entry is from. The only module that uses `cryptography`, whose word on a
signature is the last (`ledger.sodium` only says an honest yes sooner).

A node is its public key: the same 32 bytes are the author of a log, the libp2p identity and a
`did:key`. Every signature is made over

    "symphony/" ‖ context ‖ "/1" ‖ 0x00 ‖ message

so that nothing signed as one thing can be read as another.

The library below accepts some keys that it should not: with the all-identity key one fixed
signature fits *every* message, and it takes several encodings for one point. So a public key is
admitted only if it is canonical (y < p), on the curve, and not one of the points of small order
(RFC 8032, section 5.1.3; "Taming the many EdDSAs", Chalkias et al., 2020). The edge cases are
frozen in tests/vectors/v1/ed25519_edge.json.

As text a key has two spellings, each with a constant prefix and length:

- `did:key:z6Mk…`  base58btc of `0xed 0x01 ‖ key` (W3C did:key, multicodec ed25519-pub);
- `12D3KooW…`      base58btc of an identity multihash of the protobuf `{type: Ed25519, data: key}`
                   (libp2p peer id specification).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from ledger import sodium
from ledger.errors import KeyRefused
from ledger.limits import MAX_CACHED_KEYS

SEED_BYTES = 32
PUBLIC_BYTES = 32
SIGNATURE_BYTES = 64

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_ORDER_8_Y = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER_Y = frozenset({0, 1, _P - 1, _ORDER_8_Y, _P - _ORDER_8_Y})
"""The y of the eight points whose order divides 8; the sign of x does not matter."""


_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS = {letter: digit for digit, letter in enumerate(_ALPHABET)}
_MAX_TEXT = 64
"""The longer of the two forms has 56 characters."""

_DID_TEXT, _DID_BYTES = "did:key:z", bytes.fromhex("ed01")
_PEER_BYTES = bytes.fromhex("002408011220")


class Signer(Protocol):
    """Something that signs as one author: a `PrivateKey`, or a cheap one in a simulator."""

    @property
    def public(self) -> bytes: ...

    def sign(self, context: str, message: bytes) -> bytes: ...


Verifier = Callable[[bytes, str, bytes, bytes], bool]
"""`(public, context, message, signature) -> bool`, as `verify` below; it never raises."""


def signed_bytes(context: str, message: bytes) -> bytes:
    """What is really signed when `message` is signed as a `context`."""
    return b"symphony/" + context.encode() + b"/1\x00" + message


class PrivateKey:
    """An Ed25519 key pair. Printing it shows the public half only."""

    __slots__ = ("_key", "_seed", "public")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
        self._seed = bytes(seed)
        self._key = Ed25519PrivateKey.from_private_bytes(self._seed)
        self.public: bytes = self._key.public_key().public_bytes_raw()

    @classmethod
    def from_seed(cls, seed: bytes) -> PrivateKey:
        """The key pair of a 32-byte secret seed."""
        return cls(seed)

    @classmethod
    def generate(cls, seed_source: Callable[[int], bytes]) -> PrivateKey:
        """A new key pair; `seed_source(n)` gives n secret random bytes, as `os.urandom` does."""
        return cls(seed_source(SEED_BYTES))

    @property
    def seed(self) -> bytes:
        """The secret: 32 bytes."""
        return self._seed

    def sign(self, context: str, message: bytes) -> bytes:
        """64 bytes that prove that this key said `message` as a `context`."""
        return self._key.sign(signed_bytes(context, message))

    def __repr__(self) -> str:
        return f"PrivateKey(public={self.public.hex()})"


def verify(public: bytes, context: str, message: bytes, signature: bytes) -> bool:
    """Did the owner of `public` sign `message` as a `context`? Never raises."""
    said = signed_bytes(context, message)
    try:
        key = _admitted(public)
        if not (sodium.trusted and sodium.accepts(public, said, signature)):
            key.verify(signature, said)
    except (KeyRefused, InvalidSignature):
        return False
    return True


def admit_public_key(public: bytes) -> bytes:
    """`public` itself, if it is a key to be trusted to sign. Raises `KeyRefused`."""
    _admitted(public)
    return public


@lru_cache(maxsize=MAX_CACHED_KEYS)
def _admitted(public: bytes) -> Ed25519PublicKey:
    """The parsed key. The check costs about as much as one signature, hence the cache."""
    if len(public) != PUBLIC_BYTES:
        raise KeyRefused(f"a public key has {PUBLIC_BYTES} bytes, not {len(public)}")
    y = int.from_bytes(public, "little") & (1 << 255) - 1
    if y >= _P:
        raise KeyRefused("the public key is not in its canonical form")
    if y in _SMALL_ORDER_Y:
        raise KeyRefused("the public key is a point of small order: anybody can sign for it")
    # x² = (y² - 1) / (d·y² + 1) has a root iff the product of both is a square (Euler).
    y_squared = y * y % _P
    if pow((y_squared - 1) * (_D * y_squared + 1), (_P - 1) // 2, _P) != 1:
        raise KeyRefused("the public key is not a point of the curve")
    return Ed25519PublicKey.from_public_bytes(public)


def did_key(public: bytes) -> str:
    """The `did:key` of an admitted public key. Raises `KeyRefused`."""
    return _DID_TEXT + _base58(_DID_BYTES + admit_public_key(public))


def parse_did_key(text: str) -> bytes:
    """The public key in a `did:key`. Raises `KeyRefused`."""
    if not text.startswith(_DID_TEXT) or len(text) > _MAX_TEXT:
        raise KeyRefused(f"not a did:key of an Ed25519 key: {text[:_MAX_TEXT]!r}")
    return _unwrap(text.removeprefix(_DID_TEXT), _DID_BYTES)


def peer_id(public: bytes) -> str:
    """The libp2p peer id of an admitted public key. Raises `KeyRefused`."""
    return _base58(_PEER_BYTES + admit_public_key(public))


def parse_peer_id(text: str) -> bytes:
    """The public key in a libp2p peer id. Raises `KeyRefused`."""
    return _unwrap(text, _PEER_BYTES)


def _unwrap(text: str, prefix: bytes) -> bytes:
    if len(text) > _MAX_TEXT:
        raise KeyRefused(f"{len(text)} characters are too long for a key")
    data = _unbase58(text)
    if data is None or len(data) != len(prefix) + PUBLIC_BYTES or not data.startswith(prefix):
        raise KeyRefused(f"not the text form of an Ed25519 key: {text!r}")
    return admit_public_key(data[len(prefix) :])


def _base58(data: bytes) -> str:
    zeros = len(data) - len(data.lstrip(b"\x00"))
    number = int.from_bytes(data, "big")
    letters = []
    while number:
        number, digit = divmod(number, 58)
        letters.append(_ALPHABET[digit])
    return "1" * zeros + "".join(reversed(letters))


def _unbase58(text: str) -> bytes | None:
    """The bytes, or None if a character is not of the alphabet."""
    number = 0
    for letter in text:
        digit = _DIGITS.get(letter)
        if digit is None:
            return None
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    return b"\x00" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")
