"""The loop when it ends: what was accepted is brought to the disk, behind whoever uses it."""

from __future__ import annotations

import threading
from functools import partial
from random import Random

import trio
import trio.testing

from ledger import Kind, MemoryStore, PrivateKey, seal, verify
from symphony.core.ids import SwarmId, TaskId
from symphony.core.inputs import Cancel, Submit
from symphony.core.spec import TaskSpec
from symphony.core.swarm import Swarm
from symphony.node.boxes import BoxKey
from symphony.node.disk import Disk
from symphony.node.high_water import HighWater
from symphony.node.hub import Hub
from symphony.node.loop import Loop
from symphony.node.notebook import Notebook

SWARM = SwarmId(bytes(32))
BOX = BoxKey(bytes(32))


async def test_the_last_commit_waits_for_the_thread_that_uses_the_store(tmp_path):
    store = MemoryStore(SWARM)
    swarm = Swarm(PrivateKey(bytes(32)), verify, SWARM, Random("loop"))
    disk = Disk(swarm.me, store, HighWater(tmp_path), Notebook(tmp_path))
    loop = Loop(swarm, disk, Hub(), lambda: 0, tmp_path, BOX)
    other = PrivateKey(bytes(31) + b"1")
    entry = seal(other, SWARM, None, kind=Kind.TASK, body=b"accepted", hlc=1)
    busy, done = threading.Event(), threading.Event()
    found: list[int] = []

    def look() -> None:
        busy.set()
        assert done.wait(10)
        found.append(len(store.entries(limit=9)))

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loop.on_disk, look)
            await trio.to_thread.run_sync(partial(busy.wait, 10))
            async with trio.open_nursery() as running:
                running.start_soon(loop.run)
                await trio.testing.wait_all_tasks_blocked(0.01)
                disk.unkept.add([entry], 0)
                running.cancel_scope.cancel()
                running.start_soon(_release, done)
    assert found == [0]
    assert [kept for _, kept in store.entries(limit=9)] == [entry]


async def _release(done: threading.Event) -> None:
    with trio.CancelScope(shield=True):
        await trio.testing.wait_all_tasks_blocked(0.01)
        done.set()


async def test_who_is_told_of_a_task_finds_it_on_the_disk(tmp_path):
    """And when it has ended, its notes are gone and its end is kept."""
    me = PrivateKey(bytes(32))
    swarm = Swarm(me, verify, SWARM, Random("loop"))
    store, hub, notebook = MemoryStore(SWARM), Hub(), Notebook(tmp_path)
    disk = Disk(swarm.me, store, HighWater(tmp_path), notebook)
    loop = Loop(swarm, disk, hub, lambda: 0, tmp_path, BOX)
    loop.embed = lambda effect: None
    task, spec = TaskId(b"t" * 16), TaskSpec("What is 6 x 7?", planning="never")
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loop.run)
            hub.begin(task, spec, 1_000)
            await loop.feed(Submit(task, b"s" * 16, spec))
            await hub.begun(task)
            (found,) = notebook.unfinished()
            assert found.task == task
            assert [entry.kind for _, entry in store.entries(limit=9)] == [Kind.TASK]
            await loop.feed(Cancel(task))
            story = hub.story(task)
            assert story is not None
            await story.ended_event.wait()
            await trio.testing.wait_all_tasks_blocked()
            assert notebook.unfinished() == []
            ((kept, ended),) = notebook.ended(2_000)
            assert (kept, ended.ended.outcome) == (task, "cancelled")
            nursery.cancel_scope.cancel()
    notebook.close()
