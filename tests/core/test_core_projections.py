"""What the core makes of the ledger is a function of the entries: no order of arrival shows in it.

The projections (directory, revocations, who speaks for whom, frozen logs) live in memory and are
made anew at each start; so the second half of this file starts nodes again from their stores.
"""

import hashlib
from random import Random

from core_stage import SWARM, WALL_MS, capability
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import Adopt, Kind, MemoryStore, commit, encode_pledge, encode_retire, pack, seal
from symphony.core.effects import Append, DropBodies, KeepFork, LookUp
from symphony.core.ids import NodeId
from symphony.core.inputs import Heard, LookedUp, Started, TimerFired, WallClock
from symphony.core.messages import Entries
from symphony.core.records import CAPABILITY
from symphony.core.swarm import Swarm
from symphony.core.timers import RetentionDue
from symphony.node.restoring import restore
from symphony.testing.signing import FastKeys

KEYS = FastKeys()
DAY_MS = 24 * 3600 * 1000


def signer(name):
    return KEYS.signer(name.encode().ljust(32, b"."))


class Writer:
    """Somebody's log; `branch` goes on from an earlier entry, which forks it."""

    def __init__(self, name, entries=()) -> None:
        self.signer = signer(name)
        self.entries = list(entries)

    def say(self, kind, body, *, salt=0):
        head = self.entries[-1].head if self.entries else None
        hlc = pack(WALL_MS - DAY_MS // 2 + (head.seq if head else 0), salt)
        expires = hlc + (DAY_MS << 16) if kind < 16 else None
        entry = seal(self.signer, SWARM, head, kind=kind, body=body, hlc=hlc, expires=expires)
        self.entries.append(entry)
        return entry

    def declare(self, name, *, salt=0, **changes: object):
        return self.say(Kind.CAPABILITY, CAPABILITY.encode(capability(name, **changes)), salt=salt)

    def branch(self, length):
        other = Writer("", self.entries[:length])
        other.signer = self.signer
        return other


def history():
    """A founder whose key is stolen after it retired, its heir, a bidder, and an equivocator."""
    founder, heir, bidder, eve = (Writer(name) for name in ("founder", "heir", "bidder", "eve"))
    founder.say(Kind.PLEDGE, encode_pledge(commit(heir.signer.public)))
    founder.declare("solver")
    founder.say(Kind.REVOKE, b"1" * 16)
    end = founder.say(Kind.RETIRE, encode_retire(heir.signer.public))
    heir.say(Kind.ADOPT, Adopt(end.author, end.seq, end.id).encode())
    heir.declare("solver", context_tokens=4096)
    heir.say(Kind.REVOKE, b"2" * 16)
    bidder.declare("one")
    bidder.declare("two")
    bidder.declare("one", withdrawn=True)
    bidder.say(Kind.CAPABILITY, b"nonsense")
    bidder.declare("two", model="bigger")
    eve.declare("solver")
    eve.declare("second")
    other = eve.branch(1)
    other.declare("third", salt=5)
    other.say(Kind.REVOKE, b"3" * 16)
    thief = founder.branch(3)
    thief.say(Kind.TASK, b"stolen", salt=9)
    logs = [each.entries for each in (founder, heir, bidder, eve)]
    return [entry for log in logs for entry in log], [*other.entries[1:], thief.entries[3]]


HONEST, HOSTILE = history()


class Edge:
    """A node with a store and nothing else around it."""

    def __init__(self, store=None) -> None:
        self.store = store or MemoryStore(SWARM)
        me, founder = signer("me"), NodeId(signer("founder").public)
        heads, forks = self.store.heads(), self.store.forks()
        chance = Random(1)
        self.swarm = Swarm(me, KEYS.verify, SWARM, chance, heads, forks, founder)
        restore(self.swarm, self.store, lambda: 0, lambda: WALL_MS)
        self.give(Started((), 1))

    def give(self, happened) -> None:
        for effect in self.swarm.handle(0, happened):
            match effect:
                case Append(entries):
                    self.store.append(entries)
                case KeepFork(proof):
                    self.store.add_fork(proof)
                case LookUp(peer, claim):
                    at = [self.store.get(claim.author, claim.seq - back) for back in (0, 1)]
                    self.give(LookedUp(peer, claim, *at))
                case _:
                    pass

    def show(self, entries) -> None:
        peer = NodeId(signer("peer").public)
        for entry in entries:
            self.give(Heard(peer, Entries((entry.encode(),))))

    def picture(self) -> bytes:
        """Every projection, as bytes."""
        book, swarm = self.swarm.journal.book, self.swarm
        authors = sorted({entry.author for entry in (*HONEST, *HOSTILE)})
        listings = sorted((item.node, item.capability.agent, item.id) for item in swarm.directory)
        said = [
            listings,
            sorted(swarm.revoked),
            sorted((proof.author, proof.seq) for proof in book.forks().values()),
            [book.head(author) for author in authors],
            [book.succession.speaker(author) for author in authors],
            [book.succession.retired(author) for author in authors],
            [swarm.identities.is_over(author) for author in authors],
        ]
        return repr(said).encode()


def converged(arrivals) -> Edge:
    """A node that met these entries in this order, and then, as sync does, until nothing moves."""
    edge = Edge()
    edge.show(arrivals)
    before = b""
    for _ in arrivals:
        now = edge.picture()
        if now == before:
            break
        before = now
        edge.show(sorted(arrivals, key=lambda entry: entry.seq))
    return edge


WHOLE = converged([*HONEST, *HOSTILE])


def test_the_picture_is_not_empty():
    picture = WHOLE.picture()
    assert len(WHOLE.swarm.directory) == 3
    assert len(WHOLE.swarm.journal.book.forks()) == 2
    assert WHOLE.swarm.revoked == {b"1" * 16, b"2" * 16}
    assert hashlib.sha256(picture).digest() != hashlib.sha256(Edge().picture()).digest()


@settings(deadline=None, max_examples=80)
@given(st.permutations([*HONEST, *HOSTILE]))
def test_any_order_of_arrival_gives_the_same_bytes(arrivals):
    assert converged(arrivals).picture() == WHOLE.picture()


@settings(deadline=None, max_examples=40)
@given(st.permutations(HONEST), st.data())
def test_a_part_of_the_entries_gives_the_same_bytes_too(arrivals, data):
    part = arrivals[: data.draw(st.integers(0, len(arrivals)))]
    assert converged(part).picture() == converged(data.draw(st.permutations(part))).picture()


@settings(deadline=None, max_examples=40)
@given(st.permutations([*HONEST, *HOSTILE]), st.data())
def test_a_start_makes_them_anew_from_the_store_at_any_time(arrivals, data):
    length = data.draw(st.integers(0, len(arrivals)))
    edge = Edge()
    edge.show(arrivals[:length])
    again = Edge(edge.store)
    assert again.picture() == edge.picture()
    again.show(arrivals[length:])
    for _ in arrivals:
        again.show(sorted(arrivals, key=lambda entry: entry.seq))
    assert again.picture() == WHOLE.picture()


def test_bodies_that_were_forgotten_change_nothing():
    """The last record of each agent stays, so a start after years finds the same agents."""
    edge = converged([*HONEST, *HOSTILE])
    edge.give(WallClock(WALL_MS + 99 * DAY_MS))
    for effect in edge.swarm.handle(0, TimerFired(RetentionDue())):
        if isinstance(effect, DropBodies):
            keep = effect.keep
            assert edge.store.drop_bodies(effect.before, keep=keep, limit=effect.limit) > 0
    assert Edge(edge.store).picture() == WHOLE.picture()
