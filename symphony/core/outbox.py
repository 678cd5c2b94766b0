"""Where the machines of one node put their effects, in order.

A message to oneself never leaves the node: it joins `own`, and `Swarm.handle` feeds it back
before it returns. So a swarm of one runs the very same path as a swarm of many.
"""

from __future__ import annotations

from collections import deque

from ledger import Entry
from symphony.core.effects import Append, Effect, Send, SetTimer, Tell
from symphony.core.events import Event
from symphony.core.ids import NodeId
from symphony.core.messages import Message
from symphony.core.timers import Timer


class Outbox:
    """The effects of one call of `Swarm.handle`, and the clock it was called with."""

    def __init__(self, me: NodeId) -> None:
        self.me = me
        self.now_ms = 0
        self.wall_ms = 0
        self.own: deque[Message] = deque()
        self._effects: list[Effect] = []

    def take(self) -> list[Effect]:
        """All effects since the last call, in order."""
        effects, self._effects = self._effects, []
        return effects

    def do(self, effect: Effect) -> None:
        self._effects.append(effect)

    def append(self, *entries: Entry) -> None:
        self._effects.append(Append(entries))

    def send(self, peer: NodeId, message: Message) -> None:
        if peer == self.me:
            self.own.append(message)
        else:
            self._effects.append(Send(peer, message))

    def tell(self, event: Event) -> None:
        self._effects.append(Tell(event))

    def timer(self, timer: Timer, in_ms: int) -> None:
        self._effects.append(SetTimer(timer, self.now_ms + in_ms))
