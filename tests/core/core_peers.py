"""Nothing but who is here: `Members` of some nodes, links that can be cut one way, and a clock.

A link carries a message in 10 ms or loses it. Nodes are numbered; number 0 is usually looked at.
"""

import heapq
from dataclasses import dataclass
from itertools import count
from random import Random

from symphony.core.effects import Send, SetTimer, Tell
from symphony.core.events import PeerSilent, SelfDoubted
from symphony.core.ids import NodeId
from symphony.core.outbox import Outbox
from symphony.core.peers.members import Members
from symphony.core.peers.presence import ContactAsked, ContactTold, Presence
from symphony.core.timers import PresenceDue

TRAVEL_MS = 10


@dataclass(frozen=True)
class Load:
    running: int = 0
    queued: int = 0
    slots: int = 1


def node_id(number):
    return NodeId(bytes([number + 1]) * 32)


class Peers:
    """So many nodes, all connected."""

    def __init__(self, nodes, seed=1) -> None:
        self.now_ms = 1_000
        self.cut: set[tuple[int, int]] = set()
        self.dead: set[int] = set()
        self.stalled: set[int] = set()
        self.said: list[tuple[int, int, object]] = []
        self.told: list[tuple[int, object]] = []
        self._held: list[tuple[int, object]] = []
        self._heap: list = []
        self._numbers = count()
        self.outs = [Outbox(node_id(n)) for n in range(nodes)]
        dice = [Random(f"{seed}/{n}") for n in range(nodes)]
        self.members = [Members(o.me, o, d) for o, d in zip(self.outs, dice, strict=True)]
        for number in range(nodes):
            self.do(number, lambda m: (m.begin(Load(), 7, (), ""), m.fired(PresenceDue())))
        for one in range(nodes):
            for other in range(nodes):
                if one != other:
                    self.do(one, lambda m, other=other: m.up(node_id(other)))

    def do(self, number, act) -> None:
        """One input of one node."""
        if number in self.stalled:
            self._held.append((number, act))
            return
        out = self.outs[number]
        out.now_ms = self.now_ms
        if number not in self.dead:
            act(self.members[number])
        for effect in out.take():
            match effect:
                case Send(peer, message):
                    self._send(number, peer[0] - 1, message)
                case SetTimer(timer, at_ms):
                    self._at(at_ms, number, lambda m, timer=timer: m.fired(timer))
                case Tell(event):
                    self.told.append((number, event))

    def _at(self, at_ms, number, act) -> None:
        heapq.heappush(self._heap, (at_ms, next(self._numbers), number, act))

    def _send(self, source, target, message) -> None:
        self.said.append((source, target, message))
        if (source, target) not in self.cut:
            sender = node_id(source)

            def hear(members) -> None:
                members.heard(sender)
                if isinstance(message, Presence):
                    members.presence(sender, message)
                else:
                    members.contact(sender, message)

            self._at(self.now_ms + TRAVEL_MS, target, hear)

    def wait(self, ms) -> None:
        end_ms = self.now_ms + ms
        while self._heap and self._heap[0][0] <= end_ms:
            self.now_ms, _, number, act = heapq.heappop(self._heap)
            self.do(number, act)
        self.now_ms = end_ms

    def go_on(self) -> None:
        """Nobody is stalled any more: what waited is handled at once, in order."""
        self.stalled.clear()
        held, self._held = self._held, []
        for number, act in held:
            self.do(number, act)

    def suspects(self, number):
        return {peer[0] - 1 for peer in self.members[number].suspects()}

    def contacts(self):
        """The questions and answers so far."""
        return [word for _, _, word in self.said if isinstance(word, ContactAsked | ContactTold)]

    def silences(self, number):
        """What a node told of others: (peer, who hears it)."""
        events = [event for node, event in self.told if node == number]
        return [
            (event.node[0] - 1, event.by and event.by[0] - 1)
            for event in events
            if isinstance(event, PeerSilent)
        ]

    def doubts(self, number):
        return [e.level for n, e in self.told if n == number and isinstance(e, SelfDoubted)]
