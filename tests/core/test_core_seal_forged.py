"""Seals that were tampered with: by a reader who changes bytes, or by one who signs untruths."""

from dataclasses import replace

from core_seal import Conductor
from core_stage import SWARM, Peer
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import Checkpoint, Kind, codec, encode_cosign, parse_checkpoint, parse_entry, seal
from symphony.core.effects import KeepReceipt
from symphony.core.ids import TaskId
from symphony.core.inputs import Submit
from symphony.core.receipts.receipt import RECEIPT
from symphony.core.receipts.report import UNSEEN
from symphony.core.spec import TaskSpec

HONEST = Conductor(chains=2)
DATA = HONEST.sealed()


def test_every_single_byte_counts():
    conductor = Conductor(witnesses="ada")
    data = conductor.sealed()
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << (at % 8)
        conductor.refusal(bytes(changed))


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
@settings(max_examples=150, deadline=None)
def test_any_changed_byte_is_refused(at, flip):
    data = bytearray(DATA)
    data[at] ^= flip
    HONEST.refusal(bytes(data))


@given(st.integers(0, len(DATA)), st.binary(max_size=40), st.integers(0, 40))
@settings(max_examples=150, deadline=None)
def test_bytes_put_in_or_taken_out_are_refused(at, put_in, taken):
    data = DATA[:at] + put_in + DATA[at + taken :]
    if data != DATA:
        HONEST.refusal(data)


def test_fields_that_no_receipt_has_are_refused():
    for path in ((), ("seal",)):
        value = codec.loads(DATA, max_bytes=len(DATA))
        inner = value
        for name in path:
            inner = inner[name]
        inner["hidden"] = b"a message"
        assert "fields that no receipt has" in HONEST.refusal(codec.dumps(value))


def test_paths_of_other_entries_are_refused():
    paths = RECEIPT.decode(DATA).seal.paths
    assert "paths for" in HONEST.forged(DATA, paths=paths[:-1])
    assert "paths for" in HONEST.forged(DATA, paths=(*paths, paths[0]))
    assert "is not in the log" in HONEST.forged(DATA, paths=(*paths[1:], paths[0]))
    assert "is not in the log" in HONEST.forged(DATA, paths=(paths[0] + bytes(32), *paths[1:]))
    assert "is not in the log" in HONEST.forged(DATA, paths=(paths[0][:-1], *paths[1:]))


def test_a_seal_of_another_receipt_is_refused():
    conductor = Conductor()
    conductor.sealed()
    conductor.stage.effects.clear()
    other = TaskId(b"u" * 16)
    spec = TaskSpec("What is 6 x 7?", chains=1, planning="never", answer_type="number")
    conductor.stage.give(Submit(other, b"s" * 16, spec))
    while not conductor.stage.of(KeepReceipt):
        conductor.stage.finish("Answer: 42")
    older = RECEIPT.decode(conductor.sealer.complete(conductor.receipt)[0]).seal
    receipt = RECEIPT.decode(conductor.stage.of(KeepReceipt)[0].receipt)
    assert conductor.verified(RECEIPT.encode(receipt)).seal is None
    swapped = RECEIPT.encode(replace(receipt, seal=older))
    assert "is not in the log" in conductor.refusal(swapped)


def test_a_checkpoint_over_another_history_is_refused():
    """The conductor signs a root of another log, or shows one that is not its own."""
    stage = HONEST.stage
    claim = parse_checkpoint(parse_entry(RECEIPT.decode(DATA).seal.checkpoint))
    head = stage.swarm.journal.book.head(stage.me)
    sealing = (stage.signer, SWARM, head)
    lie = seal(
        *sealing,
        kind=Kind.CHECKPOINT,
        body=replace(claim, root=bytes(32)).encode(),
        hlc=head.hlc + 1,
    )
    assert "is not in the log" in HONEST.forged(DATA, checkpoint=lie.encode())
    foreign = Peer("eve", stage.keys)
    for _ in range(claim.size):
        foreign.entry(Kind.TASK, b"")
    entry = foreign.entry(Kind.CHECKPOINT, claim.encode())
    assert "not of the conductor's log" in HONEST.forged(DATA, checkpoint=entry.encode())
    no_checkpoint = seal(*sealing, kind=Kind.TASK, body=claim.encode(), hlc=head.hlc + 1)
    assert "a checkpoint is" in HONEST.forged(DATA, checkpoint=no_checkpoint.encode())
    unsigned = replace(lie, signature=bytes(64)).encode()
    assert "an entry does not hold" in HONEST.forged(DATA, checkpoint=unsigned)


def test_a_checkpoint_in_the_place_of_another_entry_proves_a_fork():
    stage = HONEST.stage
    own = [parse_entry(raw) for raw in RECEIPT.decode(DATA).entries]
    before = own[1].prev
    claim = Checkpoint(stage.me, 1, own[0].prev or own[0].id)
    head = replace(own[1].head, seq=own[1].seq - 1, id=before)
    second = seal(stage.signer, SWARM, head, kind=Kind.CHECKPOINT, body=claim.encode(), hlc=2**60)
    assert "its log forked" in HONEST.forged(DATA, checkpoint=second.encode())


def test_cosignatures_must_be_others_and_of_this_checkpoint():
    receipt = RECEIPT.decode(DATA)
    claim = parse_checkpoint(parse_entry(receipt.seal.checkpoint))
    first, *rest = receipt.seal.cosigns
    stage = HONEST.stage

    def cosigned(author, about) -> bytes:
        return author.entry(Kind.COSIGN, encode_cosign([about])).encode()

    eve = Peer("eve", stage.keys)
    for about in (replace(claim, size=claim.size + 1), replace(claim, root=bytes(32))):
        assert "for another checkpoint" in HONEST.forged(DATA, cosigns=(cosigned(eve, about),))
    head = stage.swarm.journal.book.head(stage.me)
    own = seal(
        stage.signer,
        SWARM,
        head,
        kind=Kind.COSIGN,
        body=encode_cosign([claim]),
        hlc=head.hlc + 1,
    )
    assert "no witness of its own log" in HONEST.forged(DATA, cosigns=(own.encode(),))
    assert "not in order, each once" in HONEST.forged(DATA, cosigns=(first, first))
    assert "not in order, each once" in HONEST.forged(DATA, cosigns=(*rest, first))
    unsigned = replace(parse_entry(first), signature=bytes(64)).encode()
    assert "an entry does not hold" in HONEST.forged(DATA, cosigns=(unsigned,))
    other_kind = eve.entry(Kind.TASK, encode_cosign([claim])).encode()
    assert "a cosign entry is" in HONEST.forged(DATA, cosigns=(other_kind,))


def test_fewer_witnesses_are_no_tampering_but_are_counted():
    """Nothing says how many there were: whoever wants more asks for them."""
    receipt = RECEIPT.decode(DATA)
    for count in range(3):
        fewer = replace(receipt.seal, cosigns=receipt.seal.cosigns[:count])
        report = HONEST.verified(RECEIPT.encode(replace(receipt, seal=fewer)))
        assert len(report.seal.witnesses) == count
        assert (UNSEEN in report.not_proven) == (count == 0)
