"""Fork proofs: evidence, checkable by anyone, that an author signed two histories.

A proof is two headers with their signatures: same author, same sequence number, different ids.
It takes no trust in whoever shows it. Its effect is a function of the *set* of known proofs: the
log is frozen just below the lowest forked number. Taking the lowest is associative, commutative
and idempotent (a join-semilattice), so all nodes freeze a log at the same place, in whatever
order the proofs arrive.

In a proof the entry with the lower id comes first, so that two nodes that see the same two
entries write the same bytes. Encoded: `[header, signature, header, signature]`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger import codec
from ledger.entry import Entry, assemble, check_entry
from ledger.errors import InvalidEntry, Reason
from ledger.keys import Verifier
from ledger.limits import MAX_PROOF_BYTES


@dataclass(frozen=True, slots=True)
class ForkProof:
    """Two entries without bodies; `first.id < second.id`. Made by `find` and `parse_proof`."""

    first: Entry
    second: Entry

    @property
    def author(self) -> bytes:
        return self.first.author

    @property
    def seq(self) -> int:
        """The number that was used twice."""
        return self.first.seq

    @property
    def frozen_at(self) -> int:
        """The last number that counts; 0 when nothing does."""
        return self.seq - 1

    def encode(self) -> bytes:
        """About 520 bytes; the body of an entry of kind `FORK`."""
        one, two = self.first, self.second
        return codec.dumps(
            (one.header_bytes, one.signature, two.header_bytes, two.signature),
        )


def find(one: Entry, other: Entry) -> ForkProof | None:
    """The proof that these two entries make, if they do. Signatures are not looked at."""
    if one.author != other.author or one.seq != other.seq or one.id == other.id:
        return None
    first, second = sorted((one, other), key=lambda entry: entry.id)
    return ForkProof(first.without_body(), second.without_body())


def merge(known: ForkProof | None, new: ForkProof) -> ForkProof:
    """The proof to keep of two about one author: the lower number, then the lower ids."""
    if known is None:
        return new
    assert known.author == new.author
    return min(known, new, key=lambda proof: (proof.seq, proof.first.id, proof.second.id))


def parse_proof(raw: bytes) -> ForkProof:
    """The proof in these bytes; signatures are not looked at.

    Raises `DecodeError` for bytes that are not strict CBOR, `InvalidEntry` for two entries that
    don't prove a fork, or stand in the wrong order.
    """
    if len(raw) > MAX_PROOF_BYTES:
        raise InvalidEntry(f"a fork proof of {len(raw)} bytes", reason=Reason.OVERSIZE)
    match codec.loads(raw):
        case [bytes() as header1, bytes() as sig1, bytes() as header2, bytes() as sig2]:
            first = assemble(header1, sig1, None)
            proof = find(first, assemble(header2, sig2, None))
        case _:
            raise InvalidEntry("a fork proof is an array of two headers and two signatures")
    if proof is None or proof.first.id != first.id:
        raise InvalidEntry("these two headers do not prove a fork", reason=Reason.BAD_PROOF)
    return proof


def verify_proof(proof: ForkProof, swarm_id: bytes, verify: Verifier) -> None:
    """Raise `InvalidEntry` unless the author signed both headers for this swarm."""
    check_entry(proof.first, swarm_id, verify)
    check_entry(proof.second, swarm_id, verify)
