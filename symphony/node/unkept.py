"""What is accepted but not on disk yet: entries of others, for a moment.

An entry that this node wrote is committed before anything is said of it. An entry of somebody
else is signed, and can be fetched again: a crash that loses it costs a sync and no promise, as
long as this node has claimed to nobody that it holds it. So it waits here until

    an own entry is committed, in the same transaction,
    something is said that claims to hold it (heads, ranges, receipts),
    anybody looks into the store, or
    `limits.UNKEPT_MS` have passed, or `limits.BATCH` of them have gathered.

Work is therefore begun, and votes are counted, without waiting for a disk.

The notes of a conductor about its own tasks wait with them: they go to the disk with the next
commit, and what is said never rests on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger import Entry
from symphony.core.effects import Append, Effect, KeepReceipt, Note, Send, SetTimer, StartWork
from symphony.core.ids import NodeId
from symphony.core.messages import Heads, HeadTold, Reconcile
from symphony.node import limits

_TELLS_NOBODY = frozenset({StartWork, SetTimer})
_CLAIMS = frozenset({Heads, HeadTold, Reconcile})
"""What says of entries that this node holds them."""


@dataclass(frozen=True, slots=True)
class Pile:
    """What is to be committed together."""

    entries: Sequence[Entry] = ()
    notes: Sequence[Note] = ()


def at_once(effects: Sequence[Effect]) -> int:
    """So many effects at the beginning that need not wait for a commit: work and timers that are
    listed before the first append. What a node does for itself tells nobody anything.
    """
    for count, effect in enumerate(effects):
        if type(effect) not in _TELLS_NOBODY:
            return count
    return len(effects)


class Unkept:
    """The entries that wait for a commit, in the order in which they were accepted."""

    def __init__(self, me: NodeId) -> None:
        self._me = me
        self._entries: list[Entry] = []
        self._notes: list[Note] = []
        self.due_ms: int | None = None
        """When they have waited long enough; None if there are none."""

    def add(self, entries: Sequence[Entry], now_ms: int) -> None:
        if entries:
            self._wait(now_ms)
            self._entries += entries

    @property
    def entries(self) -> int:
        """How many entries wait."""
        return len(self._entries)

    def note(self, note: Note, now_ms: int) -> None:
        self._wait(now_ms)
        self._notes.append(note)

    def _wait(self, now_ms: int) -> None:
        if self.due_ms is None:
            self.due_ms = now_ms + limits.UNKEPT_MS

    def take(self) -> Pile:
        """All of them, for somebody who commits them now."""
        pile = Pile(self._entries, self._notes)
        self._entries, self._notes = [], []
        self.due_ms = None
        return pile

    def must_go(self, effects: Sequence[Effect]) -> bool:
        """Does anything in these effects rest on what is unkept? Their entries were added."""
        if not self._entries:
            return False
        return len(self._entries) >= limits.BATCH or any(map(self._rests_on_disk, effects))

    def _rests_on_disk(self, effect: Effect) -> bool:
        match effect:
            case Append(entries):
                return any(entry.author == self._me for entry in entries)
            case Send(_, message):
                return type(message) in _CLAIMS
            case KeepReceipt():
                return True
            case _:
                return False  # ranges, hashes and look-ups read the store, which commits first
