"""An entry: one signed link of one author's chain.

On the wire it is the CBOR array `[header, signature, body | null]`, and the header is a CBOR map
with these keys (closed: an unknown key is refused):

    0 version    1
    1 author     32 bytes, an Ed25519 public key
    2 seq        1, 2, 3, … without gaps
    3 prev       id of the entry before; absent exactly when seq is 1
    4 hlc        hybrid logical clock, strictly growing within a log
    5 kind       what the body is (see `kinds`)
    6 body_hash  SHA-256 of the body
    7 body_bytes length of the body, at most 16 KiB
    8 refs       ids of other entries, at most 8; always present
    9 expires    hlc after which nobody needs the body; optional

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
from dataclasses import dataclass

from ledger import codec
from ledger.errors import InvalidEntry, Reason
from ledger.keys import SIGNATURE_BYTES, Signer, Verifier
from ledger.limits import (
    MAX_BODY_BYTES,
    MAX_ENTRY_BYTES,
    MAX_HEADER_BYTES,
    MAX_REFS,
    MAX_UINT63,
)

VERSION = 1
HASH_BYTES = 32
SIGN_CONTEXT = "entry"

_ALWAYS = frozenset({0, 1, 2, 4, 5, 6, 7, 8})
_PREV, _EXPIRES = 3, 9


@dataclass(frozen=True, slots=True)
class Header:
    """The signed part of an entry, parsed."""

    version: int
    author: bytes
    seq: int
    prev: bytes | None
    hlc: int
    kind: int
    body_hash: bytes
    body_bytes: int
    refs: tuple[bytes, ...] = ()
    expires: int | None = None

    def encode(self) -> bytes:
        """The deterministic CBOR map."""
        fields: dict[int, codec.Encodable] = {
            0: self.version,
            1: self.author,
            2: self.seq,
            4: self.hlc,
            5: self.kind,
            6: self.body_hash,
            7: self.body_bytes,
            8: self.refs,
        }
        if self.prev is not None:
            fields[_PREV] = self.prev
        if self.expires is not None:
            fields[_EXPIRES] = self.expires
        return codec.dumps(fields)


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
        return Head(self.author, self.seq, self.id, self.hlc)

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
        return Entry(self.header, self.header_bytes, self.signature, None, self.id)


def entry_id(header_bytes: bytes) -> bytes:
    """The name of the entry with this header."""
    return hashlib.sha256(b"\x00" + header_bytes).digest()


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


def parse_entry(raw: bytes) -> Entry:
    """The entry in these bytes, if its structure is right; the signature is not looked at.

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


def parse_header(header_bytes: bytes) -> Header:
    """The header in these bytes. Raises `DecodeError` and `InvalidEntry`."""
    if len(header_bytes) > MAX_HEADER_BYTES:
        raise InvalidEntry(f"a header of {len(header_bytes)} bytes", reason=Reason.OVERSIZE)
    fields = codec.loads(header_bytes)
    if not isinstance(fields, dict):
        raise InvalidEntry("a header is a map")
    seq = _uint(fields, 2, "seq")
    wanted = _ALWAYS | {_PREV} if seq > 1 else _ALWAYS
    if seq == 0 or fields.keys() - {_EXPIRES} != wanted or fields[0] is True:
        raise InvalidEntry("a header with missing or unknown fields, or seq 0")
    if _uint(fields, 0, "version") != VERSION:
        raise InvalidEntry(f"version {fields[0]!r}", hint="upgrade, or ignore this author")
    body_bytes = _uint(fields, 7, "body_bytes")
    if body_bytes > MAX_BODY_BYTES:
        raise InvalidEntry(f"a body of {body_bytes} bytes", reason=Reason.OVERSIZE)
    return Header(
        version=VERSION,
        author=_hash(fields[1], "author"),
        seq=seq,
        prev=_hash(fields[_PREV], "prev") if seq > 1 else None,
        hlc=_uint(fields, 4, "hlc"),
        kind=_uint(fields, 5, "kind"),
        body_hash=_hash(fields[6], "body_hash"),
        body_bytes=body_bytes,
        refs=_refs(fields[8]),
        expires=_uint(fields, _EXPIRES, "expires") if _EXPIRES in fields else None,
    )


def check_entry(entry: Entry, swarm_id: bytes, verify: Verifier) -> None:
    """Raise `InvalidEntry` unless the entry's author signed it for this swarm."""
    if not verify(entry.author, SIGN_CONTEXT, swarm_id + entry.header_bytes, entry.signature):
        raise InvalidEntry(
            "the signature is not the author's, or is for another swarm",
            reason=Reason.BAD_SIGNATURE,
        )


def _uint(fields: dict[codec.Key, codec.Value], key: int, name: str) -> int:
    value = fields.get(key)
    if type(value) is not int or not 0 <= value <= MAX_UINT63:
        raise InvalidEntry(f"{name} is not an unsigned integer below 2^63")
    return value


def _hash(value: codec.Value, name: str) -> bytes:
    if not isinstance(value, bytes) or len(value) != HASH_BYTES:
        raise InvalidEntry(f"{name} is not {HASH_BYTES} bytes")
    return value


def _refs(value: codec.Value) -> tuple[bytes, ...]:
    if not isinstance(value, list) or len(value) > MAX_REFS:
        raise InvalidEntry(f"refs is not an array of at most {MAX_REFS} ids")
    return tuple(_hash(item, "a ref") for item in value)
