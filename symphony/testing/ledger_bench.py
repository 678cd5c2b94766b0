"""How fast the ledger is, beside what the machine can do: the ceilings are taken in the same run.

    ingest    decode + verify + chain + store of foreign entries, in frames of 256; the ceiling
              is the bare Ed25519 verification of the same signatures with `cryptography`
    append    sealed own entries made durable in groups of 64; the ceiling is bare SQLite, WAL
              and FULL, putting the same bytes into one table without an index
    gossip    what a receiver's CPU spends per entry: decode the message, judge, store

Ceiling and subject take turns in small rounds, so that a busy machine slows both alike; a ratio
is that of the sums. Sync and cold start are measured in `ledger_scale`.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from ledger import Accepted, Book, Entry, Head, Kind, PrivateKey, parse_entry, seal, verify
from ledger.keys import signed_bytes
from ledger.sqlite import SqliteStore
from symphony.core import messages
from symphony.core.effects import Append
from symphony.core.ids import NodeId, SwarmId
from symphony.core.inputs import Heard, PeerUp, WallClock
from symphony.core.messages import Entries
from symphony.core.swarm import Swarm

SWARM = SwarmId(b"a swarm for measuring only".ljust(32, b"."))
WALL_MS = 1_700_000_000_000
DAY_MS = 24 * 3600 * 1000
BODY_BYTES = 220
AUTHORS = 8
FRAME = 256
GROUP = 64
BATCH = 40


@dataclass(slots=True)
class Clock:
    """Wall and CPU seconds that one thing took, summed over its rounds."""

    wall_s: float = 0.0
    cpu_s: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        yield
        self.wall_s += time.perf_counter() - wall_s
        self.cpu_s += time.process_time() - cpu_s


class Author:
    """Somebody who writes entries of a usual size."""

    def __init__(self, random: Random) -> None:
        self.key = PrivateKey(random.randbytes(32))
        self.head: Head | None = None
        self._random = random

    def write(self, kind: Kind = Kind.RESULT, body: bytes = b"") -> Entry:
        """The next entry, a millisecond after the last one; it expires a day later."""
        seq = self.head.seq + 1 if self.head else 1
        body = body or self._random.randbytes(BODY_BYTES)
        hlc = (WALL_MS + seq) << 16
        entry = seal(
            *(self.key, SWARM, self.head),
            kind=kind,
            body=body,
            hlc=hlc,
            expires=hlc + (DAY_MS << 16),
        )
        self.head = entry.head
        return entry


def chains(count: int) -> list[Entry]:
    """`count` entries of a few authors who take turns."""
    random = Random("ledger bench")
    authors = [Author(random) for _ in range(AUTHORS)]
    return [authors[number % AUTHORS].write() for number in range(count)]


def groups(entries: Sequence[Entry], size: int) -> Iterator[Sequence[Entry]]:
    return (entries[at : at + size] for at in range(0, len(entries), size))


def measure_throughput(root: Path, *, entries: int) -> dict[str, Any]:
    """Ingest, append and gossip of `entries` entries each; rates per second, CPU in ms."""
    written = chains(entries)
    report: dict[str, Any] = {}
    report |= measure_ingest(root, written)
    report |= measure_append(root, entries)
    report |= measure_gossip(root, written)
    return report


def measure_ingest(root: Path, written: Sequence[Entry]) -> dict[str, Any]:
    """Foreign entries from bytes to disk, beside bare verification."""
    public = {entry.author: Ed25519PublicKey.from_public_bytes(entry.author) for entry in written}
    book = Book(SWARM, verify)
    ceiling, ours = Clock(), Clock()
    store = SqliteStore.open(root / "ingest.sqlite", SWARM)
    for frame in groups(written, FRAME):
        raws = [entry.encode() for entry in frame]
        bare = [
            (public[e.author].verify, e.signature, signed_bytes("entry", SWARM + e.header_bytes))
            for e in frame
        ]
        with ceiling.running():
            for check, signature, message in bare:
                check(signature, message)
        with ours.running():
            accepted: list[Entry] = []
            for raw in raws:
                admission = book.admit(parse_entry(raw), WALL_MS + len(written), solicited=True)
                assert isinstance(admission, Accepted)
                accepted += admission.entries
            store.append(accepted)
    assert sum(head.seq for head in store.heads()) == len(written)
    store.close()
    return {
        "verify_per_s": round(len(written) / ceiling.wall_s),
        "ingest_per_s": round(len(written) / ours.wall_s),
        "ingest_ratio": round(ceiling.wall_s / ours.wall_s, 3),
        "ingest_cpu_ratio": round(ceiling.cpu_s / ours.cpu_s, 3),
    }


def measure_append(root: Path, count: int) -> dict[str, Any]:
    """Own entries to disk in groups, with and without signing them, beside bare SQLite."""
    author = Author(Random("own"))
    ceiling, sealing, storing = Clock(), Clock(), Clock()
    store = SqliteStore.open(root / "own.sqlite", SWARM)
    bare = _bare_sqlite(root / "bare.sqlite")
    with sealing.running():
        written = [author.write() for _ in range(max(1, count // GROUP) * GROUP)]
    for group in groups(written, GROUP):
        with storing.running():
            store.append(group)
        raws = [(entry.encode(),) for entry in group]
        with ceiling.running():
            bare(raws)
    assert author.head in store.heads()
    store.close()
    count = len(written)
    return {
        "bare_append_per_s": round(count / ceiling.wall_s),
        "append_per_s": round(count / storing.wall_s),
        "append_ratio": round(ceiling.wall_s / storing.wall_s, 3),
        "seal_and_append_per_s": round(count / (sealing.wall_s + storing.wall_s)),
        "seal_and_append_ratio": round(ceiling.wall_s / (sealing.wall_s + storing.wall_s), 3),
    }


def _bare_sqlite(path: Path) -> Callable[[Sequence[tuple[bytes]]], None]:
    """The cheapest durable way to keep these bytes in SQLite."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE entry (rowid INTEGER PRIMARY KEY, raw BLOB NOT NULL)")

    def append(raws: Sequence[tuple[bytes]]) -> None:
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO entry (raw) VALUES (?)", raws)
        db.execute("COMMIT")

    return append


