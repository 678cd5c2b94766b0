"""The store on disk: whose file it is, who may read it, and what becomes of damage."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from ledger_chains import NOW_MS, SWARM, chain, fake_verify

from ledger import (
    DirectoryLocked,
    Kind,
    PrivateKey,
    SchemaTooNew,
    StoreError,
    WrongSwarm,
    fork,
    pack,
    seal,
    verify,
)
from ledger.merkle import Frontier
from ledger.sqlite import SqliteStore, lock_directory
from ledger.sqlite.schema import APPLICATION_ID, COMMON, LAID_OUT_BYTES, MIGRATIONS

MIB = 1 << 20
ALICE = chain("alice", 6)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


def tamper(path, sql: str, *values: object) -> None:
    """Change the file behind the store's back."""
    db = sqlite3.connect(path)
    with db:
        db.execute(sql, values)
    db.close()


def filled(path) -> None:
    store = SqliteStore.open(path, SWARM)
    store.append(ALICE)
    store.append(chain("bob", 3))
    store.close()


def test_everything_is_there_after_reopening(path):
    store = SqliteStore.open(path, SWARM)
    store.append(ALICE)
    proof = fork.find(ALICE[4], chain("alice", 5, fork_at=5)[4])
    store.add_fork(proof)
    heads, rows = store.heads(), store.entries(limit=99)
    store.close()
    store = SqliteStore.open(path, SWARM)
    assert (store.heads(), store.entries(limit=99), store.forks()) == (heads, rows, [proof])
    assert [entry for _, entry in rows] == ALICE
    store.close()


def test_settings_that_durability_rests_on(path):
    store = SqliteStore.open(path, SWARM)
    expected = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 5000,
        "application_id": APPLICATION_ID,
        "user_version": len(MIGRATIONS),
    }
    for name, value in expected.items():
        assert store._db.execute(f"PRAGMA {name}").fetchone()[0] == value, name
    store.close()


def test_commits_write_into_a_wal_that_is_laid_out(path):
    for _ in range(2):  # a second opening takes no more room than the first
        store = SqliteStore.open(path, SWARM)
        wal = path.with_name(path.name + "-wal")
        before = (path.stat().st_size, wal.stat().st_size)
        assert before[1] >= LAID_OUT_BYTES
        store.append(ALICE)
        assert (path.stat().st_size, wal.stat().st_size) == before
        names = {name for (name,) in store._db.execute("SELECT name FROM sqlite_schema")}
        assert "laid_out" not in names
        store.close()


def test_an_append_is_on_disk_when_it_returns(path):
    store = SqliteStore.open(path, SWARM)
    store.append(ALICE[:2])
    other = SqliteStore.open_readonly(path, SWARM)
    assert other.heads() == [ALICE[1].head]
    store.append(ALICE[2:3])
    assert other.heads() == [ALICE[2].head]
    other.close()
    store.close()


def test_a_process_that_dies_loses_nothing_it_was_told_is_safe(path):
    code = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from ledger_chains import SWARM, chain
from ledger.merkle import Frontier
from ledger.sqlite import SqliteStore
store = SqliteStore.open({str(path)!r}, SWARM)
log = chain("alice", 6)
store.append(log[:4])
store._db.execute("BEGIN IMMEDIATE")
store._db.execute("DELETE FROM entry")
os._exit(9)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert done.returncode == 9
    store = SqliteStore.open(path, SWARM)
    assert store.heads() == [ALICE[3].head]
    assert list(store.verify_all(fake_verify)) == []
    store.append(ALICE)
    assert store.heads() == [ALICE[5].head]
    store.close()


