"""Cheap signers and small chains for the ledger's tests."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from ledger import Entry, Head, pack, seal

SWARM = hashlib.sha256(b"a swarm for tests").digest()
NOW_MS = 1_800_000_000_000


@dataclass
class FakeSigner:
    """Signs by hashing: anybody could forge it, nobody in a test does."""

    name: str
    public: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.public = hashlib.sha256(self.name.encode()).digest()

    def sign(self, context: str, message: bytes) -> bytes:
        return hashlib.sha512(self.public + context.encode() + b"\0" + message).digest()


def fake_verify(public: bytes, context: str, message: bytes, signature: bytes) -> bool:
    return signature == hashlib.sha512(public + context.encode() + b"\0" + message).digest()


def extend(
    signer: FakeSigner, head: Head | None, count: int, *, salt: str = "", kind: int = 2
) -> list[Entry]:
    """The next `count` entries of a log; another `salt` gives another branch."""
    entries: list[Entry] = []
    for _ in range(count):
        seq = head.seq + 1 if head else 1
        entry = seal(
            signer, SWARM, head, kind=kind, body=f"{salt}{seq}".encode(), hlc=pack(NOW_MS + seq)
        )
        entries.append(entry)
        head = entry.head
    return entries


def chain(name: str, count: int, *, fork_at: int | None = None) -> list[Entry]:
    """A log of `count` entries; from `fork_at` on it differs from the log without."""
    signer = FakeSigner(name)
    trunk = extend(signer, None, count if fork_at is None else fork_at - 1)
    if fork_at is None:
        return trunk
    head = trunk[-1].head if trunk else None
    return trunk + extend(signer, head, count - fork_at + 1, salt=f"branch {fork_at} ")
