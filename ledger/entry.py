"""An entry: one signed link of one author's chain.

On the wire it is the CBOR array `[header, signature, body | null]`; `header` says what is in the
signed part.

`id = SHA-256(0x00 ‖ header)` is the chain link and also the RFC 9162 leaf hash. The signature is
over `swarm_id ‖ header` in the context "entry", and stands outside the id: two signatures of one
header are not a fork. Bodies are detached, so that they can be dropped without touching the chain.

Bytes in, bytes kept: the header is never encoded again after it was sealed or received. The outer
array is put together afresh, which gives the received bytes because the codec knows only one
encoding of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ledger import codec
from ledger.errors import InvalidEntry, Reason
from ledger.header import VERSION, Header, entry_id, parse_header
from ledger.keys import SIGNATURE_BYTES, Signer, Verifier
from ledger.limits import MAX_ENTRY_BYTES, MAX_PARSED_ENTRIES

SIGN_CONTEXT = "entry"


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a log, as far as somebody knows it."""

    author: bytes
    seq: int
    id: bytes
    hlc: int


@dataclass(frozen=True, slots=True, repr=False)
class Entry:
    """A link of a chain. Made by `seal`, `parse_entry` and `assemble` only, so that `header`,
    `header_bytes` and `id` always agree, and a body that is there always fits its hash.
    """

    header: Header
    header_bytes: bytes
    signature: bytes
    body: bytes | None
    id: bytes
    _head: Head | None = field(default=None, init=False, compare=False)
    _bare: Entry | None = field(default=None, init=False, compare=False)
    """What follows from the rest, made when it is first asked for and kept."""

    @property
    def author(self) -> bytes:
        return self.header.author

    @property
    def seq(self) -> int:
        return self.header.seq

    @property
    def prev(self) -> bytes | None:
        return self.header.prev

    @property
    def hlc(self) -> int:
        return self.header.hlc

    @property
    def kind(self) -> int:
        return self.header.kind

    @property
    def body_hash(self) -> bytes:
        return self.header.body_hash

    @property
    def refs(self) -> tuple[bytes, ...]:
        return self.header.refs

    @property
    def expires(self) -> int | None:
        return self.header.expires

    @property
    def head(self) -> Head:
        """The entry as the end of its log."""
        if self._head is None:
            head = Head(self.header.author, self.header.seq, self.id, self.header.hlc)
            object.__setattr__(self, "_head", head)
            return head
        return self._head

    def __repr__(self) -> str:
        """Short, because entries stand in messages and in failed tests."""
        return (
            f"<Entry {self.seq} of {self.author.hex()[:8]}, kind {self.kind}, {self.id.hex()[:8]}>"
        )

    def encode(self) -> bytes:
        """The wire form."""
        return codec.dumps((self.header_bytes, self.signature, self.body))

    def without_body(self) -> Entry:
        """Header and signature only: all that chains and fork proofs need."""
        if self._bare is None:
            bare = Entry(self.header, self.header_bytes, self.signature, None, self.id)
            object.__setattr__(self, "_bare", bare)
            return bare
        return self._bare


def seal(
    signer: Signer,
    swarm_id: bytes,
    head: Head | None,
    *,
    kind: int,
    body: bytes,
    hlc: int,
    refs: Sequence[bytes] = (),
    expires: int | None = None,
) -> Entry:
    """The next entry of the signer's log, after `head` (None for the first).

    Raises `ValueError` if `head` is of another log or `hlc` doesn't grow, and `InvalidEntry` if
    a limit of the format is passed.
    """
    if head is not None and head.author != signer.public:
        raise ValueError("the head belongs to another author")
    if head is not None and hlc <= head.hlc:
        raise ValueError("the hlc must be larger than that of the entry before")
    header_bytes = Header(
        version=VERSION,
        author=signer.public,
        seq=head.seq + 1 if head else 1,
        prev=head.id if head else None,
        hlc=hlc,
        kind=int(kind),
        body_hash=hashlib.sha256(body).digest(),
        body_bytes=len(body),
        refs=tuple(refs),
        expires=expires,
    ).encode()
    return assemble(header_bytes, signer.sign(SIGN_CONTEXT, swarm_id + header_bytes), body)


@lru_cache(maxsize=MAX_PARSED_ENTRIES)
def parse_entry(raw: bytes) -> Entry:
    """The entry in these bytes, if its structure is right; the signature is not looked at. The
    same bytes come by gossip, with work and with its result; the last few are remembered.

    Raises `DecodeError` for bytes that are not strict CBOR, `InvalidEntry` for a broken rule.
    """
    if len(raw) > MAX_ENTRY_BYTES:
        raise InvalidEntry(f"an entry of {len(raw)} bytes", reason=Reason.OVERSIZE)
    match codec.loads(raw):
        case [bytes() as header_bytes, bytes() as signature, bytes() | None as body]:
            return assemble(header_bytes, signature, body)
        case _:
            raise InvalidEntry("an entry is an array of header, signature, and body or null")


def assemble(header_bytes: bytes, signature: bytes, body: bytes | None) -> Entry:
    """The entry with these parts; the same checks and errors as `parse_entry`."""
    header = parse_header(header_bytes)
    if len(signature) != SIGNATURE_BYTES:
        raise InvalidEntry(f"a signature of {len(signature)} bytes")
    if body is not None:
        if len(body) != header.body_bytes:
            text = f"the body has {len(body)} bytes, the header says {header.body_bytes}"
            raise InvalidEntry(text, reason=Reason.BAD_BODY)
        if hashlib.sha256(body).digest() != header.body_hash:
            raise InvalidEntry("the body does not have its hash", reason=Reason.BAD_BODY)
    return Entry(header, header_bytes, signature, body, entry_id(header_bytes))


def check_entry(entry: Entry, swarm_id: bytes, verify: Verifier) -> None:
    """Raise `InvalidEntry` unless the entry's author signed it for this swarm."""
    if not verify(entry.author, SIGN_CONTEXT, swarm_id + entry.header_bytes, entry.signature):
        raise InvalidEntry(
            "the signature is not the author's, or is for another swarm",
            reason=Reason.BAD_SIGNATURE,
        )
