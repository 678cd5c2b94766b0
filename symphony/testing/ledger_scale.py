"""How the ledger behaves when it is large: what a sync costs, and how a node starts.

    sync    bytes of a whole reconciliation of 1 000 or 10 000 heads, both ways, all frames
    start   a process opens a ledger of many entries and restores the core from it: the time from
            opening the file to the core being ready, with the file's pages dropped from memory
            before; the time with Python and all imports; and the largest size of the process

The entries of the large ledger are really signed and really appended: 1 000 logs, 2 % of the
entries capability records. Building it takes much longer than starting from it; `build_s` says
how long. The network and the model servers, which a node starts as well, are not in it.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

from ledger import Book, Head, Kind, PrivateKey, verify
from ledger.reconcile import Initiator, respond
from ledger.sqlite import SqliteStore
from symphony.core.records import CAPABILITY, Capability, Skill
from symphony.core.swarm import Swarm
from symphony.node.restoring import restore
from symphony.testing.ledger_bench import SWARM, WALL_MS, Author

SYNCS = ((1_000, 0), (1_000, 10), (1_000, 100), (10_000, 10))
LOGS = 1_000
CAPABILITY_EVERY = 50
BUILD_BATCH = 4_096


def measure_sync() -> dict[str, Any]:
    """Bytes beyond the entries themselves, by "logs/changed"."""
    return {"sync_bytes": {f"{logs}/{changed}": _sync(logs, changed) for logs, changed in SYNCS}}


def _sync(logs: int, changed: int) -> int:
    chance = Random(logs + changed)
    heads = [Head(chance.randbytes(32), 7, chance.randbytes(32), 1 << 56) for _ in range(logs)]
    news = list(heads)
    for at in chance.sample(range(logs), changed):
        news[at] = Head(heads[at].author, 8, chance.randbytes(32), (1 << 56) + 1)
    behind, ahead = Book(SWARM, verify), Book(SWARM, verify)
    behind.restore(heads, ())
    ahead.restore(news, ())
    session = Initiator(behind, chance.randbytes(16))
    request: bytes | None = session.start()
    size_bytes = 0
    while request is not None:
        response = respond(ahead, b"secret of the bench", request)
        size_bytes += len(request) + len(response)
        request = session.take(response)
    assert session.complete
    assert len(session.theirs) == changed
    return size_bytes


def measure_start(root: Path, *, entries: int) -> dict[str, Any]:
    """Build a ledger of so many entries, then start from it in a new process. Times in s."""
    path = root / "large.sqlite"
    began = time.perf_counter()
    build(path, entries)
    build_s = time.perf_counter() - began
    _forget_pages(path)
    began = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "symphony.testing.ledger_scale", str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    process_s = time.perf_counter() - began
    report: dict[str, Any] = json.loads(done.stdout)
    assert report.pop("entries") == entries
    report["cold_start_process_s"] = round(process_s, 3)
    report["entries"] = entries
    report["ledger_mib"] = path.stat().st_size >> 20
    report["build_s"] = round(build_s, 1)
    return report


def build(path: Path, entries: int) -> None:
    """A ledger of `entries` signed entries of `LOGS` authors who take turns."""
    random = Random("large ledger")
    authors = [Author(random) for _ in range(min(LOGS, entries))]
    store = SqliteStore.open(path, SWARM)
    batch = []
    for number in range(entries):
        author = authors[number % len(authors)]
        if number // len(authors) % CAPABILITY_EVERY:
            batch.append(author.write())
        else:
            batch.append(author.write(Kind.CAPABILITY, CAPABILITY.encode(_capability(number))))
        if len(batch) == BUILD_BATCH:
            store.append(batch)
            batch.clear()
    store.append(batch)
    store.close()


def _capability(number: int) -> Capability:
    return Capability(
        agent=f"solver-{number % 3}",
        roles=("solve",),
        skills=(Skill("math", "adds and multiplies numbers"),),
        model="small-1b",
        lineage="small",
        engine="scripted",
        context_tokens=8192,
        concurrency=2,
        privacy=("swarm",),
        manifest=number.to_bytes(32, "big"),
    )


def _forget_pages(path: Path) -> None:
    """Make the kernel drop what it holds of the file in memory."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)


def start(path: Path) -> dict[str, Any]:
    """Open the ledger and restore a core from it, as a node does."""
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    store = SqliteStore.open(path, SWARM)
    heads, forks = store.heads(), store.forks()
    swarm = Swarm(PrivateKey(bytes(32)), verify, SWARM, Random("start"), heads, forks)
    restore(swarm, store, lambda: 0, lambda: WALL_MS + 1)
    ready_s = time.perf_counter() - began
    after_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    store.close()
    return {
        "cold_start_s": round(ready_s, 3),
        "cold_start_grew_mib": (after_kib - before_kib) >> 10,
        "cold_start_peak_mib": after_kib >> 10,
        "agents": len(swarm.directory),
        "logs": len(heads),
        "entries": sum(head.seq for head in heads),
    }


if __name__ == "__main__":
    print(json.dumps(start(Path(sys.argv[1]))))  # noqa: T201 - read by `measure_start`
