"""`symphony reputation`: two nodes with the same entries say the same, in the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger import Checkpoint, Entry, Head, Kind, PrivateKey, seal
from ledger.sqlite import SqliteStore
from symphony.core.records import PROBE, ProbeOutcome, ProbeRecord
from symphony.identity import read_swarm

from .conftest import Run

T0_MS = 1_700_000_000_000
PROBERS = [PrivateKey(name * 32) for name in (b"p", b"q")]
AGENT_NODE = PrivateKey(b"a" * 32).public


def _log(key: PrivateKey, swarm_id: bytes, step_ms: int) -> list[Entry]:
    """Three probe entries, a checkpoint of them, and one entry after it."""
    head: Head | None = None
    made: list[Entry] = []
    for number in range(5):
        outcome = ProbeOutcome(AGENT_NODE, "solver", "math", bytes(32), right=number != 1)
        kind, body = Kind.PROBE, PROBE.encode(ProbeRecord((outcome,)))
        if number == 3:
            kind, body = Kind.CHECKPOINT, Checkpoint(key.public, 3, bytes(32)).encode()
        hlc = (T0_MS + (number + 1) * step_ms) << 16
        made.append(seal(key, swarm_id, head, kind=kind, body=body, hlc=hlc))
        head = made[-1].head
    return made


@pytest.fixture
def homes(run: Run, home: Path, tmp_path: Path) -> tuple[Path, Path, list[Entry]]:
    """Two nodes of one swarm that got the same logs in another order."""
    run("init")
    swarm = read_swarm(home)
    assert swarm is not None
    other = tmp_path / "other"
    run("--home", other, "init")
    (other / "swarm.cbor").write_bytes((home / "swarm.cbor").read_bytes())
    first, second = (
        _log(key, swarm.swarm_id, ms) for key, ms in zip(PROBERS, (7, 11), strict=True)
    )
    for place, entries in ((home, [*first, *second]), (other, [*second, *first])):
        store = SqliteStore.open(place / "ledger.sqlite", swarm.swarm_id)
        for entry in entries:
            store.append([entry])
        store.close()
    return home, other, first


def test_two_nodes_say_the_same(run: Run, homes: tuple[Path, Path, list[Entry]]) -> None:
    one, other, log = homes
    at = log[3].id.hex()
    said = [run("reputation", "--home", place, "--at", at, "--json") for place in (one, other)]
    assert [ran.code for ran in said] == [0, 0]
    assert said[0].out == said[1].out
    found = said[0].json()
    assert found["at_ms"] == T0_MS + 28
    assert found["entries"] == 5, "three of one log, two of the other are that old"
    row = found["standings"][0]
    assert (row["right_milli"], row["wrong_milli"], row["state"]) == (3000, 2000, "active")


def test_at_another_moment_it_is_another(run: Run, homes: tuple[Path, Path, list[Entry]]) -> None:
    _, _, log = homes
    then = run("reputation", "--at", log[3].id.hex()[:12], "--json").json()
    now = run("reputation", "--json").json()
    assert then["digest"] != now["digest"]
    assert now["entries"] == 8
    assert "60.0%" not in run("reputation").out
    assert "active" in run("reputation").out


@pytest.mark.parametrize("at", ["xyz", "ab", "0" * 64])
def test_a_checkpoint_that_is_not_there(
    run: Run, homes: tuple[Path, Path, list[Entry]], at: str
) -> None:
    ran = run("reputation", "--at", at)
    assert ran.code == 2
    assert "next:" in ran.err
