"""`symphony receipt fetch`: wait for the seal, save what there is, and say which it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gateway.live import Live

from symphony.core.receipts.bundle import receipt_digest

from .conftest import Run

VECTORS = Path(__file__).parents[1] / "vectors" / "v1" / "receipt.json"
FROZEN = json.loads(VECTORS.read_text())
PLAIN, SEALED = bytes.fromhex(FROZEN["receipt"]), bytes.fromhex(FROZEN["sealed"])
TASK = "ab" * 16


class Shelf:
    """What a port gives: the next of these each time, and the last for ever."""

    def __init__(self, *given: bytes) -> None:
        self.given = list(given)
        self.asked: list[bytes] = []

    async def __call__(self, reference: bytes) -> bytes:
        self.asked.append(reference)
        return self.given.pop(0) if len(self.given) > 1 else self.given[0]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "it.receipt"


def give(live: Live, *given: bytes) -> Shelf:
    shelf = Shelf(*given)
    live.port.receipt = shelf  # type: ignore[method-assign]
    return shelf


def test_it_waits_for_the_seal(run: Run, live: Live, file: Path) -> None:
    shelf = give(live, PLAIN, SEALED)
    done = run("receipt", "fetch", TASK, file)
    assert (done.code, done.out) == (0, "")
    assert "sealed, seen by 2 other nodes" in done.err
    assert file.read_bytes() == SEALED
    assert shelf.asked == [bytes.fromhex(TASK)] * 2
    shown = run("receipt", "verify", file)
    assert f"sealed     at size {FROZEN['size']} of the conductor's log" in shown.out
    assert "seen by 2 witnesses" in shown.out
    told = run("receipt", "verify", file, "--json").json()
    assert told["digest"] == FROZEN["digest"]
    assert told["report"]["seal"]["witnesses"] == FROZEN["witnesses"]


def test_it_does_not_wait_for_ever(run: Run, live: Live, file: Path) -> None:
    shelf = give(live, PLAIN)
    done = run("receipt", "fetch", FROZEN["digest"], file, "--wait", "1ms", "--json")
    assert done.json() == {"digest": FROZEN["digest"], "witnesses": None}
    assert file.read_bytes() == PLAIN
    assert shelf.asked == [bytes.fromhex(FROZEN["digest"])]
    assert "not sealed yet" in run("receipt", "fetch", TASK, file, "--wait", "1ms").err
    assert "sealed     not yet" in run("receipt", "verify", file).out


def test_what_is_no_receipt_is_not_saved(run: Run, live: Live, file: Path) -> None:
    give(live, b"no receipt")
    assert run("receipt", "fetch", TASK, file).code == 7
    assert not file.exists()


def test_a_sealed_receipt_is_the_one_that_the_verdict_names(
    run: Run, live: Live, file: Path
) -> None:
    from gateway.fake_port import ending

    give(live, SEALED)
    live.port.ends = lambda task: ending(task, receipt=receipt_digest(PLAIN))
    done = run("submit", "6 x 7?", "--receipt", file)
    assert (done.code, file.read_bytes()) == (0, SEALED)
