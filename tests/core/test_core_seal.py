"""Seals: made when somebody asks, found in the ledger, and checked offline."""

import time

import pytest
from core_seal import Conductor
from core_stage import SWARM, Stage, capability

from ledger import (
    Checkpoint,
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
from ledger.horizon import Horizon
from symphony.core import limits
from symphony.core.effects import HashLog, SetTimer
from symphony.core.inputs import LogHashed, SealWanted
from symphony.core.messages import CosignAsked, Entries
from symphony.core.receipts.bundle import receipt_digest, unsealed
from symphony.core.receipts.receipt import RECEIPT
from symphony.core.receipts.report import UNSEEN
from symphony.core.receipts.sealing import Sealer
from symphony.core.timers import CheckpointDue
from symphony.testing.signing import RealKeys

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


def test_a_log_that_begins_at_a_horizon_still_gives_proofs():
    conductor = Conductor(before=40)
    data = conductor.sealed()
    sealed = RECEIPT.decode(data)
    task, cosign = parse_entry(sealed.entries[0]), parse_entry(sealed.seal.cosigns[0])
    checkpoint = parse_entry(sealed.seal.checkpoint)
    store = conductor.store

    def begin(size) -> None:
        """Everything up to `size` is forgotten."""
        last = store.get(task.author, size).head
        frontier = store.frontier(task.author, size)
        assert store.begin(Horizon(checkpoint, frontier, last, checkpoint, (cosign,)))
        store.drop_headers(1000)

    begin(task.seq - 5)
    assert store.get(task.author, 7) is None
    assert Sealer(store, conductor.disk).complete(conductor.receipt)[0] == data
    begin(task.seq)
    assert Sealer(store, conductor.disk).complete(conductor.receipt) == (conductor.receipt, None)
    assert Sealer(store, conductor.disk).complete(data) == (data, 3)


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
    assert conductor.disk_calls == again + 4


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


def test_what_a_life_before_wrote_last_is_sealed_as_well():
    stage = Stage(capability())
    assert stage.swarm.witness.latest is None
    stage.swarm.witness._news = 0  # as after a restart: the entries are there, nothing is new
    stage.effects.clear()
    stage.give(SealWanted())
    stage.wait(0)
    assert stage.of(HashLog) == [HashLog(stage.me, 1)]


def test_others_are_asked_when_witnesses_are_lacking():
    stage = Stage(capability(), peers="ada bob cid dan")

    def asked() -> set[str]:
        found = {name for name in stage.peers if stage.sent(name, CosignAsked)}
        stage.effects.clear()
        return found

    stage.give(SealWanted())
    stage.wait(0)
    size = stage.of(HashLog)[0].size
    stage.give(LogHashed(stage.me, size, bytes(32)))
    first = asked()
    assert len(first) == limits.WITNESSES
    answered = min(first)
    body = encode_cosign([Checkpoint(stage.me, size, bytes(32))])
    stage.heard(answered, Entries((stage.peers[answered].entry(Kind.COSIGN, body).encode(),)))
    stage.give(SealWanted())
    assert asked() == set()  # they had no time to answer yet
    stage.now_ms += limits.SEAL_AGAIN_MS
    stage.give(SealWanted())
    again = asked()
    assert len(again) == limits.WITNESSES - 1
    assert answered not in again
    for name in sorted(stage.peers.keys() - {answered})[:2]:
        stage.heard(name, Entries((stage.peers[name].entry(Kind.COSIGN, body).encode(),)))
    stage.now_ms += limits.SEAL_AGAIN_MS
    stage.give(SealWanted())
    assert asked() == set()


# --- cost -------------------------------------------------------------------------------------


def test_nine_ballots_are_verified_within_fifty_milliseconds():
    conductor = Conductor(chains=9, rule="match", keys=RealKeys())
    data = conductor.sealed()
    assert len(conductor.verified(data).ballots) == 9

    def cpu_ms() -> float:
        began = time.process_time()
        conductor.verified(data)
        return (time.process_time() - began) * 1000

    assert min(cpu_ms() for _ in range(3)) <= 50
