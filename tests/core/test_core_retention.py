"""When the core has bodies forgotten, which it keeps, and that nodes still become equal."""

from core_mesh import SWARM as MESH_SWARM
from core_mesh import WALL_MS as MESH_WALL_MS
from core_mesh import Mesh
from core_stage import Stage, capability

from ledger import Book, Kind, pack
from ledger.limits import DROP_AFTER_MS
from symphony.core import limits
from symphony.core.effects import DropBodies
from symphony.core.inputs import BodiesDropped, EntriesStored, TimerFired, WallClock
from symphony.core.timers import RetentionDue

DAY_MS = 24 * 3600 * 1000


def later(mesh, ms):
    """Every node's wall clock is moved on: days pass without every timer of them."""
    for node in mesh.nodes.values():
        mesh.give(node, WallClock(MESH_WALL_MS + mesh.now_ms + ms))


def forget(mesh, node):
    mesh.give(node, TimerFired(RetentionDue()))
    mesh.settle()


def lacking(node):
    return {entry.kind for _, entry in node.store.entries(limit=999) if entry.body is None}


def test_bodies_of_a_task_live_for_eight_days_and_those_of_the_ledger_for_ever():
    mesh = Mesh()
    node = mesh.join("one")
    for kind in (Kind.TASK, Kind.AWARD, Kind.RESULT, Kind.VERDICT, Kind.HORIZON, 99):
        node.swarm.journal.write(kind, b"body")
    mesh.give(node, WallClock(MESH_WALL_MS))
    later(mesh, limits.BODY_LIFETIME_MS)
    forget(mesh, node)
    assert lacking(node) == set()
    later(mesh, limits.BODY_LIFETIME_MS + DROP_AFTER_MS + 1)
    forget(mesh, node)
    assert lacking(node) == {Kind.TASK, Kind.AWARD, Kind.RESULT, Kind.VERDICT}
    assert list(node.store.verify_all(mesh.keys.verify)) == []


def test_it_goes_on_soon_while_there_is_more_and_rests_after():
    stage = Stage()
    for count, pause_ms in (
        (0, limits.RETENTION_EVERY_MS),
        (1, limits.RETENTION_PAUSE_MS),
        (limits.BODIES_AT_ONCE, limits.RETENTION_PAUSE_MS),
    ):
        stage.timers.clear()
        stage.give(BodiesDropped(count))
        [timer] = stage.timers
        assert (timer.timer, timer.at_ms - stage.now_ms) == (RetentionDue(), pause_ms)


def test_it_begins_some_time_after_the_start():
    stage = Stage()
    stage.wait(limits.RETENTION_FIRST_MS - 1)
    assert stage.of(DropBodies) == []
    stage.wait(1)
    [ordered] = stage.of(DropBodies)
    assert ordered.limit == limits.BODIES_AT_ONCE


def test_the_last_record_of_each_agent_is_kept():
    stage = Stage(peers="anna")
    anna = stage.peers["anna"]
    second = anna.declare(capability("other"))
    third = anna.declare(capability("other"))
    stage.give(EntriesStored((second, third)))
    stage.give(WallClock(1_700_000_000_000 + 3 * DAY_MS))
    stage.give(TimerFired(RetentionDue()))
    ordered = stage.of(DropBodies)[-1]
    assert ordered.keep == {(anna.id, 1), (anna.id, 3)}
    assert ordered.before == pack(1_700_000_000_000 + 3 * DAY_MS - DROP_AFTER_MS)


def test_a_newcomer_gets_every_header_and_ends_where_the_others_are():
    mesh = Mesh()
    old = mesh.join("old")
    for _ in range(5):
        old.swarm.journal.write(Kind.RESULT, b"long ago")
    later(mesh, limits.BODY_LIFETIME_MS + DROP_AFTER_MS + 1)
    forget(mesh, old)
    old.swarm.journal.write(Kind.RESULT, b"today")
    assert lacking(old) == {Kind.RESULT}
    new = mesh.join("new")
    later(mesh, limits.BODY_LIFETIME_MS + DROP_AFTER_MS + 1)
    mesh.link(old, new)
    assert new.heads() == old.heads()
    assert [e.body for _, e in new.store.entries(limit=9)] == [None] * 5 + [b"today"]
    assert new.store.ids(old.id, 1, 9) == old.store.ids(old.id, 1, 9)
    assert list(new.store.verify_all(mesh.keys.verify)) == []


def test_a_relay_that_strips_bodies_too_early_convinces_nobody():
    mesh = Mesh()
    old = mesh.join("old")
    entry = old.swarm.journal.write(Kind.RESULT, b"of use")
    book = Book(MESH_SWARM, mesh.keys.verify)
    refused = book.admit(entry.without_body(), MESH_WALL_MS)
    assert refused.reason == "no_body"
