"""Sealed boxes: bytes that only one node can read, from whoever knows its box key.

A node's *box key* is an X25519 key derived from the seed of its Ed25519 key by HKDF under a label
of its own, so it needs no file, and using the one says nothing about the other. Its public half is
announced in the node's capability entries, which the Ed25519 key signs: that binds it to the node.

    box = E ‖ ChaCha20-Poly1305(K, nonce 0, data, about)
    K   = HKDF-SHA256(X25519(e, R), salt = E ‖ R, info = "symphony/box/1")

where e, E is drawn for this box alone, so that no key is ever used twice and the nonce can stand
still. `about` is what the box is bound to and is not in it: the same box given out for another
purpose does not open. A box says nothing of who sealed it; the connection does. The shape is that
of HPKE's base mode (RFC 9180) and of libsodium's sealed boxes.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
NONCE = bytes(12)
OVERHEAD_BYTES = KEY_BYTES + 16
"""How much longer a box is than what lies in it."""


class BoxKey:
    """The secret half. Printing it shows the public half only."""

    __slots__ = ("_key", "public")

    def __init__(self, seed: bytes) -> None:
        """`seed` is the 32-byte seed of the node's Ed25519 key."""
        self._key = X25519PrivateKey.from_private_bytes(_derive(seed, b"", b"symphony/box-key/1"))
        self.public: bytes = self._key.public_key().public_bytes_raw()

    def open(self, box: bytes, about: bytes) -> bytes | None:
        """What lies in a box; None if it was not sealed to this key, or not about this."""
        if len(box) < OVERHEAD_BYTES:
            return None
        ephemeral, rest = box[:KEY_BYTES], box[KEY_BYTES:]
        try:
            shared = self._key.exchange(X25519PublicKey.from_public_bytes(ephemeral))
            key = _derive(shared, ephemeral + self.public, b"symphony/box/1")
            return ChaCha20Poly1305(key).decrypt(NONCE, rest, about)
        except (InvalidTag, ValueError):  # a point of small order gives no secret
            return None

    def __repr__(self) -> str:
        return f"BoxKey(public={self.public.hex()})"


def seal_box(
    public: bytes, data: bytes, about: bytes, entropy: Callable[[int], bytes] = os.urandom
) -> bytes | None:
    """A box that only the holder of `public` can open; None if that is no key."""
    one_time = X25519PrivateKey.from_private_bytes(entropy(KEY_BYTES))
    ephemeral = one_time.public_key().public_bytes_raw()
    try:
        shared = one_time.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        return None
    key = _derive(shared, ephemeral + public, b"symphony/box/1")
    return ephemeral + ChaCha20Poly1305(key).encrypt(NONCE, data, about)


def _derive(secret: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=info).derive(secret)
