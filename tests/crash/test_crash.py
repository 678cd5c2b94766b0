"""Nothing that was spoken is lost, and nothing is ever said twice in two ways, whatever happens.

Rounds with real processes and SIGKILL, torn copies of the database, a restored old directory,
and the order of system calls.
"""

from __future__ import annotations

import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from crash_child import KEY, SWARM

from ledger import Accepted, Book, Duplicate, Entry, parse_entry, verify
from ledger.sqlite import SqliteStore
from symphony.core import limits
from symphony.core.effects import Append, Publish
from symphony.core.events import OwnLogForked
from symphony.core.ids import NodeId
from symphony.core.inputs import Heard, OwnLogMark, PeerUp, Revoke, Started, TimerFired, WallClock
from symphony.core.messages import Entries, HeadTold
from symphony.core.swarm import Swarm
from symphony.core.timers import AskingOver
from symphony.identity import MARK_NAME
from symphony.node.high_water import HighWater

CHILD = Path(__file__).parent / "crash_child.py"
PEER = NodeId(b"p" * 32)
DB, WAL = "ledger.sqlite", "ledger.sqlite-wal"


def spoken(home: Path, run_s: float, lines: int = 1) -> list[Entry]:
    """Run the child until it has said so much, a little longer, then kill it with SIGKILL."""
    process = subprocess.Popen([sys.executable, CHILD, home], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        said = [process.stdout.readline() for _ in range(lines)]
        time.sleep(run_s)  # not to wait for anything: so long it may write before it dies
    finally:
        process.send_signal(signal.SIGKILL)
    said += process.stdout.readlines()
    process.stdout.close()
    process.wait()
    whole = [line for line in said if line.endswith(b"\n")]
    return [parse_entry(bytes.fromhex(line.split()[1].decode())) for line in whole]


def rounds(home: Path, count: int, chance: random.Random) -> None:
    """Kill and restart; a peer that heard everything looks on."""
    peer = Book(SWARM, verify)
    for _ in range(count):
        entries = spoken(home, chance.random() * 0.25, chance.randrange(1, 20))
        assert entries
        for entry in entries:
            admission = peer.admit(entry, time.time_ns() // 1_000_000, solicited=True)
            if not isinstance(admission, Accepted):  # the end of a life may not have been spoken
                assert admission == Duplicate() or catches_up(home, peer, entry)
        store = SqliteStore.open(home / DB, SWARM)
        for entry in entries:
            assert store.get(KEY.public, entry.seq) == entry
        assert list(store.verify_all(verify)) == []
        store.close()
        mark = HighWater(home)
        assert mark.seq >= entries[-1].seq
        mark.close()
    assert not peer.forks()


def catches_up(home: Path, peer: Book, entry: Entry) -> bool:
    """Entries that were stored but not spoken before a kill are there to be fetched."""
    store = SqliteStore.open_readonly(home / DB, SWARM)
    head = peer.head(KEY.public)
    missing = store.range(KEY.public, head.seq + 1 if head else 1, entry.seq, 1 << 26)
    store.close()
    now_ms = time.time_ns() // 1_000_000
    return all(isinstance(peer.admit(e, now_ms, solicited=True), Accepted) for e in missing[:-1])


def test_three_kills_lose_nothing(tmp_path):
    rounds(tmp_path, 3, random.Random(3))


@pytest.mark.slow
def test_a_hundred_kills_lose_nothing(tmp_path):
    rounds(tmp_path, 100, random.Random(100))


class Life:
    """One life of the node on a directory, in this process: what its loop would do, by hand."""

    def __init__(self, home: Path, known_peers: int) -> None:
        self.store = SqliteStore.open(home / DB, SWARM)
        self.mark = HighWater(home)
        self.now_ms = 1_000
        self.appended: list[Entry] = []
        self.events: list[object] = []
        self.said: list[Entry] = []
        heads, forks = self.store.heads(), self.store.forks()
        founder = NodeId(KEY.public)
        self.swarm = Swarm(KEY, verify, SWARM, random.Random(1), heads, forks, founder)
        self.give(WallClock(time.time_ns() // 1_000_000))
        self.give(Started((), 2, (), OwnLogMark(self.mark.seq, known_peers)))

    def give(self, happened) -> None:
        if happened == TimerFired(AskingOver()):
            self.now_ms += limits.ASKING_MS
        for effect in self.swarm.handle(self.now_ms, happened):
            if isinstance(effect, Append):
                self.store.append(effect.entries)
                self.appended += effect.entries
            if isinstance(effect, Publish) and isinstance(effect.message, Entries):
                self.said += map(parse_entry, effect.message.entries)
            self.events.append(getattr(effect, "event", None))

    def write(self) -> Entry | None:
        """Try to append something; None if the gate is shut."""
        before = len(self.appended)
        self.give(Revoke(random.randbytes(16)))
        return self.appended[-1] if len(self.appended) > before else None

    def meet(self, whole: list[Entry]) -> None:
        """A peer that has all of the log answers, and hands over what is asked for."""
        self.give(PeerUp(PEER, 1))
        self.give(Heard(PEER, HeadTold(whole[-1].without_body().encode())))
        missing = [e.encode() for e in whole if e.seq > self.swarm.gate.seq]
        if missing:
            self.give(Heard(PEER, Entries(tuple(missing), asked=True)))

    def close(self) -> None:
        self.store.close()
        self.mark.close()


@pytest.fixture
def lived(tmp_path):
    """A directory that a killed process left, with its WAL, and all of its log."""
    home = tmp_path / "home"
    home.mkdir()
    spoken(home, 0.1, 40)
    copy = tmp_path / "whole"
    shutil.copytree(home, copy)
    store = SqliteStore.open(copy / DB, SWARM)
    whole = [entry for _, entry in store.entries(limit=100_000)]
    store.close()
    return home, whole


def written_bytes(home: Path, copy: Path) -> int:
    """How much of the WAL holds commits; the rest is only laid out."""
    shutil.copytree(home, copy)
    db = sqlite3.connect(copy / DB)
    _, frames, _ = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    (page,) = db.execute("PRAGMA page_size").fetchone()
    db.close()
    return int(32 + frames * (24 + page))


def test_a_torn_wal_never_leads_to_a_fork(lived, tmp_path):
    home, whole = lived
    size = written_bytes(home, tmp_path / "counted")
    chance = random.Random(5)
    shorter = 0
    for number in range(20):
        torn = tmp_path / f"torn{number}"
        shutil.copytree(home, torn)
        with (torn / WAL).open("r+b") as wal:
            wal.truncate(chance.randrange(size))
        alone = Life(torn, known_peers=0)
        lost = alone.swarm.gate.seq < whole[-1].seq
        shorter += lost
        if alone.swarm.gate.seq < alone.mark.seq:
            assert alone.write() is None
            alone.give(TimerFired(AskingOver()))
            assert alone.swarm.gate.state == "short"
            assert alone.write() is None
        alone.close()
        helped = Life(torn, known_peers=1)
        assert helped.write() is None
        helped.meet(whole)
        following = helped.appended[-1]
        assert (following.seq, following.prev) == (whole[-1].seq + 1, whole[-1].id)
        assert not [event for event in helped.events if isinstance(event, OwnLogForked)]
        assert list(helped.store.verify_all(verify)) == []
        helped.close()
    assert shorter > 5


def test_an_old_directory_that_was_restored_goes_on_from_what_peers_have(lived, tmp_path):
    home, whole = lived
    backup = tmp_path / "backup"
    shutil.copytree(home, backup)
    later = spoken(home, 0.05, 10)
    assert later[-1].seq > whole[-1].seq
    store = SqliteStore.open(home / DB, SWARM)
    all_of_it = [entry for _, entry in store.entries(limit=100_000)]
    store.close()
    life = Life(backup, known_peers=1)
    assert life.mark.seq <= whole[-1].seq  # the mark was restored as well: it can't tell
    assert life.write() is None
    life.give(TimerFired(AskingOver()))
    assert life.write() is None
    life.meet(all_of_it)
    following = life.write()
    assert following is not None
    assert following.seq > all_of_it[-1].seq
    assert life.store.get(KEY.public, all_of_it[-1].seq) == all_of_it[-1]
    life.close()


CALL = re.compile(r"^(?P<pid>\d+)\s+(?P<call>\w+)\((?P<fd>\d+)<(?P<path>[^>]*)>(?P<rest>.*)")
SPOKEN = re.compile(r', "\d+ [0-9a-f]{8}')
RESUMED = re.compile(r"^(?P<pid>\d+)\s+<\.\.\. (?P<call>\w+) resumed>")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_disk_is_synced_before_anything_is_said(tmp_path):
    home, log = tmp_path / "home", tmp_path / "strace.log"
    home.mkdir()
    calls = "trace=fdatasync,fsync,write,pwrite64"
    command = ["strace", "-f", "-y", "-e", calls, "-e", "signal=none", "-o", log]
    process = subprocess.Popen(
        [*command, sys.executable, CHILD, home], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    said = [process.stdout.readline() for _ in range(30)]
    process.terminate()
    process.stdout.close()
    trouble = process.stderr.read().decode()
    process.stderr.close()
    process.wait()
    if not said[0]:
        pytest.skip(f"strace can't trace here: {trouble[:200]}")
    assert check_order(log.read_text(errors="replace").splitlines()) >= 30


def check_order(lines: list[str]) -> int:
    """How many entries were said; each after its commit had been synced, and the mark written."""
    unsynced: set[str] = set()
    pending: dict[str, str] = {}
    synced, count = set(), 0
    unmarked = True
    for line in lines:
        if (resumed := RESUMED.match(line)) and resumed["pid"] in pending:
            path = pending.pop(resumed["pid"])
            unsynced.discard(path)
            synced.add(path)
            continue
        call = CALL.match(line)
        if call is None:
            continue
        name = call["path"].rpartition("/")[2]
        if call["call"] in ("fdatasync", "fsync"):
            if "unfinished" in call["rest"]:
                pending[call["pid"]] = name
            else:
                unsynced.discard(name)
                synced.add(name)
        elif name == WAL:
            unsynced.add(name)
            unmarked = True
        elif name == MARK_NAME:
            assert not unsynced, line
            unmarked = False
        elif call["fd"] == "1" and SPOKEN.match(call["rest"]):
            assert not unsynced, line
            assert not unmarked, line
            assert WAL in synced
            count += 1
    return count
