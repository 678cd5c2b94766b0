"""The signed part of an entry: what it says, how it is written, and the only bytes that are read.

The header is a CBOR map with these keys (closed: an unknown key is refused):

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

A deterministic encoding has one spelling, so the headers that are valid form a regular language,
but for three counts. `parse_header` reads them with that regular expression, which takes a fifth
of the time that decoding field by field does; only what it does not match is decoded, to say
what is wrong with it. A test holds the two to the same verdict on any bytes.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from ledger import codec
from ledger.errors import InvalidEntry, Reason
from ledger.limits import MAX_BODY_BYTES, MAX_HEADER_BYTES, MAX_REFS, MAX_UINT63

VERSION = 1
HASH_BYTES = 32

_ALWAYS = frozenset({0, 1, 2, 4, 5, 6, 7, 8})
_PREV, _EXPIRES = 3, 9

_NUMBER = (
    rb"([\x00-\x17]|\x18[\x18-\xff]|\x19(?!\x00)..|\x1a(?!\x00\x00)...."
    rb"|\x1b(?!\x00{4})[\x00-\x7f].{7})"
)
_HEADER = re.compile(
    rb"([\xa8-\xaa])\x00\x01\x01\x58\x20(.{32})\x02"
    + _NUMBER
    + rb"(?:\x03\x58\x20(.{32}))?\x04"
    + _NUMBER
    + rb"\x05"
    + _NUMBER
    + rb"\x06\x58\x20(.{32})\x07"
    + _NUMBER
    + rb"\x08([\x80-\x88])((?:\x58\x20.{32}){0,8})(?:\x09"
    + _NUMBER
    + rb")?",
    re.DOTALL,
)
_FIELDS = 0xA8
"""The head of a map with the eight fields that are always there."""
_REF_BYTES = 2 + HASH_BYTES


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


def entry_id(header_bytes: bytes) -> bytes:
    """The name of the entry with this header."""
    return hashlib.sha256(b"\x00" + header_bytes).digest()


def parse_header(header_bytes: bytes) -> Header:
    """The header in these bytes. Raises `DecodeError` and `InvalidEntry`."""
    match = _HEADER.fullmatch(header_bytes)
    header = None if match is None else _matched(match)
    return decode_header(header_bytes) if header is None else header


def _matched(match: re.Match[bytes]) -> Header | None:
    """The header whose fields were matched, if the three counts hold: of fields, of refs, and
    `prev` from the second entry on. The size of the body is the last thing to be checked.
    """
    head, author, seq_, prev, hlc, kind, body_hash, size, count, refs_, expires = match.groups()
    seq, body_bytes = _number(seq_), _number(size)
    if (
        head[0] != _FIELDS + (prev is not None) + (expires is not None)
        or seq == 0
        or (seq == 1) != (prev is None)
        or len(refs_) != (count[0] - 0x80) * _REF_BYTES
        or body_bytes > MAX_BODY_BYTES
    ):
        return None
    return Header(
        VERSION,
        author,
        seq,
        prev,
        _number(hlc),
        _number(kind),
        body_hash,
        body_bytes,
        tuple(refs_[at + 2 : at + _REF_BYTES] for at in range(0, len(refs_), _REF_BYTES)),
        None if expires is None else _number(expires),
    )


def _number(encoded: bytes) -> int:
    """The value of an encoded unsigned integer."""
    return encoded[0] if len(encoded) == 1 else int.from_bytes(encoded[1:], "big")


def decode_header(header_bytes: bytes) -> Header:
    """The same field by field, to find what is wrong. Raises `DecodeError`, `InvalidEntry`."""
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
