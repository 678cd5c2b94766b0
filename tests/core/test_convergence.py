"""Whatever is lost, repeated or overtaken: a few rounds of sync make all nodes equal.

Three to five real machines with stores write entries, lose and repeat messages and get them in
any order, lose connections, start again from what they stored, and are shown different branches
of a log by somebody who signs two histories. Then the links heal, and comparisons that the nodes
make by themselves must end in byte-equal heads, proofs of forks, and directories everywhere.

A second run compares by ranges instead of by heads, which the nodes do in large ledgers.
"""

import heapq
from dataclasses import dataclass, field
from random import Random
from unittest import mock

import pytest
from core_mesh import SWARM, WALL_MS, Mesh, Node
from core_stage import capability
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import Entry, Kind, fork, pack, seal
from symphony.core import limits
from symphony.core.effects import Append, Reject, Send
from symphony.core.inputs import (
    AgentsChanged,
    EntriesStored,
    Heard,
    OwnLogMark,
    PeerDown,
    PeerUp,
    Started,
    TimerFired,
    WallClock,
)
from symphony.core.logs import catch_up
from symphony.core.logs.catch_up import CatchUp
from symphony.core.logs.forks import Forks
from symphony.core.logs.replication import Replication
from symphony.core.messages import Entries
from symphony.core.peers.presence import Presence
from symphony.core.records import CAPABILITY
from symphony.core.swarm import Swarm
from symphony.core.timers import PublishDue

QUIET_MS = 2 * limits.CHECKPOINT_EVERY_MS + 15_000
"""After so long without news the last checkpoints are written, cosigned, gossiped and synced."""


@dataclass
class Liar:
    """Somebody who signs two histories that part after `common` entries."""

    common: int
    lengths: tuple[int, int]
    branches: list[list[Entry]] = field(default_factory=list)

    def write(self, keys) -> None:
        signer = keys.signer(b"liar".ljust(32, b"."))
        for branch, length in enumerate(self.lengths):
            log = list(self.branches[0][: self.common]) if self.branches else []
            while len(log) < self.common + length:
                seq = len(log) + 1
                side = branch if seq > self.common else 0
                body = CAPABILITY.encode(capability(f"agent{side}{seq % 3}"))
                hlc = pack(WALL_MS - 9999 + seq)
                head = log[-1].head if log else None
                expires = pack(WALL_MS + limits.CAPABILITY_LIFETIME_MS)
                entry = seal(
                    signer,
                    SWARM,
                    head,
                    kind=Kind.CAPABILITY,
                    body=body,
                    hlc=hlc,
                    expires=expires,
                )
                log.append(entry)
            self.branches.append(log)


