"""Checkpoints are written, cosigned by peers that hold the log, and refused when they lie."""

import pytest
from core_mesh import SWARM as MESH_SWARM
from core_mesh import Mesh
from core_stage import SWARM, WALL_MS, Stage

from ledger import (
    Checkpoint,
    Frontier,
    Kind,
    Sealed,
    Tree,
    pack,
    parse_checkpoint,
    parse_cosign,
    seal,
    verify_sealed,
)
from symphony.core import limits
from symphony.core.effects import Append, HashLog, Reject, Send, SetTimer
from symphony.core.inputs import Heard, LogHashed, TimerFired
from symphony.core.messages import CosignAsked, Entries
from symphony.core.timers import CheckpointDue, CosignDue
from symphony.node.unkept import Unkept


def write(mesh, node, count):
    """Own entries, through a call from outside as an application would."""
    node.swarm.handle(mesh.now_ms, TimerFired(CosignDue()))  # sets the clock of this call
    for number in range(count):
        node.swarm.journal.write(Kind.TASK, b"%d" % number)
    mesh.give(node, TimerFired(CosignDue()))


def company(count=4):
    mesh = Mesh()
    nodes = [mesh.join(f"node {at}") for at in range(count)]
    for at, node in enumerate(nodes):
        for other in nodes[:at]:
            mesh.link(node, other)
    return mesh, nodes


