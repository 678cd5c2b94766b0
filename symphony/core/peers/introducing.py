"""Being introduced to a node that one is not connected to, through those that one is.

Who seeks a node and was told where it can be dialled (`members`) dials it, which costs nobody else
anything. Else it asks some of its peers: each passes the word on to the sought node if it is
connected to that, and otherwise, once, to a few peers of its own. The sought node dials the
seeker. So nobody in between remembers who asked, and nothing is sent back.

Bounds. One seek names at most four nodes and reaches 8 peers and at most 24 of theirs; with what
is passed on to the four that is at most 128 messages, whatever the size of the swarm
(`limits.SEEK_MESSAGES`). A node handles a seek once, whose number can't be foreseen, and takes one
a second from each peer in the long run; more are dropped. A node is not sought again for five
minutes, unless nobody at hand can do the work: then each call seeks through other peers.

The word of a peer's peer proves nothing: somebody may be named as a seeker who is none. What
follows is one dial, at a bounded rate, to an address at which only the named key is spoken to.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence

from symphony.core import limits
from symphony.core.chance import Chance
from symphony.core.effects import Meet, Reject
from symphony.core.ids import NodeId
from symphony.core.outbox import Outbox
from symphony.core.peers.presence import Seek
from symphony.core.turns import Turns


class Introducing:
    """Seeks of this node and of others. `address_of` gives where a node was said to be, if it
    was; `own` where this one can be dialled.
    """

    def __init__(
        self,
        out: Outbox,
        chance: Chance,
        connected: Collection[NodeId],
        address_of: Callable[[NodeId], str | None],
        own: Callable[[], tuple[str, ...]],
    ) -> None:
        self._out = out
        self._chance = chance
        self._connected = connected
        self._address_of = address_of
        self._own = own
        self._sought: OrderedDict[NodeId, int] = OrderedDict()
        """When a node was sought last, in monotonic ms."""
        self._handled: OrderedDict[tuple[NodeId, int], None] = OrderedDict()
        self._turns = Turns(out, limits.SEEKS_PER_S, limits.SEEKS_BURST)

    def reach(self, nodes: Sequence[NodeId], urgent: bool) -> None:
        """Try to be connected to these nodes; `urgent`: also to those that were sought already."""
        now_ms = self._out.now_ms
        far: list[NodeId] = []
        pause_ms = limits.SEEK_URGENT_MS if urgent else limits.SEEK_AGAIN_MS
        for node in nodes[: limits.SOUGHT]:
            last_ms = self._sought.get(node)
            if last_ms is not None and now_ms - last_ms < pause_ms:
                continue
            self._sought[node] = now_ms
            self._sought.move_to_end(node)
            address = self._address_of(node)
            if address is not None:
                self._out.do(Meet(node, (address,), wanted=True))
            if address is None or last_ms is not None:
                far.append(node)  # nobody said where it is, or it was not there
        while len(self._sought) > limits.MAX_SOUGHT:
            self._sought.popitem(last=False)
        if far and self._own():
            number = int.from_bytes(self._chance.randbytes(4), "big")
            seek = Seek(tuple(far), self._out.me, self._own(), number, limits.SEEK_HOPS)
            self._pass_on(seek, limits.SEEK_FIRST, but=self._out.me)

    def heard(self, peer: NodeId, seek: Seek) -> None:
        """A peer seeks somebody, or passes on that another does."""
        seeker = NodeId(seek.seeker)
        if peer not in self._connected or not self._turns.take(peer):
            return
        if seek.hops == limits.SEEK_HOPS and seeker != peer:
            self._out.do(Reject(peer, "seek: begun in the name of another"))
            return
        if not self._is_new(seeker, seek.number):
            return
        left: list[bytes] = []
        for name in seek.nodes:
            node = NodeId(name)
            if node == self._out.me:
                if seeker not in self._connected:
                    self._out.do(Meet(seeker, seek.addresses, wanted=True))
            elif node in (seeker, peer):
                continue
            elif node in self._connected:
                self._out.send(node, Seek((name,), seeker, seek.addresses, seek.number, 0))
            else:
                left.append(name)
        if left and seek.hops:
            onward = Seek(tuple(left), seeker, seek.addresses, seek.number, seek.hops - 1)
            self._pass_on(onward, limits.SEEK_FURTHER, but=peer)

    def gone(self, peer: NodeId) -> None:
        self._turns.pop(peer, None)

    def _pass_on(self, seek: Seek, to: int, *, but: NodeId) -> None:
        """To a few peers by chance, so that another seek goes other ways."""
        left_out = {but, self._out.me, seek.seeker}
        peers = sorted(peer for peer in self._connected if peer not in left_out)
        for peer in self._chance.sample(peers, min(to, len(peers))):
            self._out.send(peer, seek)

    def _is_new(self, seeker: NodeId, number: int) -> bool:
        """Was this seek not handled yet, on another way?"""
        key = (seeker, number)
        if seeker == self._out.me or key in self._handled:
            return False
        self._handled[key] = None
        if len(self._handled) > limits.MAX_SEEKS_KNOWN:
            self._handled.popitem(last=False)
        return True
