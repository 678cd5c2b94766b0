"""A durable task as one of its line sees it: who else is in line, what they gave, who was heard.

A *charge* lives from the first word about the task until a day after its end, at the conductor as
well as at its stewards. The boxes in it are unread. They come in lists, by giver and term: a
conductor that was restarted begins a new list, and the old one is kept beside it for a while, for
the new one is of use only when it has become longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from symphony.core import limits
from symphony.core.ids import NodeId, TaskId
from symphony.core.records import Outcome
from symphony.core.stewards.line import patience_ms

ListKey = tuple[int, int]
"""The place of the giver, and the term that it named the list by."""


@dataclass(slots=True)
class Charge:
    """One durable task. `until_ms` is its deadline on this node's clock."""

    task: TaskId
    entry: bytes
    line: tuple[NodeId, ...]
    place: int
    until_ms: int
    heard_ms: int
    heard_from: NodeId | None = None
    lists: dict[ListKey, list[bytes]] = field(default_factory=dict)
    gone: bool = False  # the connection to who conducts it is broken, too
    armed_ms: int = 0  # when it is looked at next
    over: int | None = None  # the place of one who gave a verdict
    outcome: Outcome | None = None  # what that says, if the ledger has it
    over_ms: int = 0
    opening: ListKey | None = None  # what is being unsealed
    opened_ms: int = 0
    hopeless: set[ListKey] = field(default_factory=set)  # lists that nothing can be made of
    unwanted: bool = False  # a client of this node wants it to be cancelled
    wanted: bool = False  # a client of this node waits for its end
    answered_ms: dict[bytes, int] = field(default_factory=dict)  # by peer: when it was last told
    told: bool = False  # and was told

    def listen(self, peer: NodeId, now_ms: int, left_ms: int) -> None:
        """Whoever conducts was heard, and says how much time is left."""
        self.heard_from, self.heard_ms, self.gone = peer, now_ms, False
        self.until_ms = now_ms + min(left_ms, limits.MAX_DEADLINE_MS)

    def end(self, place: int, now_ms: int) -> None:
        """There is a verdict."""
        if self.over is None:
            self.over, self.over_ms = place, now_ms

    def due_ms(self) -> int:
        """When this node is to take over, if it hears nothing more: after its patience, of which a
        broken connection takes a lease; or at the deadline, so that the task ends by then. But
        not before a lease of silence.
        """
        silent_ms = self.heard_ms + patience_ms(self.place) - self.gone * limits.LEASE_MS
        return min(silent_ms, max(self.until_ms, self.heard_ms + limits.LEASE_MS))

    def drop_ms(self) -> int:
        """When it may be forgotten."""
        return max(self.until_ms, self.over_ms) + limits.CHARGE_KEPT_MS

    def list_of(self, key: ListKey) -> list[bytes]:
        """The list under this key. Of one giver the newest few are kept."""
        if key not in self.lists:
            old = [other for other in self.lists if other[0] == key[0]]
            for other in old[: len(old) + 1 - limits.MAX_LISTS]:
                del self.lists[other]
            self.lists[key] = []
        return self.lists[key]

    def best(self) -> tuple[ListKey, Sequence[bytes]] | None:
        """What to go on with: of the latest in line that gave anything, the longest list."""
        left = {key: boxes for key, boxes in self.lists.items() if key not in self.hopeless}
        key = max(left, key=lambda key: (key[0], len(left[key])), default=None)
        return None if key is None or not left[key] else (key, left[key])

    @property
    def size(self) -> int:
        """Bytes of all boxes."""
        return sum(len(box) for boxes in self.lists.values() for box in boxes)
