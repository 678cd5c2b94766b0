"""Seals: found in the ledger, checked offline, and every tampering refused by name."""

import time
from dataclasses import replace
from typing import Any

import pytest
from core_stage import SWARM, Peer, Stage, capability
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import (
    Checkpoint,
    Entry,
    Kind,
    MemoryStore,
    codec,
    encode_cosign,
    fork,
    parse_checkpoint,
    parse_entry,
    seal,
    verify_sealed,
)
from ledger import Sealed as SealedEntry
from ledger.errors import DecodeError, InvalidEntry
from symphony.core import limits
from symphony.core.bundle import receipt_digest, unsealed
from symphony.core.effects import Append, CancelWork, HashLog, KeepReceipt, SetTimer, StartWork
from symphony.core.ids import TaskId
from symphony.core.inputs import Heard, LogHashed, SealWanted, Submit, TaskSpec
from symphony.core.messages import Entries
from symphony.core.receipt import RECEIPT, verify_receipt
from symphony.core.report import UNSEEN
from symphony.core.sealing import Sealer
from symphony.core.timers import CheckpointDue
from symphony.errors import ReceiptInvalid
from symphony.testing.signing import RealKeys


class Conductor:
    """A node that conducted one task on its own, its store, and some witnesses."""

    def __init__(self, *, chains=1, witnesses="ada bob cid", keys=None, before=0) -> None:
        self.stage = Stage(capability(), keys=keys)
        self.witnesses = {name: Peer(name, self.stage.keys) for name in witnesses.split()}
        self.disk_calls = 0
        for number in range(before):
            self.stage.swarm.journal.write(Kind.TASK, b"earlier %d" % number)
        self.stage.submit(chains=chains)
        while not self.stage.of(KeepReceipt):
            ended = self.stage.finished | {(e.unit, e.epoch) for e in self.stage.of(CancelWork)}
            if all((e.unit, e.epoch) in ended for e in self.stage.of(StartWork)):
                self.stage.wait(limits.CALL_BACKOFF_MS)  # the agent's queue was full
            else:
                self.stage.finish("Answer: 42")
        self.receipt = self.stage.of(KeepReceipt)[0].receipt
        self.store = MemoryStore(SWARM)
        self.sealer = Sealer(self.store, self.disk)

    def disk(self, work):
        self.disk_calls += 1
        self.keep()
        return work()

    def keep(self):
        """Store what was written; the stage forgets what came before its first line."""
        entries = [entry for effect in self.stage.of(Append) for entry in effect.entries]
        listings = [listing.entry for listing in self.stage.swarm.directory]
        first = [e for e in listings if e.author == self.stage.me and e.seq == 1]
        self.store.append([*first, *entries])

    def checkpoint(self) -> Entry:
        """Somebody fetched a receipt: the log is sealed."""
        self.stage.give(SealWanted())
        self.stage.wait(limits.SEAL_AGAIN_MS)
        asked = self.stage.of(HashLog)[-1]
        self.keep()
        root = self.store.frontier(asked.author, asked.size).root()
        self.stage.give(LogHashed(asked.author, asked.size, root))
        return self.stage.entries(Kind.CHECKPOINT)[-1]

    def cosign(self, name, checkpoint) -> Entry:
        peer = self.witnesses[name]
        entry = peer.entry(Kind.COSIGN, encode_cosign([parse_checkpoint(checkpoint)]))
        self.stage.give(Heard(peer.id, Entries((entry.encode(),))))
        return entry

    def sealed(self):
        """The receipt with a checkpoint that all witnesses saw."""
        checkpoint = self.checkpoint()
        for name in self.witnesses:
            self.cosign(name, checkpoint)
        data, count = self.sealer.complete(self.receipt)
        assert count == min(limits.WITNESSES, len(self.witnesses))
        return data

    def verified(self, data):
        return verify_receipt(data, verify=self.stage.keys.verify)

    def refusal(self, data) -> str:
        with pytest.raises(ReceiptInvalid) as caught:
            self.verified(data)
        return caught.value.message

    def forged(self, data, **changes: Any) -> str:
        """Why a receipt with this changed in its seal is refused."""
        receipt = RECEIPT.decode(data)
        return self.refusal(RECEIPT.encode(replace(receipt, seal=replace(receipt.seal, **changes))))


HONEST = Conductor(chains=2)
DATA = HONEST.sealed()


def test_a_receipt_that_is_not_sealed_says_so():
    conductor = Conductor()
    assert conductor.sealer.complete(conductor.receipt) == (conductor.receipt, None)
    report = conductor.verified(conductor.receipt)
    assert report.seal is None
    assert report.not_proven[-1] == UNSEEN


def test_a_sealed_receipt_names_who_saw_the_log():
    report = HONEST.verified(DATA)
    assert report.seal is not None
    verdict = HONEST.stage.entries(Kind.VERDICT)[0]
    assert report.seal.size >= verdict.seq
    assert list(report.seal.witnesses) == sorted(peer.id for peer in HONEST.witnesses.values())
    assert UNSEEN not in report.not_proven
    assert "3 other nodes" in report.proven[-1]
    assert report.answer == "42"


def test_its_name_is_that_of_the_receipt_without_the_seal():
    assert unsealed(DATA) == HONEST.receipt
    assert receipt_digest(DATA) == receipt_digest(HONEST.receipt)
    for other in (
        b"",
        b"no receipt",
        b"\x64seal",
        codec.dumps(["seal"]),
        codec.dumps({"a": "seal"}),
    ):
        assert unsealed(other) == other


