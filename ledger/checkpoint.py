"""Checkpoints and cosignatures: logs that others saw grow, entry after entry.

A *checkpoint* is an entry of kind `CHECKPOINT` in an author's own log: the first `size` entries
of this log have this Merkle root. A *cosignature* is an entry of kind `COSIGN` in a witness's
log: I hold the first `size` entries of that log, and they have that root. One entry cosigns up
to 64 checkpoints, so that witnesses write little, and neither kind counts as news.

    checkpoint  {0: size, 1: root}
    cosign      [[author, size, root], …]       ordered by author

Both are covered by the signatures of the entries they are in. So a witness can't answer before
it persisted (the entry is appended before it is sent), and one that cosigns two roots for one
size is convicted by its own log.

The rules of a witness, after the C2SP witness: the author signed the checkpoint; its log is not
forked below that size; the size is not smaller than the last one cosigned, and if it is the same
so is the root; the root is that of the witness's own copy of the log. A copy only ever grows by
entries that continue its chain, so two roots taken from it are always consistent. Who holds no
copy can check a consistency proof instead (`check_growth`).

With an inclusion proof, a checkpoint and cosignatures (`Sealed`) anybody can check offline that
an entry stands in a log that these witnesses saw grow by appending only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger import codec
from ledger.entry import Entry, check_entry, parse_entry
from ledger.errors import InvalidEntry, LedgerError, Reason
from ledger.header import HASH_BYTES
from ledger.keys import PUBLIC_BYTES, Verifier
from ledger.kinds import Kind
from ledger.limits import MAX_COSIGNATURES, MAX_COSIGNED, MAX_PROOF_HASHES, MAX_UINT63
from ledger.merkle import verify_consistency, verify_inclusion


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The first `size` entries of a log have this Merkle root."""

    author: bytes
    size: int
    root: bytes

    def encode(self) -> bytes:
        """The body of a checkpoint entry; its author is that of the entry."""
        return codec.dumps({0: self.size, 1: self.root})


@dataclass(frozen=True, slots=True)
class Sealed:
    """The way from an entry to the root of a checkpoint, and the entries that cosign that."""

    path: tuple[bytes, ...]
    checkpoint: bytes
    cosigns: tuple[bytes, ...]


def parse_checkpoint(entry: Entry) -> Checkpoint:
    """What a checkpoint entry says; its signature is not looked at. Raises `InvalidEntry`."""
    if entry.kind == Kind.CHECKPOINT and entry.body is not None:
        match _value(entry.body):
            case {0: int() as size, 1: bytes() as root, **rest} if not rest:
                if type(size) is int and 1 <= size < entry.seq and len(root) == HASH_BYTES:
                    return Checkpoint(entry.author, size, root)
    raise InvalidEntry("a checkpoint is {size, root} over entries before it")


def encode_cosign(checkpoints: Iterable[Checkpoint]) -> bytes:
    """The body of a cosign entry, for one checkpoint each of up to 64 authors."""
    rows = sorted((each.author, each.size, each.root) for each in checkpoints)
    assert 1 <= len(rows) <= MAX_COSIGNED
    return codec.dumps(rows)


def parse_cosign(entry: Entry) -> list[Checkpoint]:
    """What a cosign entry says; its signature is not looked at. Raises `InvalidEntry`."""
    rows = _value(entry.body) if entry.kind == Kind.COSIGN and entry.body else None
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_COSIGNED:
        raise InvalidEntry(f"a cosign entry is an array of at most {MAX_COSIGNED} checkpoints")
    found: list[Checkpoint] = []
    last_author = b""
    for row in rows:
        match row:
            case [bytes() as author, int() as size, bytes() as root] if (
                len(author) == PUBLIC_BYTES
                and author > last_author
                and type(size) is int
                and 1 <= size <= MAX_UINT63
                and len(root) == HASH_BYTES
            ):
                found.append(Checkpoint(author, size, root))
                last_author = author
            case _:
                raise InvalidEntry("a cosignature is [author, size, root], ordered by author")
    return found


def may_cosign(last: Checkpoint | None, new: Checkpoint, root_here: bytes | None) -> bool:
    """May a witness that cosigned `last`, and whose own copy of the log has `root_here` at the
    new size (None: it doesn't hold that much), cosign the new checkpoint?

    False for an old one, or one that it can't check yet. Raises `InvalidEntry` if the author's
    checkpoint contradicts its log.
    """
    if root_here is None or (last is not None and new.size < last.size):
        return False
    same_size = last is not None and last.size == new.size
    if new.root != root_here or (same_size and last is not None and last.root != new.root):
        text = f"a checkpoint at {new.size} that is not the root of its log"
        raise InvalidEntry(text, reason=Reason.BAD_PROOF)
    return True


def check_growth(last: Checkpoint, new: Checkpoint, proof: Sequence[bytes]) -> None:
    """Raise `InvalidEntry` unless the proof shows that the log only grew between these two."""
    same_log = last.author == new.author
    if not same_log or not verify_consistency(last.size, new.size, proof, last.root, new.root):
        text = f"nothing shows that the log grew from {last.size} to {new.size}"
        raise InvalidEntry(text, reason=Reason.BAD_PROOF)


def witnesses(
    checkpoint: Entry, cosigns: Iterable[Entry], swarm_id: bytes, verify: Verifier
) -> frozenset[bytes]:
    """Who, besides its author, cosigned a checkpoint. Raises `InvalidEntry` for an entry that
    is not signed, or says nothing of this checkpoint.
    """
    claim = parse_checkpoint(checkpoint)
    check_entry(checkpoint, swarm_id, verify)
    found: set[bytes] = set()
    for entry in cosigns:
        if claim not in parse_cosign(entry):
            raise InvalidEntry("a cosign entry for another checkpoint", reason=Reason.BAD_PROOF)
        check_entry(entry, swarm_id, verify)
        found.add(entry.author)
    return frozenset(found - {checkpoint.author})


def verify_sealed(
    sealed: Sealed, entry: Entry, swarm_id: bytes, verify: Verifier
) -> frozenset[bytes]:
    """The witnesses that saw `entry` in its log. Raises `InvalidEntry` if the seal doesn't hold.

    The signature of `entry` itself is not looked at.
    """
    if len(sealed.cosigns) > MAX_COSIGNATURES or len(sealed.path) > MAX_PROOF_HASHES:
        raise InvalidEntry("more cosignatures or hashes than any seal has", reason=Reason.OVERSIZE)
    checkpoint = parse_entry(sealed.checkpoint)
    claim = parse_checkpoint(checkpoint)
    place = entry.seq - 1
    if claim.author != entry.author or not verify_inclusion(
        entry.id, place, claim.size, sealed.path, claim.root
    ):
        raise InvalidEntry("the entry is not in this checkpoint", reason=Reason.BAD_PROOF)
    cosigns = [parse_entry(raw) for raw in sealed.cosigns]
    return witnesses(checkpoint, cosigns, swarm_id, verify)


def _value(body: bytes) -> codec.Value:
    try:
        return codec.loads(body)
    except LedgerError as error:
        raise InvalidEntry(f"an unreadable body: {error.message}") from None
