"""Cheap signatures for simulations: keyed hashes that refuse what Ed25519 would refuse.

A million signatures are made and checked in a simulated hour; real ones would be most of the
run time. The stand-in has the same interface and the same meaning: only the holder of a secret
can sign, and a signature holds for one signer, one context and one message. It is no
cryptography: the verifier knows all secrets. Some seeds run with the real keys instead, so that
nothing comes to depend on the stand-in.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

from ledger import PrivateKey, Signer
from ledger import verify as ed25519_verify


class KeyRing(Protocol):
    """Makes signers, and checks what they signed."""

    def signer(self, seed: bytes) -> Signer:
        """The signer that belongs to this 32-byte seed."""

    def verify(self, public: bytes, context: str, message: bytes, signature: bytes) -> bool:
        """A `ledger.Verifier`."""


class KeyedSigner:
    """Signs with a keyed hash."""

    __slots__ = ("_secret", "public")

    def __init__(self, seed: bytes) -> None:
        self._secret = hashlib.blake2b(seed, digest_size=32, person=b"sim-secret").digest()
        self.public: bytes = hashlib.blake2b(seed, digest_size=32, person=b"sim-public").digest()

    def sign(self, context: str, message: bytes) -> bytes:
        data = context.encode() + b"\x00" + message
        return hashlib.blake2b(data, digest_size=64, key=self._secret).digest()


class FastKeys:
    """Keyed hashes: a microsecond for each signature and each check."""

    def __init__(self) -> None:
        self._signers: dict[bytes, KeyedSigner] = {}

    def signer(self, seed: bytes) -> Signer:
        signer = KeyedSigner(seed)
        self._signers[signer.public] = signer
        return signer

    def verify(self, public: bytes, context: str, message: bytes, signature: bytes) -> bool:
        signer = self._signers.get(public)
        return signer is not None and signer.sign(context, message) == signature


class RealKeys:
    """Ed25519, as it ships."""

    def signer(self, seed: bytes) -> Signer:
        return PrivateKey.from_seed(seed)

    def verify(self, public: bytes, context: str, message: bytes, signature: bytes) -> bool:
        return ed25519_verify(public, context, message, signature)