def test_completing_again_gives_the_same_bytes():
    assert HONEST.sealer.complete(HONEST.receipt)[0] == DATA
    HONEST.stage.swarm.journal.write(Kind.TASK, b"news")
    HONEST.checkpoint()  # newer, and nobody saw it yet
    assert HONEST.sealer.complete(HONEST.receipt)[0] == DATA


def test_it_holds_by_the_rules_of_the_ledger_as_well():
    receipt = RECEIPT.decode(DATA)
    own = [parse_entry(raw) for raw in receipt.entries]
    own = [entry for entry in own if entry.author == HONEST.stage.me]
    assert {Kind(entry.kind) for entry in own} >= {Kind.TASK, Kind.AWARD, Kind.VERDICT}
    for entry, path in zip(own, receipt.seal.paths, strict=True):
        hashes = tuple(path[at : at + 32] for at in range(0, len(path), 32))
        of_entry = SealedEntry(hashes, receipt.seal.checkpoint, receipt.seal.cosigns)
        seen_by = verify_sealed(of_entry, entry, SWARM, HONEST.stage.keys.verify)
        assert seen_by == {peer.id for peer in HONEST.witnesses.values()}


# --- tampering --------------------------------------------------------------------------------


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


# --- finding ----------------------------------------------------------------------------------


def test_the_checkpoint_that_had_enough_witnesses_first_is_taken_else_the_best():
    conductor = Conductor()
    early = conductor.checkpoint()
    size = parse_checkpoint(early).size

    def found() -> tuple[int, int]:
        report = conductor.verified(conductor.sealer.complete(conductor.receipt)[0])
        return report.seal.size, len(report.seal.witnesses)

    assert found() == (size, 0)
    conductor.cosign("ada", early)
    assert found() == (size, 1)
    conductor.stage.swarm.journal.write(Kind.TASK, b"news")
    later = conductor.checkpoint()
    assert found() == (size, 1)
    conductor.cosign("ada", later)
    assert found() == (size, 1)
    conductor.cosign("bob", later)
    assert found() == (parse_checkpoint(later).size, 2)
    conductor.cosign("cid", later)
    assert found() == (parse_checkpoint(later).size, 3)
    conductor.cosign("bob", early)
    conductor.cosign("cid", early)
    assert found() == (parse_checkpoint(later).size, 3)  # it stays what it was


def test_the_word_of_a_forked_witness_is_worth_nothing():
    conductor = Conductor()
    checkpoint = conductor.checkpoint()
    conductor.cosign("ada", checkpoint)
    conductor.cosign("bob", checkpoint)
    ada = conductor.witnesses["ada"]
    bodies = (b"one", b"other")
    twice = [seal(ada.signer, SWARM, ada.head, kind=2, body=b, hlc=2**62) for b in bodies]
    conductor.store.add_fork(fork.find(*twice))
    report = conductor.verified(conductor.sealer.complete(conductor.receipt)[0])
    assert list(report.seal.witnesses) == [conductor.witnesses["bob"].id]


def test_a_verdict_that_is_not_in_the_store_has_no_seal():
    conductor = Conductor()
    elsewhere = Sealer(MemoryStore(SWARM), lambda work: work())
    assert elsewhere.complete(conductor.receipt) == (conductor.receipt, None)


def test_bytes_that_are_no_receipt_are_said_to_be_none():
    for data in (b"", HONEST.receipt[:-1]):
        with pytest.raises((DecodeError, InvalidEntry)):
            HONEST.sealer.complete(data)


def test_a_long_log_is_hashed_once_and_in_pages():
    conductor = Conductor(before=2 * limits.SEAL_PAGE_IDS + 5)
    data = conductor.sealed()
    assert conductor.verified(data).seal.size > 2 * limits.SEAL_PAGE_IDS
    conductor.disk_calls = 0
    assert conductor.sealer.complete(conductor.receipt)[0] == data
    again = conductor.disk_calls
    fresh = Sealer(conductor.store, conductor.disk)
    conductor.disk_calls = 0
    assert fresh.complete(conductor.receipt)[0] == data
    assert conductor.disk_calls == again + 3


# --- when -------------------------------------------------------------------------------------


def test_a_wanted_seal_is_made_at_once_but_not_again_and_again():
    stage = Conductor().stage
    stage.effects.clear()
    stage.give(SealWanted())
    stage.give(SealWanted())
    assert stage.of(SetTimer) == [SetTimer(CheckpointDue(), stage.now_ms)]
    stage.wait(0)
    [asked] = stage.of(HashLog)
    stage.give(LogHashed(stage.me, asked.size, bytes(32)))
    began_ms = stage.now_ms
    stage.effects.clear()
    stage.give(SealWanted())  # nothing new
    assert stage.effects == []
    stage.swarm.journal.write(Kind.TASK, b"news")
    stage.wait(1_000)
    stage.effects.clear()
    stage.give(SealWanted())
    due = [timer.at_ms for timer in stage.of(SetTimer) if timer.timer == CheckpointDue()]
    assert due == [began_ms + limits.SEAL_AGAIN_MS]


# --- cost -------------------------------------------------------------------------------------


def test_nine_ballots_are_verified_within_fifty_milliseconds():
    conductor = Conductor(chains=9, keys=RealKeys())
    data = conductor.sealed()
    assert len(conductor.verified(data).ballots) == 9

    def cpu_ms() -> float:
        began = time.process_time()
        conductor.verified(data)
        return (time.process_time() - began) * 1000

    assert min(cpu_ms() for _ in range(3)) <= 50
