"""What a simulated machine reads in its store: ranges for peers, entries, roots, bodies to drop.

As at the real edge, whatever is accepted is committed before anybody looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, assert_never

from ledger import Entry
from symphony.core import limits
from symphony.core.effects import DropBodies, HashLog, LookUp, SendRange
from symphony.core.inputs import BodiesDropped, LogHashed, LookedUp
from symphony.core.messages import Entries
from symphony.testing.disk import in_frames

if TYPE_CHECKING:
    from symphony.testing.machine import Machine

RANGE_FRAME_BYTES = 64 * 1024


def read(machine: Machine, wanted: SendRange | LookUp | HashLog | DropBodies) -> None:
    """Look into the store for the core; what is found goes to a peer, or back to the core."""
    world, disk = machine.world, machine.disk
    disk.commit()
    match wanted:
        case SendRange():
            _send_range(machine, wanted)
        case LookUp(peer, claim):
            stored = disk.store.get(claim.author, claim.seq)
            before = disk.store.get(claim.author, claim.seq - 1)
            machine.later(world.now_ms, LookedUp(peer, claim, stored, before))
        case HashLog(author, size):
            frontier = disk.store.frontier(author, size)
            root = frontier.root() if frontier is not None else None
            machine.later(world.now_ms, LogHashed(author, size, root))
        case DropBodies(before_hlc, keep, limit):
            dropped = disk.store.drop_bodies(before_hlc, keep=keep, limit=limit)
            machine.later(world.now_ms, BodiesDropped(dropped))
        case _:
            assert_never(wanted)


def _send_range(machine: Machine, wanted: SendRange) -> None:
    world = machine.world
    found: Sequence[Entry] = machine.disk.store.range(
        wanted.author, wanted.first, wanted.last, limits.MAX_GOSSIP_BATCH_BYTES * 16
    )
    if machine.equivocator is not None and wanted.author == machine.id:
        found = machine.equivocator.served(wanted.peer, found, wanted.first, wanted.last)
    for frame in in_frames(found, RANGE_FRAME_BYTES):
        world.checks.marks.add("sync by heads")
        world.send(machine, world.index_of[wanted.peer], Entries(frame, asked=True))
