"""Ledgers become equal, by heads in a small swarm and by ranges in a large one."""

from dataclasses import replace

import pytest
from core_mesh import WALL_MS, Mesh, Node, log
from core_stage import Stage

from ledger import Initiator, encode_heads
from ledger.limits import MAX_WANT_ENTRIES, RECONCILE_FROM_LOGS
from symphony.core import limits
from symphony.core.effects import Reject, Send, SendRange
from symphony.core.inputs import Heard, OwnLogMark, PeerUp, Started, WallClock
from symphony.core.messages import Entries, Heads, Reconcile, Want


def logs_of(keys, count, entries=1):
    return [log(keys, f"author {at}", entries) for at in range(count)]


@pytest.mark.parametrize("count", [0, RECONCILE_FROM_LOGS - 1, RECONCILE_FROM_LOGS, 300])
def test_a_newcomer_gets_everything(count):
    mesh = Mesh()
    old = mesh.join("old", logs_of(mesh.keys, count, 3))
    new = mesh.join("new")
    mesh.link(old, new)
    assert old.heads() == new.heads()
    assert len(new.heads()) == count
    assert bool(mesh.said["reconcile"]) == (count >= RECONCILE_FROM_LOGS)


def test_large_ledgers_that_differ_become_equal():
    mesh = Mesh()
    every = logs_of(mesh.keys, 400, 4)
    one = mesh.join("one", [entries[: 1 + at % 4] for at, entries in enumerate(every[:300])])
    other = mesh.join("other", [entries[: 1 + at % 3] for at, entries in enumerate(every[100:])])
    mesh.link(one, other)
    assert one.heads() == other.heads()
    assert len(one.heads()) == 400
    quiet = mesh.size_bytes.copy()
    mesh.wait(limits.SYNC_EVERY_MS * 2)
    assert mesh.said["reconcile"] > 0
    assert mesh.size_bytes["heads"] == quiet["heads"]
    assert mesh.size_bytes["entries"] == quiet["entries"]


def test_a_quiet_comparison_is_small():
    mesh = Mesh()
    every = logs_of(mesh.keys, 1000)
    one, other = mesh.join("one", every), mesh.join("other", every)
    mesh.link(one, other)
    assert mesh.said.keys() <= {"presence", "reconcile"}
    assert mesh.said["reconcile"] == 2  # one side asks on meeting
    assert mesh.size_bytes["reconcile"] <= 500


def test_a_session_that_is_lost_is_followed_by_another():
    mesh = Mesh()
    every = logs_of(mesh.keys, 200, 2)
    one = mesh.join("one", every)
    other = mesh.join("other", [entries[:1] for entries in every[:150]])
    left = [5]

    def lossy(message) -> bool:
        left[0] -= isinstance(message, Reconcile)
        return isinstance(message, Reconcile) and left[0] % 3 == 0 and left[0] > -40

    mesh.lost = lossy
    mesh.link(one, other)
    for _ in range(12):
        mesh.wait(limits.SYNC_EVERY_MS)
    assert one.heads() == other.heads()


def test_a_long_log_is_fetched_range_by_range():
    mesh = Mesh()
    entries = log(mesh.keys, "busy", 2 * MAX_WANT_ENTRIES + 10)
    old, new = mesh.join("old", [entries]), mesh.join("new")
    mesh.link(old, new)
    assert new.heads() == old.heads()
    assert mesh.said["want"] == 3


def test_many_logs_are_fetched_side_by_side_and_then_the_rest():
    mesh = Mesh()
    old = mesh.join("old", logs_of(mesh.keys, limits.RANGES_IN_FLIGHT + 60))
    new = mesh.join("new")
    mesh.link(old, new)
    assert new.heads() == old.heads()


def test_many_logs_that_several_peers_have_are_fetched_without_a_pause():
    mesh = Mesh()
    every = logs_of(mesh.keys, 4 * limits.RANGES_IN_FLIGHT)
    new, olds = mesh.join("new"), [mesh.join(f"old {at}", every) for at in range(3)]
    for old in olds:
        for here, there in ((old, new), (new, old)):
            here.peers.add(there.id)
            mesh.give(here, PeerUp(there.id, 1))
    mesh.settle()
    assert len(new.heads()) == len(every)
    assert mesh.said["want"] == len(every)


