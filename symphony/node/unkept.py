"""What is accepted but not on disk yet: entries of others, for a moment.

An entry that this node wrote is committed before anything is said of it. An entry of somebody
else is signed, and can be fetched again: a crash that loses it costs a sync and no promise, as
long as this node has claimed to nobody that it holds it. So it waits here until

    an own entry is committed, in the same transaction,
    something is said that claims to hold it (heads, ranges, receipts),
    anybody looks into the store, or
    `limits.UNKEPT_MS` have passed, or `limits.BATCH` of them have gathered.

Work is therefore begun, and votes are counted, without waiting for a disk.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger import Entry
from symphony.core.effects import Append, Effect, KeepReceipt, Send
from symphony.core.ids import NodeId
from symphony.core.messages import Heads, HeadTold, Reconcile
from symphony.node import limits


class Unkept:
    """The entries that wait for a commit, in the order in which they were accepted."""

    def __init__(self, me: NodeId) -> None:
        self._me = me
        self._entries: list[Entry] = []
        self.due_ms: int | None = None
        """When they have waited long enough; None if there are none."""

    def add(self, entries: Sequence[Entry], now_ms: int) -> None:
        if entries and not self._entries:
            self.due_ms = now_ms + limits.UNKEPT_MS
        self._entries += entries

    def take(self) -> Sequence[Entry]:
        """All of them, for somebody who commits them now."""
        entries, self._entries = self._entries, []
        self.due_ms = None
        return entries

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
                return isinstance(message, Heads | HeadTold | Reconcile)
            case KeepReceipt():
                return True
            case _:
                return False  # ranges, hashes and look-ups read the store, which commits first
