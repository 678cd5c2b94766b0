"""A few real machines with stores, joined by perfect links: for what needs more than one node.

Messages are encoded and decoded on the way and counted by type; time moves only when asked to.
"""

import hashlib
import heapq
from collections import Counter, deque
from itertools import count
from random import Random

from ledger import Entry, Kind, MemoryStore, pack, seal
from symphony.core import messages
from symphony.core.effects import (
    Append,
    BeginLog,
    DropBodies,
    HashLog,
    KeepFork,
    LookUp,
    Publish,
    Reject,
    Send,
    SendRange,
    SetTimer,
)
from symphony.core.ids import NodeId, SwarmId
from symphony.core.inputs import (
    BodiesDropped,
    Heard,
    LogHashed,
    LookedUp,
    PeerDown,
    PeerUp,
    Started,
    TimerFired,
    WallClock,
)
from symphony.core.swarm import Swarm
from symphony.testing.signing import FastKeys

WALL_MS = 1_700_000_000_000
SWARM = SwarmId(hashlib.sha256(b"a mesh of machines").digest())
FRAME_BYTES = 64 * 1024


def log(keys, name, entries, *, kind=Kind.TASK) -> list[Entry]:
    """A whole log of somebody who is not here."""
    signer = keys.signer(name.encode().ljust(32, b"."))
    made: list[Entry] = []
    for seq in range(1, entries + 1):
        head = made[-1].head if made else None
        body = f"{name} {seq}".encode()
        made.append(seal(signer, SWARM, head, kind=kind, body=body, hlc=pack(WALL_MS - 9999 + seq)))
    return made


class Node:
    """One machine and its store."""

    def __init__(self, mesh, name, logs) -> None:
        self.store = MemoryStore(SWARM)
        for entries in logs:
            self.store.append(entries)
        signer = mesh.keys.signer(name.encode().ljust(32, b"."))
        chance = Random(name)
        self.swarm = Swarm(signer, mesh.keys.verify, SWARM, chance, self.store.heads())
        self.id = NodeId(signer.public)
        self.peers: set[NodeId] = set()
        self.done: list[object] = []

    def heads(self):
        return dict(self.swarm.journal.book.heads())

    def of_kind(self, kind):
        return [entry for _, entry in self.store.by_kind(kind, limit=9999)]


class Mesh:
    """The machines, the messages under way, and the clock."""

    def __init__(self) -> None:
        self.keys = FastKeys()
        self.now_ms = 1_000
        self.nodes: dict[NodeId, Node] = {}
        self.said: Counter[str] = Counter()
        self.size_bytes: Counter[str] = Counter()
        self.lost = lambda _message: False
        self._under_way: deque = deque()
        self._timers: list = []
        self._numbers = count()

    def join(self, name, logs=()) -> Node:
        node = Node(self, name, logs)
        self.nodes[node.id] = node
        self.give(node, WallClock(WALL_MS + self.now_ms))
        self.give(node, Started((), 1))
        return node

    def link(self, one, other) -> None:
        for here, there in ((one, other), (other, one)):
            here.peers.add(there.id)
            self.give(here, PeerUp(there.id, 1))
        self.settle()

    def cut(self, one, other) -> None:
        for here, there in ((one, other), (other, one)):
            here.peers.discard(there.id)
            self.give(here, PeerDown(there.id))

    def give(self, node, happened) -> None:
        for effect in node.swarm.handle(self.now_ms, happened):
            self._do(node, effect)

    def settle(self) -> None:
        """Deliver everything that is under way, and what it leads to."""
        while self._under_way:
            node, happened = self._under_way.popleft()
            self.give(node, happened)

    def wait(self, ms) -> None:
        """Let time pass."""
        end_ms = self.now_ms + ms
        self.settle()
        while self._timers and self._timers[0][0] <= end_ms:
            at_ms, _, node, timer = heapq.heappop(self._timers)
            self.now_ms = max(self.now_ms, at_ms)
            self.give(node, TimerFired(timer))
            self.settle()
        self.now_ms = end_ms

    def send(self, node, peer, message) -> None:
        raw = messages.encode(message)
        self.said[message.type] += 1
        self.size_bytes[message.type] += len(raw)
        if peer in node.peers and not self.lost(message):
            heard = Heard(node.id, messages.decode(raw))
            self._under_way.append((self.nodes[peer], heard))

    def _do(self, node, effect) -> None:
        node.done.append(effect)
        match effect:
            case Append(entries):
                node.store.append(entries)
            case KeepFork(proof):
                node.store.add_fork(proof)
            case Send(peer, message):
                self.send(node, peer, message)
            case Publish(_, message):
                for peer in sorted(node.peers):
                    self.send(node, peer, message)
            case SendRange(peer, author, first, last):
                while found := node.store.range(author, first, last, FRAME_BYTES):
                    raw = tuple(entry.encode() for entry in found)
                    self.send(node, peer, messages.Entries(raw, asked=True))
                    first = found[-1].seq + 1
            case HashLog(author, size):
                frontier = node.store.frontier(author, size)
                root = frontier.root() if frontier else None
                self._under_way.append((node, LogHashed(author, size, root)))
            case BeginLog(horizon):
                assert node.store.begin(horizon)
            case DropBodies(before, keep, limit):
                dropped = node.store.drop_bodies(before, keep=keep, limit=limit)
                dropped = dropped or node.store.drop_headers(limit)
                self._under_way.append((node, BodiesDropped(dropped)))
            case LookUp(peer, claim):
                at = [node.store.get(claim.author, claim.seq - back) for back in (0, 1)]
                self._under_way.append((node, LookedUp(peer, claim, *at)))
            case SetTimer(timer, at_ms):
                heapq.heappush(self._timers, (at_ms, next(self._numbers), node, timer))
            case Reject(_, reason):
                raise AssertionError(f"an honest node was rejected: {reason}")
            case _:
                pass
