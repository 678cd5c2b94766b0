"""Fork proofs: anyone can check them, nobody can forge them, and their order doesn't matter."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_chains import SWARM, chain, fake_verify

from ledger import DecodeError, InvalidEntry, Reason, dumps, fork, loads, parse_proof, verify_proof
from ledger.limits import MAX_PROOF_BYTES

TRUNK = chain("alice", 8)
BRANCHES = {seq: chain("alice", 8, fork_at=seq) for seq in (1, 3, 4, 6)}


def proof_at(branch: int, seq: int) -> fork.ForkProof:
    proof = fork.find(TRUNK[seq - 1], BRANCHES[branch][seq - 1])
    assert proof is not None
    return proof


PROOFS = [proof_at(branch, seq) for branch in BRANCHES for seq in range(branch, 9)]


@pytest.mark.parametrize("proof", PROOFS)
def test_a_proof_travels_and_is_the_same_from_both_sides(proof):
    raw = proof.encode()
    assert len(raw) <= MAX_PROOF_BYTES
    assert parse_proof(raw) == proof
    assert fork.find(proof.second, proof.first) == proof
    assert proof.first.body is None
    verify_proof(proof, SWARM, fake_verify)
    assert proof.frozen_at == proof.seq - 1


def test_what_is_no_fork():
    bob = chain("bob", 1)[0]
    assert fork.find(TRUNK[0], TRUNK[0]) is None
    assert fork.find(TRUNK[0], TRUNK[1]) is None
    assert fork.find(TRUNK[0], bob) is None
    assert fork.find(TRUNK[0], TRUNK[0].without_body()) is None


def test_a_false_proof_is_refused():
    proof = proof_at(3, 3)
    header1, sig1, header2, sig2 = loads(proof.encode())
    for shape in (
        [header1, sig1, header1, sig1],
        [header2, sig2, header1, sig1],
        [header1, sig1, TRUNK[7].header_bytes, TRUNK[7].signature],
        [header1, sig1, chain("bob", 3)[2].header_bytes, sig2],
        [header1, sig1, header2],
        [header1, sig1[:-1], header2, sig2],
        header1,
    ):
        with pytest.raises(InvalidEntry):
            parse_proof(dumps(shape))
    for sigs in ((sig1, sig1), (sig2, sig2), (bytes(64), sig2)):
        forged = parse_proof(dumps([header1, sigs[0], header2, sigs[1]]))
        with pytest.raises(InvalidEntry) as caught:
            verify_proof(forged, SWARM, fake_verify)
        assert caught.value.reason is Reason.BAD_SIGNATURE
    with pytest.raises(InvalidEntry):
        verify_proof(proof, bytes(32), fake_verify)


def test_size_is_checked_before_parsing():
    with pytest.raises(DecodeError):
        parse_proof(b"\xff" * MAX_PROOF_BYTES)
    with pytest.raises(InvalidEntry) as caught:
        parse_proof(b"\xff" * (MAX_PROOF_BYTES + 1))
    assert caught.value.reason is Reason.OVERSIZE


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(PROOFS), min_size=3, max_size=3))
def test_merging_is_a_semilattice(three):
    one, two, three_ = three
    assert fork.merge(one, one) == one
    assert fork.merge(None, one) == one
    assert fork.merge(one, two) == fork.merge(two, one)
    left = fork.merge(fork.merge(one, two), three_)
    assert left == fork.merge(one, fork.merge(two, three_))
    assert left.seq == min(proof.seq for proof in three)


def test_any_order_ends_in_one_proof():
    ends = set()
    for order in permutations(PROOFS[-4:]):
        kept = None
        for proof in order:
            kept = fork.merge(kept, proof)
        ends.add(kept.encode())
    assert len(ends) == 1
