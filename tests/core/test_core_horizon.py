"""Horizons between nodes: the old forget, the new begin there, and all end where all are."""

from core_mesh import SWARM, WALL_MS, Mesh

from ledger import (
    Adopt,
    Checkpoint,
    Frontier,
    Kind,
    commit,
    encode_cosign,
    encode_horizon,
    encode_pledge,
    encode_retire,
    pack,
    parse_checkpoint,
    seal,
)
from ledger.limits import DROP_AFTER_MS, MAX_WANT_ENTRIES, MIN_HORIZON_AGE_MS
from symphony.core import limits
from symphony.core.effects import BeginLog, Reject
from symphony.core.inputs import EntriesStored, Heard, PeerUp, TimerFired
from symphony.core.messages import Entries
from symphony.core.timers import RetentionDue

OLD_MS = WALL_MS - MIN_HORIZON_AGE_MS - DROP_AFTER_MS - 60_000


class Author:
    """Somebody with a long log and a horizon in it, who is not here."""

    def __init__(self, mesh, *, size=40, old_ms=OLD_MS, name="anna") -> None:
        self.signer = mesh.keys.signer(name.encode().ljust(32, b"."))
        self.heir = mesh.keys.signer(b"heir".ljust(32, b"."))
        self.witness = mesh.keys.signer(b"witness".ljust(32, b"."))
        self.log: list = []
        self.say(Kind.PLEDGE, encode_pledge(commit(self.heir.public)), old_ms)
        while len(self.log) < size:
            self.say(Kind.TASK, b"long ago", old_ms)
        frontier, last = Frontier().extend(e.id for e in self.log), self.log[-1].head
        claim = Checkpoint(self.signer.public, size, frontier.root())
        checkpoint = self.say(Kind.CHECKPOINT, claim.encode(), old_ms)
        body, hlc = encode_cosign([claim]), pack(old_ms + 1)
        cosign = seal(self.witness, SWARM, None, kind=Kind.COSIGN, body=body, hlc=hlc)
        body = encode_horizon(frontier, last, checkpoint, [cosign], self.log[0])
        self.before = list(self.log)
        self.size = size
        self.horizon = self.say(Kind.HORIZON, body, WALL_MS - 500)
        self.say(Kind.TASK, b"today", WALL_MS - 400)

    def say(self, kind, body, at_ms):
        head = self.log[-1].head if self.log else None
        hlc = max(pack(at_ms), head.hlc + 1 if head else 0)
        self.log.append(seal(self.signer, SWARM, head, kind=kind, body=body, hlc=hlc))
        return self.log[-1]


def shown(mesh, node, entries):
    """A peer shows these, unasked."""
    peer = mesh.keys.signer(b"peer".ljust(32, b".")).public
    mesh.give(node, PeerUp(peer, 1))
    mesh.give(node, Heard(peer, Entries(tuple(entry.encode() for entry in entries))))
    mesh.settle()


def pruned(mesh, author, name="old"):
    """A node that had all of it, saw the horizon, and forgot what lies below."""
    node = mesh.join(name, [author.before])
    mesh.give(node, EntriesStored((author.log[0],)))
    shown(mesh, node, author.log[len(author.before) :])
    for _ in range(3):
        mesh.give(node, TimerFired(RetentionDue()))
        mesh.settle()
    return node


def numbers(node, author):
    return [e.seq for _, e in node.store.entries(author=author.signer.public, limit=9999)]


def test_who_has_all_of_it_forgets_and_a_newcomer_begins_at_the_horizon():
    mesh = Mesh()
    author = Author(mesh)
    old = pruned(mesh, author)
    kept = [1, *range(author.size + 1, len(author.log) + 1)]
    assert numbers(old, author) == kept
    new = mesh.join("new")
    mesh.link(old, new)
    assert new.heads() == old.heads()
    assert sorted(numbers(new, author)) == kept
    assert list(new.store.verify_all(mesh.keys.verify)) == []
    third = mesh.join("third")
    mesh.link(new, third)
    assert third.heads() == new.heads()


def test_one_that_is_behind_the_horizon_jumps_and_goes_on():
    mesh = Mesh()
    author = Author(mesh, size=2 * MAX_WANT_ENTRIES)
    old = pruned(mesh, author)
    behind = mesh.join("behind", [author.before[:7]])
    mesh.link(old, behind)
    assert behind.heads() == old.heads()
    assert list(behind.store.verify_all(mesh.keys.verify)) == []


def test_one_that_has_all_gives_all_and_its_peer_forgets_as_well():
    mesh = Mesh()
    author = Author(mesh)
    whole = mesh.join("whole", [author.log])
    new = mesh.join("new")
    mesh.link(whole, new)
    assert new.heads() == whole.heads()
    assert [type(effect) for effect in new.done].count(BeginLog) == 1
    assert new.store.horizons() != []
    assert whole.store.horizons() == []  # it learned of it before this start


def test_later_checkpoints_are_cosigned_above_a_horizon():
    mesh = Mesh()
    author = Author(mesh)
    old = pruned(mesh, author)
    new = mesh.join("new")
    mesh.link(old, new)
    for _ in range(limits.CHECKPOINT_ENTRIES):
        old.swarm.journal.write(Kind.TASK, b"news")
    mesh.wait(5_000)
    claims = [parse_checkpoint(e) for e in new.of_kind(Kind.CHECKPOINT) if e.author == old.id]
    assert len(claims) == 1
    ids = [entry.id for entry in author.log]
    frontiers = [node.store.frontier(author.signer.public, len(ids)) for node in (old, new)]
    assert frontiers == [Frontier().extend(ids)] * 2


def test_a_horizon_of_late_is_kept_and_forgets_nothing():
    mesh = Mesh()
    author = Author(mesh, old_ms=WALL_MS - MIN_HORIZON_AGE_MS + 60_000)
    old = pruned(mesh, author)
    assert not any(isinstance(effect, BeginLog) for effect in old.done)
    assert numbers(old, author) == list(range(1, len(author.log) + 1))


def test_what_was_not_asked_for_begins_nothing():
    mesh = Mesh()
    author = Author(mesh, size=300)  # too far ahead to wait
    node = mesh.join("node")
    shown(mesh, node, [author.horizon])
    assert not any(isinstance(effect, BeginLog | Reject) for effect in node.done)
    assert node.swarm.journal.book.head(author.signer.public) is None


def test_a_pledge_below_a_horizon_still_counts():
    mesh = Mesh()
    author = Author(mesh)
    end = author.say(Kind.RETIRE, encode_retire(author.heir.public), WALL_MS - 300)
    old = pruned(mesh, author)
    adopt = Adopt(end.author, end.seq, end.id).encode()
    hlc = pack(WALL_MS)
    shown(mesh, old, [seal(author.heir, SWARM, None, kind=Kind.ADOPT, body=adopt, hlc=hlc)])
    new = mesh.join("new")
    mesh.link(old, new)
    for node in (old, new):
        assert node.swarm.journal.book.succession.speaker(end.author) == author.heir.public
