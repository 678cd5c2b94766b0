"""The shelf of receipts: found by task or digest, sealed from the store, never lost with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio

from ledger import Entry, MemoryStore, StoreError, parse_entry
from symphony.core.inputs import Input, SealWanted
from symphony.core.receipts.receipt import RECEIPT
from symphony.node.hub import Hub
from symphony.node.receipts import Receipts

FROZEN = json.loads((Path(__file__).parent / "vectors" / "v1" / "receipt.json").read_text())
PLAIN, SEALED = bytes.fromhex(FROZEN["receipt"]), bytes.fromhex(FROZEN["sealed"])
DIGEST, TASK = bytes.fromhex(FROZEN["digest"]), b"t" * 16

T = TypeVar("T")


class Edge:
    """What the shelf needs of the loop: a disk, and an ear."""

    def __init__(self) -> None:
        self.fed: list[Input] = []

    async def feed(self, happened: Input) -> None:
        await trio.lowlevel.checkpoint()
        self.fed.append(happened)

    async def on_disk(self, work: Callable[[], T]) -> T:
        await trio.lowlevel.checkpoint()
        return work()


class Broken(MemoryStore):
    """A disk that fails."""

    def rowid(self, author: bytes, seq: int) -> int | None:
        raise StoreError(f"no entry {seq} of {author.hex()[:8]} can be read")


def logs() -> list[Entry]:
    """The conductor's log with its checkpoint, and the logs of the witnesses."""
    sealed = RECEIPT.decode(SEALED)
    assert sealed.seal is not None
    own = [*sealed.capabilities, *sealed.entries, sealed.seal.checkpoint]
    return sorted(map(parse_entry, own), key=lambda entry: entry.seq) + [
        parse_entry(raw) for raw in sealed.seal.cosigns
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / f"{TASK.hex()}.receipt").write_bytes(PLAIN)
    (tmp_path / f"{bytes(16).hex()}.receipt").write_bytes(b"of somebody else")
    return tmp_path


def shelf(folder: Path, entries: list[Entry], kind: type[MemoryStore] = MemoryStore) -> Any:
    store = kind(RECEIPT.decode(PLAIN).swarm)
    store.append(entries)
    edge = Edge()
    return edge, Receipts(folder, edge, store, Hub())  # type: ignore[arg-type]


@pytest.mark.parametrize("reference", [TASK, DIGEST], ids=["task", "digest"])
async def test_a_receipt_comes_with_its_seal_and_is_kept_with_it(
    folder: Path, reference: bytes
) -> None:
    edge, receipts = shelf(folder, logs())
    assert await receipts.find(reference) == SEALED
    assert edge.fed == [SealWanted()]  # three witnesses are better than two
    kept = folder / f"{TASK.hex()}.receipt"
    assert kept.read_bytes() == SEALED
    assert kept.stat().st_mode & 0o777 == 0o600
    _, later = shelf(folder, [])  # the ledger has forgotten all of it
    assert await later.find(reference) == SEALED


async def test_one_that_has_all_its_witnesses_is_left_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("symphony.core.limits.WITNESSES", 2)
    monkeypatch.setattr("symphony.node.receipts.WITNESSES", 2)
    edge, receipts = shelf(folder, logs(), Broken)
    assert await receipts.find(TASK) == PLAIN
    (folder / f"{TASK.hex()}.receipt").write_bytes(SEALED)
    assert await receipts.find(TASK) == SEALED  # without a look into the store
    assert edge.fed == []


async def test_without_a_checkpoint_it_comes_as_it_is_and_a_seal_is_wanted(folder: Path) -> None:
    edge, receipts = shelf(folder, logs()[:5])
    assert await receipts.find(TASK) == PLAIN
    assert edge.fed == [SealWanted()]


async def test_what_is_not_here_is_not_found(folder: Path) -> None:
    edge, receipts = shelf(folder, [])
    assert await receipts.find(b"u" * 16) is None
    assert await receipts.find(b"u" * 32) is None
    assert edge.fed == []


async def test_a_damaged_file_is_handed_out_as_it_is_for_its_reader_to_see(folder: Path) -> None:
    edge, receipts = shelf(folder, logs())
    assert await receipts.find(bytes(16)) == b"of somebody else"
    assert edge.fed == []


async def test_a_store_that_fails_costs_the_seal_and_not_the_receipt(folder: Path) -> None:
    edge, receipts = shelf(folder, logs(), Broken)
    assert await receipts.find(TASK) == PLAIN
    assert edge.fed == []
