"""The three words with which a log is handed over: pledge, retire, adopt.

    pledge  {0: commitment}                       the first entry of a log
    retire  {0: successor}                        the last entry of a log
    adopt   {0: old key, 1: seq, 2: id, ?3: commitment}   the first entry of the successor's log

What they mean together is the matter of `succession`; here is what each of them says, and that a
body which says anything else means nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ledger import codec
from ledger.entry import Entry
from ledger.errors import LedgerError
from ledger.header import HASH_BYTES
from ledger.keys import PUBLIC_BYTES
from ledger.kinds import Kind


@dataclass(frozen=True, slots=True)
class Adopt:
    """The first words of a successor."""

    old: bytes
    seq: int
    id: bytes
    commitment: bytes | None = None

    def encode(self) -> bytes:
        fields: dict[int, codec.Encodable] = {0: self.old, 1: self.seq, 2: self.id}
        if self.commitment is not None:
            fields[3] = self.commitment
        return codec.dumps(fields)


@dataclass(frozen=True, slots=True)
class Retire:
    """A log's last entry: its number, its id, and the key that it names."""

    seq: int
    id: bytes
    successor: bytes


def commit(successor: bytes) -> bytes:
    """The commitment to a public key."""
    return hashlib.sha256(successor).digest()


def encode_pledge(commitment: bytes) -> bytes:
    """The body of a pledge entry."""
    assert len(commitment) == HASH_BYTES
    return codec.dumps({0: commitment})


def encode_retire(successor: bytes) -> bytes:
    """The body of a retire entry."""
    assert len(successor) == PUBLIC_BYTES
    return codec.dumps({0: successor})


def parse_pledge(entry: Entry) -> bytes | None:
    """The commitment in a pledge entry; None for one that means nothing."""
    match _fields(entry, Kind.PLEDGE):
        case {0: bytes() as digest, **rest} if not rest and len(digest) == HASH_BYTES:
            return digest if entry.seq == 1 else None
        case _:
            return None


def parse_retire(entry: Entry) -> Retire | None:
    """What a retire entry says; None for one that is malformed."""
    match _fields(entry, Kind.RETIRE):
        case {0: bytes() as key, **rest} if not rest and len(key) == PUBLIC_BYTES:
            return Retire(entry.seq, entry.id, key)
        case _:
            return None


def parse_adopt(entry: Entry) -> Adopt | None:
    """What an adopt entry says; None for one that means nothing."""
    match _fields(entry, Kind.ADOPT):
        case {0: bytes() as old, 1: int() as seq, 2: bytes() as named, **rest}:
            fits = (
                entry.seq == 1
                and rest.keys() <= {3}
                and len(old) == PUBLIC_BYTES
                and type(seq) is int
                and seq >= 1
                and len(named) == HASH_BYTES
            )
            match rest.get(3):
                case None if fits and not rest:
                    return Adopt(old, seq, named)
                case bytes() as digest if fits and len(digest) == HASH_BYTES:
                    return Adopt(old, seq, named, digest)
    return None


def _fields(entry: Entry, kind: Kind) -> codec.Value:
    if entry.kind != kind or entry.body is None:
        return None
    try:
        return codec.loads(entry.body)
    except LedgerError:
        return None
