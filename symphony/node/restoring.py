"""What the core is told before anything else: the time, what the ledger says about agents, and the
tasks that had not ended.

A million stored entries are never read at a start: the heads are kept in a table of their own,
and only the kinds that the core keeps a picture of are read back, page by page. Of the own log
also what was written since the oldest task that had not ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ledger import Kind, Store, succession
from ledger.paging import pages_of
from symphony.core.beacon.experience import LEARNED_FROM
from symphony.core.effects import Effect
from symphony.core.inputs import EntriesStored, TaskFound, WallClock
from symphony.core.swarm import Swarm
from symphony.core.tasks.notes import TaskBegun
from symphony.node import limits

REMEMBERED = (*succession.REMEMBERED, Kind.CAPABILITY, Kind.REVOKE)
"""First who speaks for whom: it decides what the others mean."""
EVIDENCE = (Kind.PROBE, Kind.VERDICT)
"""What is known of agents, from the newest part of the ledger only."""


def restore(
    swarm: Swarm,
    store: Store,
    now_ms: Callable[[], int],
    wall_ms: Callable[[], int],
    tasks: Sequence[TaskFound] = (),
) -> list[Effect]:
    """Feed a new core from the store, and with the notes of its tasks; what comes back are facts to
    tell, and notes to forget; nothing to send.
    """
    effects = swarm.handle(now_ms(), WallClock(wall_ms()))
    for kind in REMEMBERED:
        for entries in pages_of(store, kind, limit=limits.RESTORE_PAGE):
            effects += swarm.handle(now_ms(), EntriesStored(entries))
    effects += _evidence(swarm, store, now_ms)
    for found in tasks:
        effects += swarm.handle(now_ms(), found)
    return effects + _own_log(swarm, store, now_ms, tasks)


def _evidence(swarm: Swarm, store: Store, now_ms: Callable[[], int]) -> list[Effect]:
    """What was lately said of agents; the own verdicts come with the own log."""
    head = swarm.journal.book.head(swarm.me)
    row = store.rowid(swarm.me, head.seq) if head is not None else None
    effects: list[Effect] = []
    for kind in EVIDENCE:
        after = max(0, (row or 0) - limits.EVIDENCE_ROWS)
        for entries in pages_of(store, kind, after=after, limit=limits.RESTORE_PAGE):
            told = (e for e in entries if kind == Kind.PROBE or e.author != swarm.me)
            effects += swarm.handle(now_ms(), EntriesStored(tuple(told)))
    return effects


def _own_log(
    swarm: Swarm, store: Store, now_ms: Callable[[], int], tasks: Sequence[TaskFound]
) -> list[Effect]:
    """The end of the own log: what the last tasks taught about agents, and what was written since
    the oldest task that had not ended.
    """
    head = swarm.journal.book.head(swarm.me)
    last = head.seq if head is not None else 0
    begun = [note.seq for found in tasks for note in found.notes if isinstance(note, TaskBegun)]
    first = min(max(1, last + 1 - limits.OWN_ENTRIES_RELEARNED), *begun, last + 1)
    effects: list[Effect] = []
    while first <= last:
        page = store.range(swarm.me, first, last, limits.RESTORE_PAGE_BYTES)
        if not page:
            break
        kept = tuple(entry for entry in page if entry.kind in LEARNED_FROM)
        effects += swarm.handle(now_ms(), EntriesStored(kept))
        first = page[-1].seq + 1
    return effects
