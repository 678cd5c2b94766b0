"""The ledger as a file: what is exported is taken in elsewhere, and nothing that does not hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ledger import (
    Checkpoint,
    Entry,
    Frontier,
    Head,
    Kind,
    PrivateKey,
    encode_cosign,
    encode_horizon,
    fork,
    parse_horizon,
    seal,
    verify,
)
from ledger.sequence import heading
from ledger.sqlite import SqliteStore
from symphony.identity import load_identity, read_swarm
from symphony.node.high_water import HighWater

from .conftest import Run

COUNT = 700  # more than a page


def _swarm_id(home: Path) -> bytes:
    swarm = read_swarm(home)
    assert swarm is not None
    return swarm.swarm_id


def _chain(key: PrivateKey, swarm_id: bytes, count: int, *, word: bytes = b"") -> list[Entry]:
    head: Head | None = None
    made = []
    for number in range(1, count + 1):
        hlc = (1_700_000_000_000 + number) << 16
        body = word + b"%d" % number
        entry = seal(key, swarm_id, head, kind=Kind.TASK, body=body, hlc=hlc)
        made.append(entry)
        head = entry.head
    return made


@pytest.fixture
def logs(run: Run, home: Path) -> tuple[list[Entry], list[Entry]]:
    """A home with a long log of its own node and a short one of a stranger."""
    run("init")
    swarm_id = _swarm_id(home)
    own = _chain(load_identity(home), swarm_id, COUNT)
    other = _chain(PrivateKey(b"o" * 32), swarm_id, 3)
    _store(home, [*own, *other])
    return own, other


def _store(home: Path, entries: Sequence[Entry]) -> None:
    store = SqliteStore.open(home / "ledger.sqlite", _swarm_id(home))
    store.append(entries)
    store.close()


def _written(home: Path, items: Sequence[bytes]) -> Path:
    file = home / "made.cbor"
    file.write_bytes(heading(_swarm_id(home)) + b"".join(items))
    return file


def test_what_is_exported_comes_back(
    run: Run, home: Path, logs: tuple[list[Entry], list[Entry]]
) -> None:
    file = home / "all.cbor"
    assert run("ledger", "export", str(file), "--json").json()["entries"] == COUNT + 3
    assert run("ledger", "export", str(file)).code == 2
    (home / "ledger.sqlite").unlink()
    report = run("ledger", "import", str(file), "--json").json()
    assert (report["ok"], report["added"], report["known"]) == (True, COUNT + 3, 0)
    assert run("ledger", "verify", "--json").json()["entries"] == COUNT + 3
    assert HighWater(home).seq == COUNT
    again = run("ledger", "import", str(file), "--json").json()
    assert (again["added"], again["known"]) == (0, COUNT + 3)
    stats = run("ledger", "stats", "--json").json()
    assert stats["kinds"]["task"]["entries"] == COUNT + 3
    assert (stats["logs"], stats["forks"]) == (2, 0)


def test_a_log_that_begins_at_a_horizon_is_exported_and_taken_in(run: Run, home: Path) -> None:
    run("init")
    author, other = PrivateKey(b"a" * 32), PrivateKey(b"o" * 32)
    swarm_id, size = _swarm_id(home), 5
    log = _chain(author, swarm_id, size)
    frontier = Frontier().extend(entry.id for entry in log)
    claim = Checkpoint(author.public, size, frontier.root())
    cosign = encode_cosign([claim])
    seen = seal(other, swarm_id, None, kind=Kind.COSIGN, body=cosign, hlc=log[-1].hlc)

    def say(kind: Kind, body: bytes) -> Entry:
        head = log[-1].head
        log.append(seal(author, swarm_id, head, kind=kind, body=body, hlc=head.hlc + 1))
        return log[-1]

    checkpoint = say(Kind.CHECKPOINT, claim.encode())
    body = encode_horizon(frontier, log[size - 1].head, checkpoint, [seen])
    horizon = parse_horizon(say(Kind.HORIZON, body))
    _store(home, log)
    for _ in range(2):  # the second time from what the first one took in
        store = SqliteStore.open(home / "ledger.sqlite", swarm_id)
        assert store.begin(horizon)
        assert store.drop_headers(9) in (0, size)
        store.close()
        file = home / "all.cbor"
        file.unlink(missing_ok=True)
        assert run("ledger", "export", str(file), "--json").json()["entries"] == 2
        (home / "ledger.sqlite").unlink()
        assert run("ledger", "import", str(file), "--json").json()["ok"]
        assert run("ledger", "verify").code == 0
        assert (
            run("ledger", "import", str(file), "--json").json()["known"] == 3
        )  # the horizon twice
    _store(home, log[:1])
    (home / "ledger.sqlite").unlink()
    _store(home, log[:size])
    assert run("ledger", "import", str(file), "--json").json()["ok"]


def test_a_horizon_is_put_into_the_own_log(run: Run, home: Path) -> None:
    assert run("ledger", "horizon").code == 2
    run("init")
    swarm_id, key = _swarm_id(home), load_identity(home)
    log = _chain(key, swarm_id, 5)
    frontier = Frontier().extend(entry.id for entry in log)
    claim = Checkpoint(key.public, 5, frontier.root())
    head = log[-1].head
    body = claim.encode()
    log.append(seal(key, swarm_id, head, kind=Kind.CHECKPOINT, body=body, hlc=head.hlc + 1))
    _store(home, log)
    assert run("ledger", "horizon").code == 7  # nothing says that the log ends there
    mark = HighWater(home)
    mark.raise_to(6)
    mark.close()
    assert run("ledger", "horizon", "--json").json() == {"size": None, "entry": None}
    other, seen = PrivateKey(b"o" * 32), encode_cosign([claim])
    _store(home, [seal(other, swarm_id, None, kind=Kind.COSIGN, body=seen, hlc=head.hlc)])
    assert run("ledger", "horizon", "--json").json()["size"] == 5
    assert HighWater(home).seq == 7
    assert run("ledger", "verify").code == 0
    assert "nothing to do" in run("ledger", "horizon").out


def test_what_is_derived_is_made_anew(run: Run, home: Path) -> None:
    assert run("ledger", "rebuild").code == 2
    run("init")
    author = load_identity(home)
    _store(home, _chain(author, _swarm_id(home), 3))
    store = SqliteStore.open(home / "ledger.sqlite", _swarm_id(home))
    store.frontier(author.public, 3)
    store._db.execute("UPDATE frontier SET peaks = zeroblob(64)")
    store.close()
    assert run("ledger", "verify").code == 7
    assert run("ledger", "rebuild", "--json").json() == {"frontiers": 1, "expiries": 0}
    assert "1 trees" in run("ledger", "rebuild").out
    assert run("ledger", "verify").code == 0


def test_what_does_not_hold_is_named_and_the_rest_is_kept(run: Run, home: Path) -> None:
    run("init")
    swarm_id = _swarm_id(home)
    good, other = (_chain(PrivateKey(seed * 32), swarm_id, 3) for seed in (b"g", b"o"))
    forged = good[2].encode().replace(good[2].signature, bytes(64))
    file = _written(home, [good[0].encode(), good[1].encode(), forged, other[0].encode()])
    done = run("ledger", "import", str(file), "--json")
    assert done.code == 7
    assert done.json()["added"] == 3
    assert "entry 3" in done.json()["problems"][0]
    assert run("ledger", "verify").code == 0
    file = _written(home, [other[1].encode(), b"\xff\xff", other[2].encode()])
    done = run("ledger", "import", str(file), "--json")
    assert done.code == 7
    assert "item 2" in done.json()["problems"][0]
    assert done.json()["added"] == 1


def test_a_file_of_another_swarm_is_refused(run: Run, home: Path) -> None:
    run("init")
    file = home / "strange.cbor"
    file.write_bytes(heading(bytes(32)))
    done = run("ledger", "import", str(file))
    assert done.code == 7
    assert "not a ledger file of this swarm" in done.err


def test_a_branch_in_the_file_is_a_proof(
    run: Run, home: Path, logs: tuple[list[Entry], list[Entry]]
) -> None:
    key = PrivateKey(b"o" * 32)
    branch = _chain(key, _swarm_id(home), 2, word=b"other ")
    file = _written(home, [branch[0].encode()])
    report = run("ledger", "import", str(file), "--json").json()
    assert (report["forks"], report["added"]) == (1, 0)
    store = SqliteStore.open(home / "ledger.sqlite", _swarm_id(home))
    [proof] = store.forks()
    assert proof == fork.find(branch[0], logs[1][0])
    assert list(store.verify_all(verify)) == []
    store.close()
    (home / "made.cbor").unlink()
    assert run("ledger", "export", str(home / "all.cbor"), "--json").json()["forks"] == 1
