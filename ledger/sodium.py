"""A faster yes: libsodium verifies an Ed25519 signature in half the time of OpenSSL.

Two libraries agree on every honest signature and differ at the edges, and an entry that one node
takes and another refuses is how a swarm falls apart. So there is one judge, the library that
`ledger.keys` uses, and libsodium is only heard when it says yes, which it may because of all that
it accepts the judge accepts too:

- both compute S·B - h·A and compare its 32 bytes with R (RFC 8032, section 5.1.7, without the
  factor 8), and both take only S < L;
- beyond that libsodium refuses, where the judge does not, an R or an A of small order.

Where it says no, the judge is asked. An honest signature then costs half, a forged one half more.

A library could be built to check 8·S·B = 8·R + 8·h·A instead, as the RFC allows, or to take an S of
L and more, as libsodium's compatible build does. That accepts signatures which the judge refuses,
and anybody can make some. Therefore it is tried on such signatures when this module is loaded: a
libsodium that takes one of them is not listened to. They are cases of
tests/vectors/v1/ed25519_edge.json.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

_LENGTHS: Final = (32, 64)
_SAID: Final = b"symphony/entry/1\x00a message"
_NONE_HOLDS: Final = (
    (  # S + L
        "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8",
        (
            "595ff94df47be38e224999e29a09591c6e7ff7351501532bac4a58c4884325ed"
            "cdc07bab90457dfaa81cdbab7ad1b4fd8242d2897452f4f549851cd73d5ada15"
        ),
    ),
    (  # R has a part of order 2
        "cf5f3049c01f02b9e090f7145fa4099e8c93cfc26e22cad71ebb322190c14dc1",
        (
            "85b3f2ac54bb21b92ad954b2cc4a6b845462885097801f5f6ae75a0920b57914"
            "ccfa72d237df7c283812e855a8060091a7b95a57050f32ddac9357513e984c0e"
        ),
    ),
    (  # A has a part of order 8
        "271f79b79294466785a5fce97fe77fdb55a33aee608ae450c941eaeb3689bbdd",
        (
            "684c0d53ab44de46d526ab4d33b5947bab9d77af687fe0a09518a5f6df4a86eb"
            "4b31761a41f88ada3497713a99700aaa4dbb01435fc304ad0d0beb2e14e07d07"
        ),
    ),
)


def accepts(public: bytes, said: bytes, signature: bytes) -> bool:
    """Whether libsodium takes `signature` (64 bytes) over `said` as one of `public` (32 bytes)."""
    if (len(public), len(signature)) != _LENGTHS:
        return False
    try:
        crypto_sign_open(b"".join((signature, said)), bytes(public))
    except BadSignatureError:
        return False
    return True


def is_strict(library: Callable[[bytes, bytes, bytes], bool]) -> bool:
    """Whether a library, called as `accepts` is, refuses what the judge refuses."""
    return not any(
        library(bytes.fromhex(public), _SAID, bytes.fromhex(signature))
        for public, signature in _NONE_HOLDS
    )


trusted: Final = is_strict(accepts)
"""Whether the yes of this libsodium counts."""