class Chaos(Mesh):
    """A mesh whose messages are a bag: taken out in any order, more than once, or never."""

    def __init__(self, size, liar) -> None:
        super().__init__()
        self.liar = liar
        liar.write(self.keys)
        self.rejected: list[str] = []
        self.all = [self.join(f"node {at}") for at in range(size)]
        self.links: set[tuple[int, int]] = set()

    def _do(self, node, effect) -> None:
        match effect:
            case Reject(_, reason):
                self.rejected.append(reason)
            case Send(_, Presence()):
                pass  # who is alive is known from the links; it would only take time
            case _:
                super()._do(node, effect)

    def settle(self) -> None:
        while self._under_way:
            self.deliver(0)

    def deliver(self, at, *, keep=False) -> None:
        """Bring one message; what a node asked of its own disk comes first, always."""
        if not self._under_way:
            return
        own = (i for i, (_, h) in enumerate(self._under_way) if not isinstance(h, Heard))
        at = next(own, at % len(self._under_way))
        node, happened = self._under_way[at]
        if not keep or not isinstance(happened, Heard):
            del self._under_way[at]
        if not isinstance(happened, Heard) or happened.peer in node.peers:
            self.give(node, happened)

    def lose(self, at) -> None:
        at %= max(1, len(self._under_way))
        if self._under_way and isinstance(self._under_way[at][1], Heard):
            del self._under_way[at]

    def write(self, node: Node, number) -> None:
        """News of this node: other agents than before, or an entry that means nothing here."""
        if number % 3:
            agents = tuple(capability(f"agent{at}") for at in range(number % 4))
            self.give(node, AgentsChanged(agents))
        else:
            node.swarm.journal.write(Kind.TASK, b"%d" % number)
            self.give(node, TimerFired(PublishDue()))

    def show(self, node: Node, number) -> None:
        """The liar shows a part of one of its branches to a node."""
        branch = self.liar.branches[number % 2]
        part = branch[: number // 2 % len(branch) + 1]
        raw = tuple(entry.encode() for entry in part[-1 - number % 5 :])
        self.give(node, Heard(node.id, Entries(raw)))

    def toggle(self, one, other) -> None:
        pair = (min(one, other), max(one, other))
        if one == other:
            return
        up = pair not in self.links
        (self.links.add if up else self.links.discard)(pair)
        for here, there in (pair, pair[::-1]):
            node, peer = self.all[here], self.all[there].id
            (node.peers.add if up else node.peers.discard)(peer)
            self.give(node, PeerUp(peer, 1) if up else PeerDown(peer))

    def restart(self, at) -> None:
        """The process ends; its store stays, and with it the mark of what was spoken."""
        node = self.all[at]
        for other in range(len(self.all)):
            if (min(at, other), max(at, other)) in self.links:
                self.toggle(at, other)
        self._under_way = type(self._under_way)(
            (to, h) for to, h in self._under_way if to is not node
        )
        self._timers = [timer for timer in self._timers if timer[2] is not node]
        heapq.heapify(self._timers)
        self.rebuild(at)
        mark = max((head.seq for head in node.store.heads() if head.author == node.id), default=0)
        self.give(node, Started((), 2, own_log=OwnLogMark(mark, unasked=True)))

    def rebuild(self, at) -> None:
        """A new machine, told what the store of the old one holds."""
        node = self.all[at]
        signer = self.keys.signer(f"node {at}".encode().ljust(32, b"."))
        held = (node.store.heads(), node.store.forks())
        node.swarm = Swarm(signer, self.keys.verify, SWARM, Random(self.now_ms), *held)
        self.give(node, WallClock(WALL_MS + self.now_ms))
        stored = tuple(entry for _, entry in node.store.entries(limit=10_000))
        self.give(node, EntriesStored(stored))

    def heal(self) -> None:
        for one in range(len(self.all)):
            for other in range(one):
                if (other, one) not in self.links:
                    self.toggle(one, other)
        self.wait(QUIET_MS)

    def picture(self, node: Node):
        """Everything that must be the same everywhere."""
        book = node.swarm.journal.book
        listings = [
            (item.node, item.capability.agent, item.id, item.expires_ms, item.entry.encode())
            for item in node.swarm.directory
        ]
        return {
            "heads": sorted(book.heads().items()),
            "forks": sorted((who, proof.encode()) for who, proof in book.forks().items()),
            "directory": sorted(listings),
            "stored": node.store.heads(),
        }

    @property
    def liar_key(self) -> bytes:
        return self.liar.branches[0][0].author


NUMBER = st.integers(0, 1000)
STEP = st.one_of(
    st.tuples(st.just("deliver"), NUMBER),
    st.tuples(st.just("deliver"), NUMBER),
    st.tuples(st.just("repeat"), NUMBER),
    st.tuples(st.just("lose"), NUMBER),
    st.tuples(st.just("write"), NUMBER),
    st.tuples(st.just("show"), NUMBER),
    st.tuples(st.just("toggle"), NUMBER),
    st.tuples(st.just("wait"), NUMBER),
    st.tuples(st.just("restart"), NUMBER),
)
LIAR = st.builds(Liar, st.integers(0, 3), st.tuples(st.integers(1, 12), st.integers(1, 12)))


def run(size, liar, steps) -> Chaos:
    chaos = Chaos(size, liar)
    for what, number in steps:
        node = chaos.all[number % size]
        match what:
            case "deliver":
                chaos.deliver(number)
            case "repeat":
                chaos.deliver(number, keep=True)
            case "lose":
                chaos.lose(number)
            case "write":
                chaos.write(node, number // size)
            case "show":
                chaos.show(node, number // size)
            case "toggle":
                chaos.toggle(number % size, number // size % size)
            case "restart":
                chaos.restart(number % size)
            case _:
                chaos.now_ms += number * 20  # timers fire late, when the links heal
    chaos.heal()
    return chaos


def check(chaos: Chaos) -> None:
    first, *others = (chaos.picture(node) for node in chaos.all)
    for other in others:
        assert other == first
    forks = chaos.all[0].swarm.journal.book.forks()
    assert forks.keys() <= {chaos.liar_key}, "no honest log is ever frozen"
    if forks:
        lowest = fork.find(*(branch[chaos.liar.common] for branch in chaos.liar.branches))
        assert forks[chaos.liar_key].seq >= lowest.seq
        assert all(row[0] != chaos.liar_key for row in first["directory"])
    for at, node in enumerate(chaos.all):
        assert list(node.store.verify_all(chaos.keys.verify)) == []
        chaos.rebuild(at)
        assert chaos.picture(node) == first, "what a store holds says it all"
    heads = dict(first["heads"])
    for node in chaos.all:
        appended = [e for effect in node.done if isinstance(effect, Append) for e in effect.entries]
        own = max((entry.seq for entry in appended if entry.author == node.id), default=0)
        assert own == (heads[node.id].seq if own else 0), "nothing that was written is lost"


@pytest.mark.parametrize("by", ["heads", "ranges"])
@given(size=st.integers(3, 5), liar=LIAR, steps=st.lists(STEP, max_size=60))
@settings(max_examples=60, deadline=None)
def test_all_nodes_become_equal(by, size, liar, steps):
    from_logs = {"heads": 128, "ranges": 2}[by]
    with mock.patch("symphony.core.logs.replication.RECONCILE_FROM_LOGS", from_logs):
        check(run(size, liar, steps))


# --- would it be noticed? ---------------------------------------------------------------------


BREAKAGES = {
    "nobody asks for what is missing": (CatchUp, "note", lambda *_: None),
    "nobody compares heads again": (Replication, "compare", lambda *_: None),
    "branches are not suspected": (catch_up, "suspects", lambda *_: []),
    "proofs are not listened to": (Forks, "heard", lambda *_: None),
    "a frozen log keeps its agents": (Swarm, "_frozen", lambda *_: None),
}


@pytest.mark.parametrize("what", BREAKAGES)
def test_a_broken_core_is_noticed(what):
    where, name, instead = BREAKAGES[what]
    kinds = ("deliver", "deliver", "repeat", "lose", "write", "show", "toggle", "wait", "restart")
    with mock.patch.object(where, name, instead):
        for seed in range(60):
            dice = Random(seed)
            liar = Liar(dice.randint(0, 3), (dice.randint(1, 12), dice.randint(1, 12)))
            steps = [(dice.choice(kinds), dice.randint(0, 1000)) for _ in range(60)]
            try:
                check(run(dice.randint(3, 5), liar, steps))
            except AssertionError:
                return
    pytest.fail(f"sixty runs in which {what}, and all nodes became equal")