def test_only_the_owner_may_read(path):
    before = os.umask(0)
    try:
        store = SqliteStore.open(path, SWARM)
        store.append(ALICE)
        names = sorted(file.name for file in path.parent.iterdir())
        assert names == ["ledger.db", "ledger.db-shm", "ledger.db-wal"]
        for name in names:
            assert stat.S_IMODE((path.parent / name).stat().st_mode) == 0o600
        store.close()
        path.chmod(0o644)
        SqliteStore.open(path, SWARM).close()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with lock_directory(path.parent):
            assert stat.S_IMODE((path.parent / "lock").stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_a_worker_thread_may_use_it(path):
    store = SqliteStore.open(path, SWARM)
    worker = threading.Thread(target=store.append, args=(ALICE,))
    worker.start()
    worker.join(timeout=30)
    assert store.heads() == [ALICE[-1].head]
    store.close()


def test_files_of_others_are_refused(path):
    SqliteStore.open(path, SWARM).close()
    for opener in (SqliteStore.open, SqliteStore.open_readonly):
        with pytest.raises(WrongSwarm):
            opener(path, bytes(32))
    tamper(path, f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    for opener in (SqliteStore.open, SqliteStore.open_readonly):
        with pytest.raises(SchemaTooNew):
            opener(path, SWARM)
    tamper(path, "PRAGMA application_id = 7")
    with pytest.raises(StoreError, match="another program"):
        SqliteStore.open(path, SWARM)
    foreign = path.parent / "foreign.db"
    tamper(foreign, "CREATE TABLE mine (x)")
    text = path.parent / "notes.txt"
    text.write_text("no database at all, but long enough to have a header of its own" * 9)
    for other in (foreign, text, path.parent):
        content = other.read_bytes() if other.is_file() else None
        with pytest.raises(StoreError):
            SqliteStore.open(other, SWARM)
        assert content is None or other.read_bytes() == content


def test_readonly_needs_a_ledger_and_leaves_it_alone(path):
    with pytest.raises(StoreError):
        SqliteStore.open_readonly(path, SWARM)
    assert not path.exists()
    path.touch()
    with pytest.raises(StoreError):
        SqliteStore.open_readonly(path, SWARM)
    path.unlink()
    filled(path)
    store = SqliteStore.open_readonly(path, SWARM)
    with pytest.raises(StoreError):
        store.append(chain("carol", 1))
    assert list(store.verify_all(fake_verify)) == []
    store.close()


BRANCH = chain("alice", 4, fork_at=3)
OF_AUTHOR = "log = (SELECT number FROM log WHERE author = ?)"


@pytest.mark.parametrize(
    ("sql", "values", "text"),
    [
        ("UPDATE entry SET signature = zeroblob(64)", (), "signature"),
        ("UPDATE entry SET signature = x'00'", (), "signature"),
        ("UPDATE entry SET body = CAST('x' || seq AS BLOB)", (), "body"),
        ("UPDATE entry SET body = x''", (), "body"),
        ("UPDATE entry SET kind = 3", (), "differ"),
        ("UPDATE entry SET header = x'a0'", (), "seq"),
        ("UPDATE entry SET header = x'ff'", (), "float"),
        ("UPDATE entry SET header = ?", (ALICE[3].header_bytes,), "body"),
        (
            "UPDATE entry SET header = ?, signature = ?, body = ?",
            (BRANCH[2].header_bytes, BRANCH[2].signature, BRANCH[2].body),
            None,
        ),
        ("DELETE FROM entry", (), "missing"),
    ],
)
def test_a_changed_row_is_named(path, sql, values, text):
    filled(path)
    tamper(path, f"{sql} WHERE {OF_AUTHOR} AND seq = 3", *values, ALICE[0].author)
    store = SqliteStore.open_readonly(path, SWARM)
    problems = list(store.verify_all(fake_verify))
    assert {problem.author for problem in problems} == {ALICE[0].author}
    if text is None:  # another signed branch: it is the entry after it that no longer follows
        assert [problem.seq for problem in problems] == [4]
        assert "prev" in problems[0].text
    else:
        assert problems[0].seq == 3
        assert text in problems[0].text
    store.close()


@pytest.mark.parametrize(
    ("sql", "seq"),
    [
        (f"DELETE FROM entry WHERE {OF_AUTHOR} AND seq > 4", 6),
        ("UPDATE log SET seq = 4 WHERE author = ?", 4),
        ("UPDATE log SET id = zeroblob(32) WHERE author = ?", 6),
        ("UPDATE log SET hlc = 1 WHERE author = ?", 6),
        ("DELETE FROM log WHERE author = ?", 6),
    ],
)
def test_a_changed_end_is_named(path, sql, seq):
    filled(path)
    tamper(path, sql, ALICE[0].author)
    store = SqliteStore.open_readonly(path, SWARM)
    [problem] = store.verify_all(fake_verify)
    assert (problem.author, problem.seq) == (ALICE[0].author, seq)
    store.close()


def test_a_changed_fork_proof_is_named(path):
    filled(path)
    store = SqliteStore.open(path, SWARM)
    proof = fork.find(ALICE[2], BRANCH[2])
    store.add_fork(proof)
    store.close()
    for sql, text in (
        ("UPDATE fork SET seq = 2", "another entry"),
        ("UPDATE fork SET seq = 3, proof = x'80'", "array"),
    ):
        tamper(path, sql)
        store = SqliteStore.open_readonly(path, SWARM)
        [problem] = store.verify_all(fake_verify)
        assert problem.author == proof.author
        assert text in problem.text
        store.close()
    store = SqliteStore.open(path, SWARM)
    with pytest.raises(StoreError, match="damaged"):
        store.forks()
    store.close()


def test_a_damaged_row_is_never_served(path):
    filled(path)
    query = f"UPDATE entry SET body = x'' WHERE {OF_AUTHOR} AND seq = 3"
    tamper(path, query, ALICE[0].author)
    store = SqliteStore.open(path, SWARM)
    with pytest.raises(StoreError, match=f"entry 3 of {ALICE[0].author.hex()}"):
        store.range(ALICE[0].author, 1, 6, MIB)
    assert store.range(ALICE[0].author, 1, 2, MIB) == ALICE[:2]
    store.close()


def test_an_audit_goes_through_all_pages(path, monkeypatch):
    filled(path)
    tamper(path, "UPDATE entry SET signature = zeroblob(64) WHERE seq = 2")
    for page_rows in (1, 2, 3, 9):
        monkeypatch.setattr("ledger.sqlite.store.PAGE_ROWS", page_rows)
        store = SqliteStore.open_readonly(path, SWARM)
        assert [problem.seq for problem in store.verify_all(fake_verify)] == [2, 2]
        store.close()


def test_real_keys_all_the_way(path):
    key = PrivateKey.from_seed(b"\x05" * 32)
    store = SqliteStore.open(path, SWARM)
    head = None
    for seq in range(1, 4):
        entry = seal(key, SWARM, head, kind=2, body=b"x" * seq, hlc=pack(NOW_MS + seq))
        store.append([entry])
        head = entry.head
    assert list(store.verify_all(verify)) == []
    assert len(list(store.verify_all(fake_verify))) == 3
    store.close()


HOLD = """
import sys
from ledger.merkle import Frontier
from ledger.sqlite import lock_directory
lock = lock_directory(sys.argv[1])
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_kept_out_and_told_who_is_in(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(DirectoryLocked, match=str(holder.pid)) as caught:
            lock_directory(tmp_path)
        assert caught.value.pid == holder.pid
        assert caught.value.hint
        holder.kill()
        holder.wait(timeout=30)
    with lock_directory(tmp_path) as lock:
        with pytest.raises(DirectoryLocked) as caught:
            lock_directory(tmp_path)
        assert caught.value.pid == os.getpid()
        lock.release()
        lock_directory(tmp_path).release()


def test_a_directory_that_is_not_there_cannot_be_locked(tmp_path):
    with pytest.raises(StoreError, match="cannot lock"):
        lock_directory(tmp_path / "nowhere")


def test_a_kept_frontier_goes_on_and_is_checked(path):
    author, ids = ALICE[0].author, [entry.id for entry in ALICE]
    store = SqliteStore.open(path, SWARM)
    store.append(ALICE)
    whole = Frontier().extend(ids)
    assert store.frontier(author, 2) == Frontier().extend(ids[:2])
    store.close()
    store = SqliteStore.open(path, SWARM)
    assert store.frontier(author, len(ALICE)) == whole
    assert list(store.verify_all(fake_verify)) == []
    store.close()
    for damage in ("peaks = zeroblob(32 * 2)", "peaks = x'00'", "size = size - 1"):
        tamper(path, f"UPDATE frontier SET {damage}")
        store = SqliteStore.open(path, SWARM)
        assert [problem.author for problem in store.verify_all(fake_verify)] == [author]
        store._db.execute("DELETE FROM frontier")
        assert store.frontier(author, len(ALICE)) == whole
        store.close()


def test_kinds_that_are_looked_for_are_found_by_an_index(tmp_path):
    store = SqliteStore.open(tmp_path / "ledger.db", SWARM)
    steps: list[str] = []
    store._db.set_trace_callback(steps.append)
    for kind in Kind:
        assert store.by_kind(kind, limit=9) == []
    store._db.set_trace_callback(None)
    for kind, query in zip(Kind, steps, strict=True):
        plan = " ".join(row[3] for row in store._db.execute(f"EXPLAIN QUERY PLAN {query}"))
        assert ("entry_by_kind" in plan) == (kind not in COMMON), plan
    store.close()