def test_an_entry_is_sealed_within_a_minute_or_so_and_then_it_is_quiet():
    mesh, (author, *others) = company()
    write(mesh, author, 1)
    mesh.wait(limits.CHECKPOINT_EVERY_MS * 6 // 5 + 5_000)
    [entry] = author.of_kind(Kind.CHECKPOINT)
    claim = parse_checkpoint(entry)
    [first] = author.store.ids(author.id, 1, 1)
    assert claim == Checkpoint(author.id, 1, first) == author.swarm.witness.latest
    assert author.swarm.witness.cosigners == {node.id for node in others}
    assert len(author.of_kind(Kind.COSIGN)) == limits.WITNESSES
    mesh.wait(limits.CHECKPOINT_EVERY_MS * 5)  # neither kind is news
    assert len(author.of_kind(Kind.CHECKPOINT)) == 1
    assert len({len(node.of_kind(Kind.COSIGN)) for node in (author, *others)}) == 1
    assert len(author.of_kind(Kind.COSIGN)) == limits.WITNESSES


@pytest.mark.parametrize("more", [-1, 0])
def test_so_many_entries_are_sealed_at_once(more):
    mesh, (author, *_) = company(2)
    write(mesh, author, limits.CHECKPOINT_ENTRIES + more)
    mesh.wait(5_000)
    assert len(author.of_kind(Kind.CHECKPOINT)) == (more == 0)


def test_one_entry_cosigns_many_and_anybody_can_check_it():
    mesh, (witness, *authors) = company(4)
    for author in authors:
        write(mesh, author, limits.CHECKPOINT_ENTRIES)
    mesh.wait(5_000)
    mine = [entry for entry in witness.of_kind(Kind.COSIGN) if entry.author == witness.id]
    assert len(mine) == 1
    assert len(parse_cosign(mine[0])) == 3
    author = authors[0]
    [checkpoint] = (e for e in author.of_kind(Kind.CHECKPOINT) if e.author == author.id)
    tree = Tree(author.store.ids(author.id, 1, parse_checkpoint(checkpoint).size))
    entry = author.store.get(author.id, 7)
    seal_of_7 = Sealed(tuple(tree.inclusion(6)), checkpoint.encode(), (mine[0].encode(),))
    seen_by = verify_sealed(seal_of_7, entry, MESH_SWARM, mesh.keys.verify)
    assert seen_by == {witness.id}


def test_a_log_grows_from_checkpoint_to_checkpoint():
    mesh, (author, witness) = company(2)
    for _ in range(3):
        write(mesh, author, limits.CHECKPOINT_ENTRIES)
        mesh.wait(5_000)
    claims = [parse_checkpoint(entry) for entry in witness.of_kind(Kind.CHECKPOINT)]
    assert [claim.size for claim in claims] == [64, 129, 194]
    cosigned = [c for e in author.of_kind(Kind.COSIGN) for c in parse_cosign(e)]
    assert cosigned == claims
    ids = author.store.ids(author.id, 1, 200)
    assert [c.root for c in claims] == [Frontier().extend(ids[: c.size]).root() for c in claims]


def test_a_witness_waits_for_entries_that_are_on_their_way():
    mesh, (author, witness) = company(2)
    mesh.lost = lambda message: isinstance(message, Entries)
    write(mesh, author, limits.CHECKPOINT_ENTRIES)
    mesh.wait(3_000)
    assert witness.of_kind(Kind.COSIGN) == []
    mesh.lost = lambda _message: False
    mesh.wait(limits.SYNC_EVERY_MS * 2)
    assert author.heads() == witness.heads()
    # By now it may have given up; the next checkpoint is cosigned in any case.
    write(mesh, author, limits.CHECKPOINT_ENTRIES)
    mesh.wait(5_000)
    assert parse_cosign(author.of_kind(Kind.COSIGN)[-1])[0].size == author.swarm.witness.latest.size


def test_a_node_that_may_not_append_yet_seals_later():
    stage = Stage()
    gate = stage.swarm.gate
    stage.swarm.journal.write(Kind.TASK, b"news")
    stage.give(TimerFired(CosignDue()))
    gate.state = "short"
    stage.effects.clear()
    stage.give(TimerFired(CheckpointDue()))
    assert [type(effect) for effect in stage.effects] == [SetTimer]
    gate.state = "open"
    stage.effects.clear()
    stage.give(TimerFired(CheckpointDue()))
    [effect] = stage.effects
    assert effect == HashLog(stage.me, 1)
    stage.give(TimerFired(CheckpointDue()))  # nothing new
    assert stage.effects == [effect]


class Shown:
    """A node that is shown checkpoints by anna."""

    def __init__(self) -> None:
        self.stage = Stage(peers="anna")
        self.anna = self.stage.peers["anna"]
        self.entries = [self.stage.capabilities["anna"]]
        for text in (b"one", b"two"):
            self.entries.append(self.anna.entry(Kind.TASK, text))
        self.give(Entries(tuple(entry.encode() for entry in self.entries)))
        self.root = Frontier().extend(entry.id for entry in self.entries).root()

    def give(self, message) -> None:
        self.stage.give(Heard(self.anna.id, message))

    def show(self, size, root, *, kind=Kind.CHECKPOINT) -> None:
        body = Checkpoint(self.anna.id, size, root).encode()
        self.stage.effects.clear()
        self.give(CosignAsked(self.anna.entry(kind, body).encode()))

    def look(self):
        """A second later: which logs are to be hashed."""
        self.stage.effects.clear()
        self.stage.give(TimerFired(CosignDue()))
        return [effect for effect in self.stage.effects if isinstance(effect, HashLog)]

    def hashed(self, size, root):
        """The edge answers; what is then done."""
        self.stage.effects.clear()
        self.stage.give(LogHashed(self.anna.id, size, root))
        return self.stage.effects

    def rejected(self) -> bool:
        return any(isinstance(effect, Reject) for effect in self.stage.effects)


def test_a_cosignature_is_stored_before_it_is_sent():
    shown = Shown()
    shown.show(3, shown.root)
    assert shown.look() == [HashLog(shown.anna.id, 3)]
    effects = shown.hashed(3, shown.root)
    kinds = [type(effect) for effect in effects]
    assert kinds.index(Append) < kinds.index(Send)
    [sent] = (e for e in effects if isinstance(e, Send))
    [append] = (e for e in effects if isinstance(e, Append))
    assert sent.message == Entries((append.entries[0].encode(),))
    assert parse_cosign(append.entries[0]) == [Checkpoint(shown.anna.id, 3, shown.root)]
    unkept = Unkept(shown.stage.me)  # and so does the edge: it commits before it runs the rest
    unkept.add(append.entries, now_ms=0)
    assert unkept.must_go(effects)


def test_what_was_cosigned_is_not_cosigned_again_nor_gone_back_on():
    shown = Shown()
    shown.show(3, shown.root)
    shown.look()
    shown.hashed(3, shown.root)
    shown.show(3, shown.root)
    assert shown.look() == []
    shown.show(2, shown.root)
    assert shown.look() == []
    assert not shown.rejected()


@pytest.mark.parametrize("same", [True, False])
def test_what_was_cosigned_before_must_be_on_the_same_history(same):
    """A witness that lost its disk may have fetched the other branch of a forked log since."""
    shown = Shown()
    shown.show(3, shown.root)
    shown.look()
    shown.hashed(3, shown.root)
    shown.entries.append(shown.anna.entry(Kind.TASK, b"three"))
    shown.give(Entries((shown.entries[-1].encode(),)))
    ids = [entry.id for entry in shown.entries]
    assert shown.stage.swarm.journal.book.head(shown.anna.id).seq == 5  # the 4th: a checkpoint
    root = Frontier().extend([*ids[:3], bytes(32), *ids[3:]]).root()
    shown.show(5, root)
    assert shown.look() == [HashLog(shown.anna.id, 3), HashLog(shown.anna.id, 5)]
    shown.hashed(3, shown.root if same else bytes(32))
    assert shown.rejected() is not same
    cosigned = any(isinstance(effect, Append) for effect in shown.hashed(5, root))
    assert cosigned is same


def test_a_checkpoint_that_contradicts_its_log_is_rejected():
    shown = Shown()
    shown.show(3, bytes(32))
    shown.look()
    shown.hashed(3, shown.root)
    assert shown.rejected()
    assert not any(isinstance(effect, Append) for effect in shown.stage.effects)


def test_only_checkpoints_of_the_one_who_shows_them_are_looked_at():
    shown = Shown()
    shown.show(3, shown.root, kind=Kind.TASK)
    assert shown.rejected()
    shown.show(99, shown.root)
    assert shown.rejected()
    signer = shown.stage.keys.signer(b"somebody else".ljust(32))
    body = b"first"
    first = seal(signer, SWARM, None, kind=Kind.TASK, body=body, hlc=pack(WALL_MS))
    claim = Checkpoint(signer.public, 1, first.id).encode()
    foreign = seal(
        signer, SWARM, first.head, kind=Kind.CHECKPOINT, body=claim, hlc=pack(WALL_MS + 1)
    )
    shown.stage.effects.clear()
    shown.give(CosignAsked(foreign.encode()))
    assert shown.rejected()
    assert shown.look() == []


def test_a_checkpoint_beyond_what_is_here_is_given_up_in_time():
    shown = Shown()
    missing = shown.anna.entry(Kind.TASK, b"on its way")
    shown.show(4, Frontier().extend([*(e.id for e in shown.entries), missing.id]).root())
    for _ in range(limits.COSIGN_TRIES - 1):
        assert shown.look() == []
        assert shown.stage.effects  # the timer goes on
    assert shown.look() == []
    assert shown.stage.effects == []


def test_an_answer_that_nobody_waits_for_means_nothing():
    shown = Shown()
    assert shown.hashed(3, shown.root) == []
    shown.show(3, shown.root)
    shown.look()
    assert shown.hashed(2, shown.root) == []
    assert shown.hashed(3, None) == []
