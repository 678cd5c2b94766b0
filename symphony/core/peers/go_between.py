"""Being asked whether one hears from somebody: the other side of `contact`.

Who is asked about itself answers at once. Who is asked about a peer of its own asks that peer, and
answers as soon as it says anything at all; after a second without a word it answers that it heard
nothing, so that the asker knows that at least its own question was heard. About a node that is no
peer it answers that at once.

What can be gained by asking is bounded. An asker has a rate of its own and what goes beyond is
dropped, without blame: to a node that was paused, honest questions come all at once. A question
leads to one message and one answer at most, so it multiplies nothing; however many ask about a
peer at one time, that peer is asked once. Nothing is passed on further than to the node that it is
about.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from symphony.core import limits
from symphony.core.ids import NodeId
from symphony.core.outbox import Outbox
from symphony.core.peers.presence import ContactAsked, ContactTold
from symphony.core.timers import AnswerDue
from symphony.core.turns import Turns


class GoBetween:
    """Questions of peers about other peers, until they are answered. `life_of` gives the
    incarnation that a peer told, or the own one.
    """

    def __init__(
        self,
        me: NodeId,
        out: Outbox,
        connected: Collection[NodeId],
        life_of: Callable[[NodeId], int | None],
    ) -> None:
        self._me = me
        self._out = out
        self._connected = connected
        self._life_of = life_of
        self.waiting: dict[NodeId, set[tuple[NodeId, int]]] = {}
        """The askers and their numbers, by the peer that they ask about."""
        self._turns = Turns(out, limits.CONTACTS_PER_S, limits.CONTACTS_BURST)

    def asked(self, asker: NodeId, word: ContactAsked) -> None:
        """A peer wants to know whether a node is there."""
        if asker not in self._connected or not self._turns.take(asker):
            return
        node = NodeId(word.node)
        if node == self._me or node not in self._connected:
            self._answer(asker, node, word.number, self._life_of(node))
            return
        if sum(map(len, self.waiting.values())) >= limits.MAX_QUESTIONS:
            return
        if node not in self.waiting:
            self._out.send(node, ContactAsked(node, 0))
        self.waiting.setdefault(node, set()).add((asker, word.number))
        self._out.timer(AnswerDue(node, asker, word.number), limits.GO_BETWEEN_MS)

    def heard(self, peer: NodeId) -> None:
        """A peer spoke: whoever asked about it hears that."""
        if peer in self.waiting:
            life = self._life_of(peer)
            for asker, number in sorted(self.waiting.pop(peer)):
                self._answer(asker, peer, number, life)

    def due(self, timer: AnswerDue) -> None:
        """The node that was asked about said nothing in time."""
        asked = self.waiting.get(timer.node, set())
        if (timer.asker, timer.number) in asked:
            asked.discard((timer.asker, timer.number))
            if not asked:
                del self.waiting[timer.node]
            self._answer(timer.asker, timer.node, timer.number, None)

    def gone(self, peer: NodeId) -> None:
        """A connection broke: of an asker, of one that was asked about, or of both."""
        for asker, number in sorted(self.waiting.pop(peer, ())):
            self._answer(asker, peer, number, None)
        for node in list(self.waiting):
            left = {one for one in self.waiting[node] if one[0] != peer}
            if left:
                self.waiting[node] = left
            else:
                del self.waiting[node]
        self._turns.pop(peer, None)

    def _answer(self, asker: NodeId, node: NodeId, number: int, life: int | None) -> None:
        self._out.send(asker, ContactTold(node, number, life))
