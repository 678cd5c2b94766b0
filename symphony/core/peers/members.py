"""Who is here. Connected peers are alive; presence messages say how busy they are.

Every five seconds a node says to each peer that it is connected to that it is here, where it can be
dialled, and the same of up to four others that it is connected to: the two that came last, and two
by chance. So two that joined at the same moment, and were told of nobody, find each other, and what
a node hears and says is bounded by its connections (64 at most), not by the size of the swarm.
Nothing of it is stored, and nobody passes on what it only heard of: a node that is gone is soon
mentioned by nobody.

Only direct contact makes a peer a candidate for work: being mentioned by others is not being
reachable. A mention costs its hearer a line in a bounded address book; the key that answers there
must be the one that was named. Who is needed for a rare skill is sought (`introducing`).

A peer that falls silent is asked after (`contact`, `go_between`) before it counts as dead
(`suspicion`); whatever it says, to us or to who asks for us, shows that it is here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Protocol, assert_never

from symphony.core import limits
from symphony.core.chance import Chance, jittered
from symphony.core.effects import Meet
from symphony.core.ids import NodeId
from symphony.core.outbox import Outbox
from symphony.core.peers.contact import Contact
from symphony.core.peers.go_between import GoBetween
from symphony.core.peers.introducing import Introducing
from symphony.core.peers.presence import ContactAsked, ContactTold, Mention, Presence, Seek
from symphony.core.peers.suspicion import Suspicion
from symphony.core.timers import AnswerDue, ContactOver, PeerTimer, PresenceDue, PresenceSoon


class Load(Protocol):
    """How busy this node is."""

    @property
    def running(self) -> int: ...
    @property
    def queued(self) -> int: ...
    @property
    def slots(self) -> int: ...


class Members:
    """The connected peers and what they last said about themselves."""

    def __init__(self, me: NodeId, out: Outbox, chance: Chance) -> None:
        self._me = me
        self._out = out
        self._chance = chance
        self._connected: set[NodeId] = {me}
        self._alive: frozenset[NodeId] | None = None
        self._operators: dict[NodeId, str] = {}
        self.observers: set[NodeId] = set()
        """Those of the connected peers that neither work for others nor have others work."""
        self._seen: dict[NodeId, Presence] = {}
        """The last word of each peer that can be dialled, the peer that came last at the end."""
        self._met: OrderedDict[NodeId, str] = OrderedDict()
        self._announced_soon = False
        self._lives: dict[NodeId, int] = {}
        """The incarnation that each connected peer told last, and the own one."""
        self._suspicion = Suspicion()
        self._asking = Contact(out, chance, self._suspicion, self._lives.get)
        self._between = GoBetween(me, out, self._connected, self._lives.get)
        self._introducing = Introducing(
            out, chance, self._connected, self._met.get, lambda: self._addresses
        )
        self.reach = self._introducing.reach
        self._load: Load | None = None
        self._addresses: tuple[str, ...] = ()

    def begin(
        self, load: Load, incarnation: int, addresses: tuple[str, ...], operator: str
    ) -> None:
        """A life of the node begins: from now on there is something to say."""
        self._operators[self._me] = operator
        self._load, self._lives[self._me] = load, incarnation
        self._addresses = addresses[: limits.ADDRESSES_TOLD]

    def alive(self) -> frozenset[NodeId]:
        """The connected peers, and this node: the same object until that changes."""
        if self._alive is None:
            self._alive = frozenset(self._connected)
        return self._alive

    def suspects(self) -> frozenset[NodeId]:
        """The connected peers that seem dead."""
        return self._suspicion.suspects

    def heard(self, peer: NodeId) -> None:
        """A peer spoke, whatever it said."""
        if peer in self._connected and peer != self._me:
            self._suspicion.heard(peer, self._out.now_ms)
            if self._asking.rounds:
                self._asking.heard(peer)
            if self._between.waiting:
                self._between.heard(peer)

    def operator_of(self, peer: NodeId) -> str:
        """Who runs a connected peer, or this node, as the founder vouched; empty if nobody did."""
        return self._operators.get(peer, "")

    def up(self, peer: NodeId, operator: str = "", *, observer: bool = False) -> None:
        """A peer is connected. It hears at once who we are, and can mention us to others."""
        self._connected.add(peer)
        self._operators.pop(peer, None)
        self.observers.discard(peer)
        if observer:
            self.observers.add(peer)
        if operator:
            self._operators[peer] = operator
        self._tell([peer])
        self._suspicion.heard(peer, self._out.now_ms)
        self._alive = None
        if not self._announced_soon:
            self._announced_soon = True
            self._out.timer(PresenceSoon(), limits.PRESENCE_SOON_MS)

    def down(self, peer: NodeId) -> None:
        if peer == self._me:
            return
        self._connected.discard(peer)
        self._operators.pop(peer, None)
        self.observers.discard(peer)
        self._alive = None
        self._suspicion.gone(peer)
        self._asking.gone(peer)
        self._between.gone(peer)
        self._introducing.gone(peer)
        self._seen.pop(peer, None)
        self._lives.pop(peer, None)

    def contact(self, peer: NodeId, word: ContactAsked | ContactTold | Seek) -> None:
        """A peer asks after another, answers such a question, or seeks somebody."""
        match word:
            case ContactAsked():
                self._between.asked(peer, word)
            case ContactTold():
                self._asking.told(peer, word)
            case Seek():
                self._introducing.heard(peer, word)
            case _:
                assert_never(word)

    def fired(self, timer: PeerTimer) -> None:
        match timer:
            case PresenceSoon():
                self.announce()
            case PresenceDue():
                self.announce()
                self._asking.look()
                self._out.timer(timer, jittered(self._chance, limits.PRESENCE_EVERY_MS))
            case ContactOver():
                self._asking.over(timer)
            case AnswerDue():
                self._between.due(timer)
            case _:
                assert_never(timer)

    def presence(self, peer: NodeId, presence: Presence) -> None:
        """Keep where a connected peer can be dialled, and meet those that it knows."""
        if peer not in self._connected or peer == self._me:
            return
        self._lives[peer] = presence.incarnation
        if presence.addresses:
            self._seen[peer] = presence
        for other in presence.others:
            node = NodeId(other.node)
            if node in self._connected or self._met.get(node) == other.address:
                continue
            self._met[node] = other.address
            self._met.move_to_end(node)
            if len(self._met) > limits.MAX_MET:
                self._met.popitem(last=False)
            self._out.do(Meet(node, (other.address,)))

    def announce(self) -> None:
        """Say to every peer that this node is here."""
        self._announced_soon = False
        self._tell(sorted(self._connected - {self._me}))

    def _tell(self, peers: Iterable[NodeId]) -> None:
        if self._load is None:
            return
        word = self._word(self._load)
        for peer in peers:
            self._out.send(peer, word)

    def _word(self, load: Load) -> Presence:
        known = list(self._seen)
        latest, rest = known[-limits.MENTIONS // 2 :], known[: -limits.MENTIONS // 2]
        some = self._chance.sample(rest, min(limits.MENTIONS - len(latest), len(rest)))
        others = tuple(Mention(node, self._seen[node].addresses[0]) for node in (*latest, *some))
        busy = (load.running, load.queued, load.slots)
        return Presence(self._lives[self._me], *busy, self._addresses, others)
