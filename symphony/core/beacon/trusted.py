"""Who may own work: the connected peers whose logs go on, and this node.

A peer whose invite has the scope `observer` may not. It holds the ledger as all do and witnesses
checkpoints, but nobody asks it for bids, hears those that it makes, or works for it.

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
        self._honest: frozenset[NodeId] = frozenset()
        self._trusted: frozenset[NodeId] = frozenset()

    def __call__(self) -> frozenset[NodeId]:
        self._look()
        return self._trusted

    def witnesses(self) -> frozenset[NodeId]:
        """These, and the observers."""
        self._look()
        return self._honest

    def works(self, peer: NodeId) -> bool:
        """Is what a peer says about work to be listened to?"""
        return not self._identities.is_over(peer) and peer not in self._members.observers

    def _look(self) -> None:
        alive = self._members.alive()
        if alive is not self._alive:
            self._alive = alive
            is_over = self._identities.is_over
            self._honest = frozenset(node for node in alive if not is_over(node))
            self._trusted = self._honest - self._members.observers

    def forget(self) -> None:
        self._alive = None
