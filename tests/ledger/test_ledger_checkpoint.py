"""Checkpoints, cosignatures and seals: what holds is accepted, everything else is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ledger_chains import NOW_MS, SWARM, FakeSigner, extend, fake_verify

from ledger import (
    Checkpoint,
    InvalidEntry,
    Kind,
    Reason,
    Sealed,
    Tree,
    dumps,
    encode_cosign,
    may_cosign,
    pack,
    parse_checkpoint,
    parse_cosign,
    seal,
    verify_sealed,
    witnesses,
)
from ledger.checkpoint import check_growth
from ledger.limits import MAX_COSIGNATURES, MAX_COSIGNED, MAX_PROOF_HASHES, MAX_UINT63
from ledger.merkle import EMPTY_ROOT

ALICE = FakeSigner("alice")
LOG = extend(ALICE, None, 20)
TREE = Tree([entry.id for entry in LOG])


def write(signer, kind, body, head=None):
    hlc = pack(NOW_MS + 100) if head is None else head.hlc + 1
    return seal(signer, SWARM, head, kind=kind, body=body, hlc=hlc)


def checkpoint(size: int, root: bytes | None = None) -> Checkpoint:
    return Checkpoint(ALICE.public, size, root or TREE.root(size))


def checkpoint_entry(size: int = 20, root: bytes | None = None):
    return write(ALICE, Kind.CHECKPOINT, checkpoint(size, root).encode(), LOG[-1].head)


def cosign(name: str, *claims: Checkpoint):
    return write(FakeSigner(name), Kind.COSIGN, encode_cosign(claims))


def test_bodies_read_as_they_were_written():
    assert parse_checkpoint(checkpoint_entry()) == checkpoint(20)
    others = [Checkpoint(FakeSigner(str(at)).public, at + 1, bytes(32)) for at in range(63)]
    claims = sorted([checkpoint(20), *others], key=lambda claim: claim.author)
    assert len(claims) == MAX_COSIGNED
    assert parse_cosign(cosign("bob", *reversed(claims))) == claims


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        dumps([20, bytes(32)]),
        dumps({0: 20}),
        dumps({0: 20, 1: bytes(32), 2: 1}),
        dumps({0: 0, 1: bytes(32)}),
        dumps({0: True, 1: bytes(32)}),
        dumps({0: 21, 1: bytes(32)}),
        dumps({0: 20, 1: bytes(31)}),
    ],
)
def test_checkpoints_are_closed(body):
    with pytest.raises(InvalidEntry):
        parse_checkpoint(write(ALICE, Kind.CHECKPOINT, body, LOG[-1].head))
    with pytest.raises(InvalidEntry):
        parse_checkpoint(write(ALICE, Kind.TASK, checkpoint(20).encode(), LOG[-1].head))
    with pytest.raises(InvalidEntry):
        parse_checkpoint(checkpoint_entry().without_body())


ROW = [bytes(32), 1, bytes(32)]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        {},
        [ROW, ROW],
        [[bytes(31), 1, bytes(32)]],
        [[bytes(32), 0, bytes(32)]],
        [[bytes(32), True, bytes(32)]],
        [[bytes(32), MAX_UINT63 + 1, bytes(32)]],
        [[bytes(32), 1, bytes(33)]],
        [[bytes(32), 1]],
        [[bytes(31) + bytes([at]), 1, bytes(32)] for at in range(MAX_COSIGNED + 1)],
    ],
)
def test_cosign_entries_are_closed(rows):
    with pytest.raises(InvalidEntry):
        parse_cosign(write(ALICE, Kind.COSIGN, dumps(rows)))
    with pytest.raises(InvalidEntry):
        parse_cosign(write(ALICE, Kind.TASK, dumps([ROW])))
    with pytest.raises(InvalidEntry):
        parse_cosign(write(ALICE, Kind.COSIGN, b"\xff"))


def test_the_rules_of_a_witness():
    last, new = checkpoint(8), checkpoint(20)
    assert may_cosign(None, new, TREE.root(20))
    assert may_cosign(last, new, TREE.root(20))
    assert may_cosign(new, new, TREE.root(20))
    assert not may_cosign(last, new, None)
    assert not may_cosign(new, last, TREE.root(8))
    for before, root_here in ((None, TREE.root(19)), (checkpoint(20, bytes(32)), TREE.root(20))):
        with pytest.raises(InvalidEntry) as caught:
            may_cosign(before, new, root_here)
        assert caught.value.reason == Reason.BAD_PROOF


def test_growth_can_be_proven_without_the_log():
    last, new, proof = checkpoint(8), checkpoint(20), TREE.consistency(8)
    check_growth(last, new, proof)
    for wrong in (
        (last, new, proof[1:]),
        (checkpoint(8, EMPTY_ROOT), new, proof),
        (replace(last, author=bytes(32)), new, proof),
        (new, last, proof),
    ):
        with pytest.raises(InvalidEntry):
            check_growth(*wrong)


def sealed(seq: int, *names: str) -> Sealed:
    cosigns = tuple(cosign(name, checkpoint(20)).encode() for name in names)
    return Sealed(tuple(TREE.inclusion(seq - 1)), checkpoint_entry().encode(), cosigns)


def test_a_seal_names_its_witnesses():
    bob, carol = FakeSigner("bob"), FakeSigner("carol")
    for entry in LOG:
        found = verify_sealed(sealed(entry.seq, "bob", "carol"), entry, SWARM, fake_verify)
        assert found == {bob.public, carol.public}
    # Neither the author itself nor a second signature of one witness adds anything.
    assert verify_sealed(sealed(3, "alice", "bob", "bob"), LOG[2], SWARM, fake_verify) == {
        bob.public
    }
    assert verify_sealed(sealed(3), LOG[2], SWARM, fake_verify) == frozenset()


def test_a_seal_that_does_not_hold_is_refused():
    good = sealed(3, "bob")
    foreign = cosign("bob", checkpoint(19)).encode()
    unsigned = replace(checkpoint_entry(), signature=bytes(64)).encode()
    other = extend(FakeSigner("dave"), None, 3)[2]
    for wrong, entry in (
        (good, LOG[3]),
        (good, other),
        (replace(good, path=good.path[1:]), LOG[2]),
        (replace(good, path=good.path * MAX_PROOF_HASHES), LOG[2]),
        (replace(good, checkpoint=checkpoint_entry(20, bytes(32)).encode()), LOG[2]),
        (replace(good, checkpoint=checkpoint_entry(2).encode()), LOG[2]),
        (replace(good, checkpoint=LOG[5].encode()), LOG[2]),
        (replace(good, checkpoint=unsigned), LOG[2]),
        (replace(good, cosigns=(foreign,)), LOG[2]),
        (replace(good, cosigns=(LOG[5].encode(),)), LOG[2]),
        (replace(good, cosigns=good.cosigns * (MAX_COSIGNATURES + 1)), LOG[2]),
    ):
        with pytest.raises(InvalidEntry):
            verify_sealed(wrong, entry, SWARM, fake_verify)
    signature_broken = replace(cosign("bob", checkpoint(20)), signature=bytes(64))
    with pytest.raises(InvalidEntry) as caught:
        witnesses(checkpoint_entry(), [signature_broken], SWARM, fake_verify)
    assert caught.value.reason == Reason.BAD_SIGNATURE