def test_a_log_is_fetched_from_one_peer_and_from_the_next_when_that_is_gone():
    mesh = Mesh()
    entries = log(mesh.keys, "somebody", 5)
    one, two, new = mesh.join("one", [entries]), mesh.join("two", [entries]), mesh.join("new")
    mesh.lost = lambda message: isinstance(message, Entries)
    mesh.link(one, new)
    mesh.link(two, new)
    assert mesh.said["want"] == 1
    mesh.cut(one, new)
    mesh.lost = lambda _message: False
    mesh.wait(limits.SYNC_EVERY_MS * 2)
    assert new.heads() == two.heads()


def test_a_long_own_log_comes_back_range_by_range_before_the_node_appends():
    mesh = Mesh()
    lost = log(mesh.keys, "restored", 2 * MAX_WANT_ENTRIES + 10)
    old, restored = mesh.join("old", [lost]), Node(mesh, "restored", ())
    mesh.nodes[restored.id] = restored
    mesh.give(restored, WallClock(WALL_MS + mesh.now_ms))
    mesh.give(restored, Started((), 1, own_log=OwnLogMark(len(lost), known_peers=1)))
    assert not restored.swarm.gate.may_append()
    mesh.link(old, restored)
    mesh.wait(limits.ASKING_MS * 2)
    assert restored.swarm.gate.state == "open"
    assert restored.heads()[restored.id] == lost[-1].head


def test_heads_are_told_at_a_bounded_rate():
    stage = Stage(peers="anna")
    empty = Heads(encode_heads([]), reply=True)
    stage.effects.clear()
    for _ in range(limits.RECONCILE_BURST + 3):
        stage.heard("anna", empty)
    assert len(stage.sent("anna", Heads)) == limits.RECONCILE_BURST
    assert [e.reason for e in stage.of(Reject)] == ["heads: too many requests"] * 3


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_one_want_is_served_with_so_many_entries_at_most(more):
    stage = Stage(peers="anna")
    stage.effects.clear()
    stage.heard("anna", Want(bytes(32), 5, 4 + MAX_WANT_ENTRIES + more))
    [served] = stage.of(SendRange)
    assert (served.first, served.last) == (5, 4 + MAX_WANT_ENTRIES + min(more, 0))


def test_hostile_frames_are_rejected_by_name():
    stage = Stage(peers="anna")
    peer = stage.peers["anna"].id
    for message in (
        Reconcile(b"\xff", answer=False),
        Reconcile(b"\x80", answer=False),
        Heads(b"\x01", reply=True),
    ):
        stage.effects.clear()
        stage.give(Heard(peer, message))
        assert any(isinstance(effect, Reject) for effect in stage.effects)
    stage.effects.clear()
    stage.give(Heard(peer, Reconcile(b"\x80", answer=True)))  # an answer to nothing
    assert stage.effects == []


def test_requests_are_answered_at_a_bounded_rate():
    stage = Stage(peers="anna")
    peer = stage.peers["anna"].id
    frame = Initiator(stage.swarm.journal.book, bytes(16)).start()
    stage.effects.clear()
    for _ in range(limits.RECONCILE_BURST + 3):
        stage.give(Heard(peer, Reconcile(frame, answer=False)))
    sent = [e for e in stage.effects if isinstance(e, Send) and isinstance(e.message, Reconcile)]
    assert len(sent) == limits.RECONCILE_BURST
    assert sum(isinstance(effect, Reject) for effect in stage.effects) == 3


def test_a_lying_head_costs_one_bounded_request():
    stage = Stage(peers="anna")
    peer = stage.peers["anna"]
    head = log(stage.keys, "liar", 1)[0].head
    stage.effects.clear()
    stage.give(Heard(peer.id, Heads(encode_heads([replace(head, seq=2**40)]), reply=False)))
    wants = [e.message for e in stage.effects if isinstance(e, Send)]
    assert wants == [Want(head.author, 1, MAX_WANT_ENTRIES)]
