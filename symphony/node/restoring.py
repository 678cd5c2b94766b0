"""What the core is told before anything else: the time, and what the ledger says about agents.

A million stored entries are never read at a start: the heads are kept in a table of their own,
and only the kinds that the core keeps a picture of are read back, page by page.
"""

from __future__ import annotations

from collections.abc import Callable

from ledger import Kind, Store, succession
from symphony.core.effects import Effect
from symphony.core.experience import LEARNED_FROM
from symphony.core.inputs import EntriesStored, WallClock
from symphony.core.swarm import Swarm
from symphony.node import limits

REMEMBERED = (*succession.REMEMBERED, Kind.CAPABILITY, Kind.REVOKE)
"""First who speaks for whom: it decides what the others mean."""
EVIDENCE = (Kind.PROBE, Kind.VERDICT)
"""What is known of agents, from the newest part of the ledger only."""


def restore(
    swarm: Swarm, store: Store, now_ms: Callable[[], int], wall_ms: Callable[[], int]
) -> list[Effect]:
    """Feed a new core from the store; what comes back are facts to tell, nothing to send."""
    effects = swarm.handle(now_ms(), WallClock(wall_ms()))
    for kind in REMEMBERED:
        after = 0
        while page := store.by_kind(kind, after_rowid=after, limit=limits.RESTORE_PAGE):
            entries = tuple(entry for _, entry in page)
            effects += swarm.handle(now_ms(), EntriesStored(entries))
            after = page[-1][0]
    effects += _evidence(swarm, store, now_ms)
    return effects + _own_experience(swarm, store, now_ms)


def _evidence(swarm: Swarm, store: Store, now_ms: Callable[[], int]) -> list[Effect]:
    """What was lately said of agents; the own verdicts come with the own log."""
    head = swarm.journal.book.head(swarm.me)
    row = store.rowid(swarm.me, head.seq) if head is not None else None
    effects: list[Effect] = []
    for kind in EVIDENCE:
        after = max(0, (row or 0) - limits.EVIDENCE_ROWS)
        while page := store.by_kind(kind, after_rowid=after, limit=limits.RESTORE_PAGE):
            told = (e for _, e in page if kind == Kind.PROBE or e.author != swarm.me)
            effects += swarm.handle(now_ms(), EntriesStored(tuple(told)))
            after = page[-1][0]
    return effects


def _own_experience(swarm: Swarm, store: Store, now_ms: Callable[[], int]) -> list[Effect]:
    """What the last tasks of this node taught it about agents: the end of its own log."""
    head = swarm.journal.book.head(swarm.me)
    last = head.seq if head is not None else 0
    first = max(1, last + 1 - limits.OWN_ENTRIES_RELEARNED)
    effects: list[Effect] = []
    while first <= last:
        page = store.range(swarm.me, first, last, limits.RESTORE_PAGE_BYTES)
        if not page:
            break
        kept = tuple(entry for entry in page if entry.kind in LEARNED_FROM)
        effects += swarm.handle(now_ms(), EntriesStored(kept))
        first = page[-1].seq + 1
    return effects
