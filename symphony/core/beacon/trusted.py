"""Who may own work: the connected peers whose logs go on, and this node.

Asked several times for each unit, so the answer is kept until somebody comes or goes or a log ends.
"""

from __future__ import annotations

from symphony.core.ids import NodeId
from symphony.core.logs.identities import Identities
from symphony.core.peers.members import Members


class Trusted:
    """Callable; `forget` is to be called when a log was found to be over."""

    def __init__(self, members: Members, identities: Identities) -> None:
        self._members = members
        self._identities = identities
        self._alive: frozenset[NodeId] | None = None
        self._trusted: frozenset[NodeId] = frozenset()

    def __call__(self) -> frozenset[NodeId]:
        alive = self._members.alive()
        if alive is not self._alive:
            self._alive = alive
            is_over = self._identities.is_over
            self._trusted = frozenset(node for node in alive if not is_over(node))
        return self._trusted

    def forget(self) -> None:
        self._alive = None
