"""One suite for every store: what is appended is there, in order, or nothing is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from ledger_chains import SWARM, FakeSigner, chain, extend, fake_verify

from ledger import ForkDetected, Kind, MemoryStore, StoreError, fork, seal
from ledger.limits import MAX_ENTRY_BYTES
from ledger.merkle import Frontier
from ledger.sqlite import SqliteStore

MIB = 1 << 20


def test_what_is_appended_is_there(store):
    alice, bob = chain("alice", 4), chain("bob", 2)
    store.append([alice[0], bob[0], alice[1]])
    store.append([bob[1], *alice])
    assert store.heads() == sorted((alice[3].head, bob[1].head), key=lambda head: head.author)
    assert store.range(alice[0].author, 2, 3, MIB) == alice[1:3]
    assert store.range(alice[0].author, 0, 99, MIB) == alice
    assert store.range(alice[0].author, 5, 9, MIB) == []
    assert store.range(bytes(32), 1, 9, MIB) == []
    assert store.get(alice[0].author, 3) == alice[2]
    assert store.get(alice[0].author, 99) is store.get(bytes(32), 1) is None
    rows = [(1, alice[0]), (2, bob[0]), (3, alice[1]), (4, bob[1]), (5, alice[2]), (6, alice[3])]
    assert store.entries(limit=99) == rows
    assert [store.rowid(entry.author, entry.seq) for _, entry in rows] == [row for row, _ in rows]
    assert store.rowid(alice[0].author, 99) is store.rowid(bytes(32), 1) is None
    assert store.entries(limit=2, after=3) == rows[3:5]
    assert store.entries(author=bob[0].author, limit=9) == [rows[1], rows[3]]
    assert store.entries(author=bob[0].author, limit=9, after=2) == [rows[3]]
    assert list(store.verify_all(fake_verify)) == []


def test_the_tree_of_a_log(store):
    log = chain("alice", 40)
    ids = [entry.id for entry in log]
    author = log[0].author
    store.append([*log[:30], *chain("bob", 2)])
    assert store.ids(author, 1, 99) == store.ids(author, 0, 30) == ids[:30]
    assert store.ids(author, 29, 31) == ids[28:30]
    assert store.ids(author, 31, 40) == store.ids(bytes(32), 1, 9) == []
    assert store.frontier(author, 31) is None
    for size in (0, 7, 30, 12, 30):
        assert store.frontier(author, size) == Frontier().extend(ids[:size])
    store.append(log[30:])
    assert store.frontier(author, 40) == Frontier().extend(ids)
    assert store.frontier(bytes(32), 1) is None
    assert list(store.verify_all(fake_verify)) == []


def test_a_kind_is_paged_in_order_of_arrival(store):
    signer = FakeSigner("alice")
    log = extend(signer, None, 3, kind=Kind.TASK)
    log += extend(signer, log[-1].head, 2, kind=77)
    log += extend(signer, log[-1].head, 2, kind=Kind.TASK)
    store.append(log)
    found = store.by_kind(Kind.TASK, limit=4)
    assert [rowid for rowid, _ in found] == [1, 2, 3, 6]
    assert store.by_kind(Kind.TASK, after_rowid=6, limit=4) == [(7, log[6])]
    assert store.by_kind(77, limit=1) == [(4, log[3])]
    assert store.by_kind(Kind.AWARD, limit=9) == []


def test_a_range_never_takes_more_bytes_than_asked(store):
    log = chain("alice", 5)
    store.append(log)
    sizes = [len(entry.encode()) for entry in log]
    assert max(sizes) <= MAX_ENTRY_BYTES
    for count in range(5):
        budget = sum(sizes[: count + 1])
        assert store.range(log[0].author, 1, 5, budget) == log[: count + 1]
        assert store.range(log[0].author, 1, 5, budget - 1) == log[:count]


def test_all_or_nothing(store):
    alice, bob = chain("alice", 4), chain("bob", 2)
    store.append(alice[:2])
    branch = chain("alice", 2, fork_at=2)[1]
    for bad, error in (
        ([bob[0], alice[3]], StoreError),
        ([bob[0], branch], ForkDetected),
        ([alice[2], bob[1]], StoreError),
        ([bob[0], chain("bob", 2, fork_at=1)[0]], ForkDetected),
        ([alice[2], chain("alice", 4, fork_at=3)[3]], StoreError),
    ):
        with pytest.raises(error):
            store.append(bad)
        assert store.heads() == [alice[1].head]
        assert store.entries(limit=9) == [(1, alice[0]), (2, alice[1])]
    store.append([bob[0]])
    assert store.entries(limit=9, after=2) == [(3, bob[0])]


def test_fork_proofs_lower_the_head_and_only_the_lowest_stays(store):
    trunk, branch = chain("alice", 6), chain("alice", 6, fork_at=3)
    proofs = [fork.find(trunk[at], branch[at]) for at in (4, 2, 3)]
    bob = chain("bob", 1)
    bob_fork = fork.find(bob[0], chain("bob", 1, fork_at=1)[0])
    store.append([*trunk, *bob])
    for proof, head in zip(proofs, (trunk[3], trunk[1], trunk[1]), strict=True):
        store.add_fork(proof)
        assert head.head in store.heads()
    assert store.forks() == [proofs[1]]
    store.add_fork(bob_fork)
    assert store.heads() == [trunk[1].head]
    assert {proof.author for proof in store.forks()} == {trunk[0].author, bob[0].author}
    assert list(store.verify_all(fake_verify)) == []


def test_a_fork_proof_for_a_log_that_is_not_here(store):
    proof = fork.find(chain("alice", 2)[1], chain("alice", 2, fork_at=2)[1])
    store.add_fork(proof)
    assert store.heads() == []
    store.append(chain("alice", 1))
    assert store.heads() == [chain("alice", 1)[0].head]


def test_a_false_fork_proof_and_a_forged_entry_are_named(store):
    trunk = chain("alice", 3)
    store.append([trunk[0], replace(trunk[1], signature=bytes(64)), trunk[2]])
    proof = fork.find(trunk[2], chain("alice", 3, fork_at=3)[2])
    store.add_fork(replace(proof, first=replace(proof.first, signature=bytes(64))))
    problems = list(store.verify_all(fake_verify))
    assert [(problem.author, problem.seq) for problem in problems] == [
        (trunk[0].author, 2),
        (trunk[0].author, 3),
    ]
    assert "signature" in problems[0].text
    assert problems[1].text.startswith("fork proof")


LOGS = {name: (chain(name, 9), chain(name, 9, fork_at=4)) for name in ("alice", "bob", "carol")}


def test_a_clock_that_does_not_grow_is_named(store):
    first = chain("alice", 1)[0]
    older = replace(first.head, hlc=0)
    stuck = seal(FakeSigner("alice"), SWARM, older, kind=2, body=b"", hlc=first.hlc)
    store.append([first, stuck])
    [problem] = store.verify_all(fake_verify)
    assert (problem.seq, problem.text) == (2, "the hlc does not grow")


class Stores(RuleBasedStateMachine):
    """MemoryStore and SqliteStore against a dictionary, with reopening in between."""

    @initialize()
    def start(self) -> None:
        import tempfile

        self.dir = tempfile.TemporaryDirectory()
        self.memory = MemoryStore(SWARM)
        self.sqlite = SqliteStore.open(f"{self.dir.name}/ledger.db", SWARM)
        self.model: dict[tuple[bytes, int], object] = {}
        self.arrived: list[object] = []

    def teardown(self) -> None:
        if hasattr(self, "dir"):
            self.sqlite.close()
            self.dir.cleanup()

    def fits(self, batch: list) -> bool:
        """What the model says of a batch; adds it if all of it fits."""
        logs = dict(self.model)
        fresh = []
        for entry in batch:
            key = (entry.author, entry.seq)
            if key in logs:
                if logs[key].id != entry.id:
                    return False
                continue
            before = logs.get((entry.author, entry.seq - 1))
            if entry.seq > 1 and (before is None or before.id != entry.prev):
                return False
            logs[key] = entry
            fresh.append(entry)
        self.model = logs
        self.arrived += fresh
        return True

    @rule(data=st.data())
    def append(self, data) -> None:
        batch = []
        for name in data.draw(st.lists(st.sampled_from(sorted(LOGS)), max_size=3)):
            log = LOGS[name][data.draw(st.integers(0, 9)) == 0]
            author = log[0].author
            here = sum(key[0] == author for key in self.model)
            first = data.draw(st.integers(max(0, here - 2), here + (here == 0)))
            batch += log[first : first + data.draw(st.integers(0, 4))]
        before = dict(self.model)
        fits = self.fits(batch)
        for store in (self.memory, self.sqlite):
            if fits:
                store.append(batch)
            else:
                with pytest.raises((ForkDetected, StoreError)):
                    store.append(batch)
        if not fits:
            assert self.model == before

    @precondition(lambda self: self.arrived)
    @rule(name=st.sampled_from(sorted(LOGS)), at=st.integers(3, 8))
    def prove_fork(self, name, at) -> None:
        proof = fork.find(LOGS[name][0][at], LOGS[name][1][at])
        self.memory.add_fork(proof)
        self.sqlite.add_fork(proof)

    @rule()
    def reopen(self) -> None:
        self.sqlite.close()
        self.sqlite = SqliteStore.open(f"{self.dir.name}/ledger.db", SWARM)

    @rule(author=st.sampled_from([logs[0][0].author for logs in LOGS.values()]), data=st.data())
    def read(self, author, data) -> None:
        first, last = data.draw(st.integers(0, 10)), data.draw(st.integers(0, 10))
        budget = data.draw(st.sampled_from([0, 300, 600, MIB]))
        after, limit = data.draw(st.integers(0, 12)), data.draw(st.integers(0, 5))
        expected = []
        for seq in range(max(first, 1), last + 1):
            entry = self.model.get((author, seq))
            budget_left = budget - sum(len(found.encode()) for found in expected)
            if entry is None or len(entry.encode()) > budget_left:
                break
            expected.append(entry)
        rows = list(enumerate(self.arrived, start=1))[after:]
        mine = [row for row in rows if row[1].author == author]
        for store in (self.memory, self.sqlite):
            assert store.range(author, first, last, budget) == expected
            assert store.entries(limit=limit, after=after) == rows[:limit]
            assert store.by_kind(2, limit=limit, after_rowid=after) == rows[:limit]
            assert store.entries(author=author, limit=limit, after=after) == mine[:limit]

    @invariant()
    def both_agree(self) -> None:
        if not hasattr(self, "dir"):
            return
        assert self.memory.heads() == self.sqlite.heads()
        assert self.memory.forks() == self.sqlite.forks()
        for entry in self.arrived[-2:]:
            assert self.memory.get(entry.author, entry.seq) == entry
            assert self.sqlite.get(entry.author, entry.seq) == entry
        frozen = {proof.author: proof.frozen_at for proof in self.memory.forks()}
        ends: dict[bytes, int] = {}
        for author, seq in self.model:
            if seq <= frozen.get(author, seq):
                ends[author] = max(seq, ends.get(author, 0))
        heads = [self.model[author, ends[author]].head for author in sorted(ends)]
        assert self.memory.heads() == heads


TestStores = Stores.TestCase
TestStores.settings = settings(deadline=None, max_examples=25, stateful_step_count=15)
