"""The seal of a receipt: its entries stand in a log that others saw grow, entry after entry.

A conductor writes the task, the awards and the verdict into its own log. Alone they show only
that it signed them: it could sign another verdict for somebody else. A *seal* shows more: a
checkpoint of the conductor's log (`ledger.checkpoint`), for each of its entries in the receipt a
Merkle path to the root of that checkpoint (RFC 9162, section 2.1.3), and the entries of other
nodes that cosign it. A witness cosigns only what its own copy of the log gives, and never two
roots for one size; so a conductor that shows two histories needs witnesses that lie with it.

The checkpoint is written after the verdict, so a receipt has no seal at first. It is completed
when it is fetched (`sealing`), and named by its bytes without the seal (`bundle`).

`check_seal` needs nothing but the bytes. It keeps the rules of `ledger.verify_sealed`, for many
entries under one checkpoint, and is stricter about the form: each witness once, in the order of
their keys, so that nothing in a seal can be changed without being noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, NoReturn

from annotated_types import Len

from ledger import Entry, Tree, parse_checkpoint, parse_cosign
from ledger.errors import InvalidEntry, Reason
from ledger.header import HASH_BYTES
from ledger.limits import MAX_COSIGNATURES, MAX_ENTRY_BYTES, MAX_PROOF_HASHES
from ledger.merkle import verify_inclusion
from symphony.core.ids import EntryId, NodeId, short

MAX_SEALED = 2048
"""Entries of one receipt that are by its conductor; as many as a receipt has."""

_Raw = Annotated[bytes, Len(1, MAX_ENTRY_BYTES)]
_Path = Annotated[bytes, Len(0, HASH_BYTES * MAX_PROOF_HASHES)]


@dataclass(frozen=True, slots=True)
class Seal:
    """A checkpoint, the paths of the conductor's entries to its root, and who cosigned it.

    `paths` stand in the order of these entries in the receipt; each is the hashes of an inclusion
    proof, one behind the other. `cosigns` are ordered by author.
    """

    checkpoint: _Raw
    paths: Annotated[tuple[_Path, ...], Len(1, MAX_SEALED)]
    cosigns: Annotated[tuple[_Raw, ...], Len(0, MAX_COSIGNATURES)] = ()


@dataclass(frozen=True, slots=True)
class SealReport:
    """A seal that holds: the size of the conductor's log at the checkpoint, the checkpoint
    entry's id, and the other nodes that saw the log.
    """

    size: int
    checkpoint: EntryId
    witnesses: tuple[NodeId, ...]


def make_seal(
    checkpoint: Entry, cosigns: Sequence[Entry], entries: Sequence[Entry], tree: Tree
) -> Seal:
    """The seal of `entries`, all of one log whose tree this is. Raises `LookupError` if the tree
    doesn't reach as far as the checkpoint, or starts behind one of the entries.
    """
    size = parse_checkpoint(checkpoint).size
    return Seal(
        checkpoint=checkpoint.encode(),
        paths=tuple(b"".join(tree.inclusion(entry.seq - 1, size)) for entry in entries),
        cosigns=tuple(entry.encode() for entry in sorted(cosigns, key=lambda e: e.author)),
    )


def check_seal(seal: Seal, entries: Sequence[Entry], read: Callable[[bytes], Entry]) -> SealReport:
    """Who saw the log of these entries, which are of one author and not empty.

    `read` parses an entry, checks its signature, and raises for one that does not hold. Raises
    `InvalidEntry` saying what in the seal doesn't hold.
    """
    author = entries[0].author
    checkpoint = read(seal.checkpoint)
    claim = parse_checkpoint(checkpoint)
    if claim.author != author:
        _refuse("the checkpoint in the seal is not of the conductor's log")
    if len(seal.paths) != len(entries):
        _refuse(f"the seal has {len(seal.paths)} paths for {len(entries)} entries")
    for entry, path in zip(entries, seal.paths, strict=True):
        hashes = [path[at : at + HASH_BYTES] for at in range(0, len(path), HASH_BYTES)]
        if not verify_inclusion(entry.id, entry.seq - 1, claim.size, hashes, claim.root):
            _refuse(f"entry {entry.seq} is not in the log that the checkpoint seals")
    witnesses: list[NodeId] = []
    for raw in seal.cosigns:
        cosign = read(raw)
        witness = NodeId(cosign.author)
        if claim not in parse_cosign(cosign):
            _refuse(f"the cosignature of {short(witness)} is for another checkpoint")
        if witness == author:
            _refuse("the conductor is no witness of its own log")
        if witnesses and witness <= witnesses[-1]:
            _refuse("the witnesses are not in order, each once")
        witnesses.append(witness)
    return SealReport(claim.size, EntryId(checkpoint.id), tuple(witnesses))


def _refuse(text: str) -> NoReturn:
    raise InvalidEntry(text, reason=Reason.BAD_PROOF)
