"""Asking after a quiet peer: it is asked itself, and three others are asked to contact it.

A *round* begins when a look, once in each period of presence, finds a peer quiet (`suspicion`). It
ends as soon as the peer is heard, or one of the others says that it hears it; else when its time is
up, and then the peer is judged. The others are drawn by chance from those that are heard, but for
who heard this very peer the last time: that one is asked again. A peer that nobody fails to hear
costs no message, and at most eight rounds run at once, of four messages and their answers each.

Only who was asked in this very round is listened to. Another's word counts if it names the life
(`presence`) that this node is connected to: that a peer was started again says nothing good about
the connection to what it was before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from symphony.core import limits
from symphony.core.chance import Chance
from symphony.core.events import PeerSilent, SelfDoubted
from symphony.core.ids import NodeId
from symphony.core.outbox import Outbox
from symphony.core.peers.presence import ContactAsked, ContactTold
from symphony.core.peers.suspicion import Suspicion
from symphony.core.timers import ContactOver


@dataclass(slots=True)
class _Round:
    number: int
    others: frozenset[NodeId]
    due_ms: int
    answered: set[NodeId] = field(default_factory=set)


class Contact:
    """The rounds about quiet peers. `life_of` gives the incarnation that a peer told, if it did."""

    def __init__(
        self,
        out: Outbox,
        chance: Chance,
        suspicion: Suspicion,
        life_of: Callable[[NodeId], int | None],
    ) -> None:
        self._out = out
        self._chance = chance
        self._suspicion = suspicion
        self._life_of = life_of
        self.rounds: dict[NodeId, _Round] = {}
        self._heard_by: dict[NodeId, NodeId] = {}
        """Who heard a quiet peer last."""
        self._number = 0

    def look(self) -> None:
        """Begin a round about each peer that is quiet, as many as may run at once."""
        now_ms = self._out.now_ms
        for peer in self._suspicion.quiet(now_ms):
            if len(self.rounds) >= limits.CONTACTS_AT_ONCE:
                return
            if peer not in self.rounds:
                self._begin(peer)

    def _begin(self, peer: NodeId) -> None:
        lively = sorted(self._suspicion.lively(self._out.now_ms))
        known = [other for other in lively if other == self._heard_by.get(peer)]
        rest = [other for other in lively if other not in known]
        few = min(limits.GO_BETWEENS - len(known), len(rest))
        others = known + self._chance.sample(rest, few)
        self._number += 1
        patience_ms = self._suspicion.patience_ms
        due_ms = self._out.now_ms + patience_ms
        self.rounds[peer] = _Round(self._number, frozenset(others), due_ms)
        for asked in (peer, *others):
            self._out.send(asked, ContactAsked(peer, self._number))
        self._out.timer(ContactOver(peer, self._number), patience_ms)

    def heard(self, peer: NodeId) -> None:
        """A peer spoke: nothing is left to be asked about it."""
        self.rounds.pop(peer, None)

    def gone(self, peer: NodeId) -> None:
        """A connection broke: nobody asks about it, and it is no go-between."""
        self.rounds.pop(peer, None)
        self._heard_by.pop(peer, None)

    def told(self, by: NodeId, word: ContactTold) -> None:
        """One that may have been asked answers."""
        peer = NodeId(word.node)
        asking = self.rounds.get(peer)
        if asking is None or asking.number != word.number or by not in asking.others:
            return  # too late, or never asked
        asking.answered.add(by)
        if word.incarnation is None or word.incarnation != self._life_of(peer):
            return
        del self.rounds[peer]
        self._heard_by[peer] = by
        self._suspicion.vouched(peer, self._out.now_ms)
        self._tell(peer, by)

    def over(self, timer: ContactOver) -> None:
        """The time of a round is up."""
        asking = self.rounds.get(timer.peer)
        if asking is None or asking.number != timer.number:
            return
        del self.rounds[timer.peer]
        doubt = self._suspicion.doubt
        if self._out.now_ms - asking.due_ms > limits.CONTACT_LATE_MS:
            self._suspicion.held_up()
        elif self._suspicion.unheard(timer.peer, answered=bool(asking.answered)):
            self._tell(timer.peer, None)
        if self._suspicion.doubt > doubt:
            self._out.tell(SelfDoubted(self._suspicion.doubt))

    def _tell(self, peer: NodeId, by: NodeId | None) -> None:
        silent_ms = self._suspicion.silent_ms(peer, self._out.now_ms)
        self._out.tell(PeerSilent(peer, silent_ms, by))
