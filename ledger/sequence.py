"""A ledger as one file: a CBOR sequence (RFC 8742) of a heading, entries and fork proofs.

    heading   ["symphony ledger", 1, swarm id]
    entry     [header, signature, body | null]
    proof     [header, signature, header, signature]

Entries stand in an order in which each follows its predecessor. A reader believes nothing of it:
it checks each item as if it had come from a stranger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ledger import codec
from ledger.entry import Entry, assemble
from ledger.errors import DecodeError, InvalidEntry
from ledger.fork import ForkProof, parse_proof
from ledger.limits import MAX_ENTRY_BYTES

NAME = "symphony ledger"
VERSION = 1
_PROOF_FIELDS = 4


def heading(swarm_id: bytes) -> bytes:
    """The first item of a file."""
    return codec.dumps((NAME, VERSION, swarm_id))


def read_sequence(chunks: Iterable[bytes], swarm_id: bytes) -> Iterator[Entry | ForkProof]:
    """The items behind the heading, one after the other; signatures are not looked at.

    Raises `DecodeError` and `InvalidEntry` at the first item that is none. Of the file no more
    is held in memory than a chunk and an item.
    """
    items = _items(chunks)
    first = next(items, None)
    if first is None or first[0] != [NAME, VERSION, swarm_id]:
        raise InvalidEntry("not a ledger file of this swarm", hint="export it from this swarm")
    for value, raw in items:
        match value:
            case [bytes() as header, bytes() as signature, bytes() | None as body]:
                yield assemble(header, signature, body)
            case list() if len(value) == _PROOF_FIELDS:
                yield parse_proof(raw)
            case _:
                raise InvalidEntry("an item that is neither an entry nor a fork proof")


def _items(chunks: Iterable[bytes]) -> Iterator[tuple[codec.Value, bytes]]:
    """Each item of the sequence with its bytes."""
    held = b""
    for chunk in chunks:
        held += chunk
        at = 0
        while len(held) - at >= MAX_ENTRY_BYTES:
            value, end = codec.first(held, at)
            yield value, held[at:end]
            at = end
        held = held[at:]
    at = 0
    while at < len(held):
        value, end = codec.first(held, at)
        if end - at > MAX_ENTRY_BYTES:
            raise DecodeError(f"an item of {end - at} bytes")
        yield value, held[at:end]
        at = end