def measure_gossip(root: Path, written: Sequence[Entry]) -> dict[str, Any]:
    """A receiver's CPU from the bytes of a gossip message to the commit, per entry.

    What libp2p spends on the message is not in it.
    """
    now_ms = 1_000
    swarm = Swarm(PrivateKey(bytes(32)), verify, SWARM, Random("gossip"))
    peer = NodeId(PrivateKey(bytes(31) + b"1").public)
    swarm.handle(now_ms, WallClock(WALL_MS))
    swarm.handle(now_ms, PeerUp(peer, 1))
    store = SqliteStore.open(root / "gossip.sqlite", SWARM)
    ours = Clock()
    kept = 0
    for batch in groups(written, BATCH):
        raw = messages.encode(Entries(tuple(entry.encode() for entry in batch)))
        now_ms += 10_000
        swarm.handle(now_ms, WallClock(WALL_MS + now_ms))
        with ours.running():
            effects = swarm.handle(now_ms, Heard(peer, messages.decode(raw)))
            appended = [
                e for effect in effects if isinstance(effect, Append) for e in effect.entries
            ]
            store.append(appended)
        kept += len(appended)
    assert kept == len(written)
    store.close()
    return {"gossip_cpu_ms_per_entry": round(ours.cpu_s * 1000 / kept, 4)}


def sign_per_s(count: int = 500) -> int:
    """Bare Ed25519 signatures per second: the ceiling of sealing."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    clock = Clock()
    with clock.running():
        for _ in range(count):
            key.sign(b"x" * 250)
    return round(count / clock.wall_s)
