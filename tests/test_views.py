"""Entries as the gateway shows them: named by kind, and what they say where somebody reads it."""

from __future__ import annotations

import pytest

from ledger import Checkpoint, Kind, encode_cosign, pack, seal
from symphony.node.views import entry_view
from symphony.testing.signing import RealKeys

SIGNER = RealKeys().signer(bytes(32))
CLAIM = Checkpoint(SIGNER.public, 7, b"r" * 32)
SHOWN = {"author": SIGNER.public.hex(), "size": 7, "root": b"r".hex() * 32}


def view(kind: int, body: bytes):
    head = None
    for seq in range(1, 9):
        entry = seal(SIGNER, bytes(32), head, kind=kind, body=body, hlc=pack(1_000 + seq))
        head = entry.head
    return entry_view(3, entry)


@pytest.mark.parametrize(
    ("kind", "body", "name", "shown"),
    [
        (Kind.CHECKPOINT, CLAIM.encode(), "checkpoint", SHOWN),
        (Kind.COSIGN, encode_cosign([CLAIM]), "cosign", [SHOWN]),
        (Kind.FORK, b"proof", "fork", None),
        (Kind.REVOKE, bytes(16), "revoke", None),
        (99, b"anything", "kind-99", None),
    ],
    ids=["checkpoint", "cosign", "fork", "revoke", "unknown"],
)
def test_kinds_of_the_ledger(kind, body, name, shown):
    seen = view(kind, body)
    assert (seen.kind, seen.body, seen.position, seen.seq) == (name, shown, 3, 8)


@pytest.mark.parametrize("kind", [Kind.CHECKPOINT, Kind.COSIGN, Kind.TASK])
def test_nonsense_is_said_to_be_unreadable(kind):
    assert list(view(kind, b"nonsense").body) == ["unreadable"]
