"""How the ledgers of two nodes become equal: gossip for speed, heads for certainty.

Gossip may lose anything. So peers compare the heads of all logs when they meet and every 15 s
after; whoever is behind asks for the missing range, and gets it in bounded frames.

Below 128 logs the heads themselves are sent, one frame each way. From there on the ranges of
`ledger.reconcile` find those that differ: of 1 000 logs of which none moved that costs 400
bytes instead of 90 KB. On meeting, the one with the smaller key starts, unless it holds too few
logs and sent its heads. The one that starts a session fetches what it lacks at its end, and tells
the heads of which it has more. A session that is lost is forgotten: the next comparison starts
another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import assert_never

from ledger import Head, Initiator, Kind, encode_heads, heads_frame, parse_heads, respond
from ledger.errors import LedgerError
from ledger.limits import MAX_HEADS_PER_FRAME, MAX_WANT_ENTRIES, RECONCILE_FROM_LOGS
from symphony.core import limits
from symphony.core.chance import Chance
from symphony.core.effects import Reject, SendRange
from symphony.core.ids import NodeId
from symphony.core.logs.catch_up import CatchUp
from symphony.core.logs.journal import Journal
from symphony.core.messages import Entries, Heads, Reconcile, Sync, Want
from symphony.core.outbox import Outbox
from symphony.core.turns import Turns

SALT_BYTES, SECRET_BYTES = 16, 32


class Replication:
    """Sync of logs with connected peers."""

    def __init__(self, journal: Journal, out: Outbox, chance: Chance) -> None:
        self._journal = journal
        self._out = out
        self._chance = chance
        self._catch_up = CatchUp(journal, out)
        self._sessions: dict[NodeId, Initiator] = {}
        self._awaited: set[NodeId] = set()
        """Peers just met whose session, or heads, we wait for before we compare."""
        self._requests = Turns(out, limits.RECONCILE_PER_S, limits.RECONCILE_BURST)
        self._secret = b""

    def greet(self, peer: NodeId) -> None:
        """Both sides do this on meeting, so neither has to ask for the other's heads; and of two
        that would both start a session only one does.
        """
        self._journal.book.vouch(peer)
        if len(self._journal.book.roster) >= RECONCILE_FROM_LOGS and peer < self._journal.me:
            self._awaited.add(peer)
        else:
            self._compare(peer, reply=False)

    def lost(self, peer: NodeId) -> None:
        """The connection to a peer is gone."""
        self._catch_up.lost(peer)
        self._sessions.pop(peer, None)
        self._awaited.discard(peer)
        self._requests.pop(peer, None)
        self._journal.lost(peer)

    def compare(self, alive: Collection[NodeId]) -> None:
        """The periodic comparison with one random peer, in both directions."""
        peers = sorted(set(alive) - {self._journal.me})
        for peer in self._chance.sample(peers, min(1, len(peers))):
            self._compare(peer, reply=True)

    def _compare(self, peer: NodeId, *, reply: bool) -> None:
        if len(self._journal.book.roster) < RECONCILE_FROM_LOGS:
            self._tell_heads(peer, reply=reply)
            return
        session = Initiator(self._journal.book, self._chance.randbytes(SALT_BYTES))
        self._sessions[peer] = session
        self._out.send(peer, Reconcile(session.start(), answer=False))

    def _tell_heads(self, peer: NodeId, *, reply: bool) -> None:
        """Our heads, in pages; only the last page asks for the other side's. The page of a node
        that holds nothing is empty, and still tells that it is here to be compared with.
        """
        page = heads_frame(self._journal.book)
        while True:
            following = heads_frame(self._journal.book, after=page[-1].author) if page else []
            self._out.send(peer, Heads(encode_heads(page), reply=reply and not following))
            if not following:
                return
            page = following

    def heard(self, peer: NodeId, message: Sync) -> None:
        """A word about ledgers."""
        match message:
            case Heads():
                self.heads(peer, message)
            case Reconcile():
                self.reconcile(peer, message)
            case Want():
                self.want(peer, message)
            case Entries():
                self.entries(peer, message)
            case _:
                assert_never(message)

    def heads(self, peer: NodeId, message: Heads) -> None:
        try:
            theirs = parse_heads(message.heads)
        except LedgerError as error:
            self._out.do(Reject(peer, f"heads: {error}"))
            return
        self._catch_up.note(peer, theirs)
        if peer in self._awaited:  # it holds too few logs to start a session
            self._awaited.discard(peer)
            self._compare(peer, reply=False)
        if message.reply and self._has_turn(peer, "heads"):
            self._tell_heads(peer, reply=False)

    def reconcile(self, peer: NodeId, message: Reconcile) -> None:
        """A frame of a session: one that the peer started, or an answer in one of ours."""
        try:
            if message.answer:
                self._answered(peer, message.frame)
            else:
                self._asked(peer, message.frame)
        except LedgerError as error:
            self._sessions.pop(peer, None)
            self._out.do(Reject(peer, f"reconcile: {error}"))

    def _asked(self, peer: NodeId, frame: bytes) -> None:
        """Respond to a frame of a peer's session."""
        self._awaited.discard(peer)
        if not self._has_turn(peer, "reconcile"):
            return
        self._secret = self._secret or self._chance.randbytes(SECRET_BYTES)
        response = respond(self._journal.book, self._secret, frame)
        self._out.send(peer, Reconcile(response, answer=True))

    def _has_turn(self, peer: NodeId, what: str) -> bool:
        """May the peer be answered now? Each answer may cost a look at every head."""
        if self._requests.take(peer):
            return True
        self._out.do(Reject(peer, f"{what}: too many requests"))
        return False

    def _answered(self, peer: NodeId, frame: bytes) -> None:
        session = self._sessions.get(peer)
        if session is None:
            return  # of a session that was replaced or lost
        request = session.take(frame)
        if request is not None:
            self._out.send(peer, Reconcile(request, answer=False))
            return
        del self._sessions[peer]
        if session.complete:
            self._catch_up.note(peer, session.theirs.values())
            self._tell(peer, self._ahead(session))
        else:  # so much differs that the plain way is the shorter one
            self._tell_heads(peer, reply=True)

    def _ahead(self, session: Initiator) -> Iterable[Head]:
        """Our heads of which the peer has less, ordered by author."""
        for author in sorted(session.ours):
            ours, theirs = self._journal.book.head(author), session.theirs.get(author)
            if ours is not None and (theirs is None or theirs.seq < ours.seq):
                yield ours

    def _tell(self, peer: NodeId, heads: Iterable[Head]) -> None:
        page: list[Head] = []
        for head in heads:
            page.append(head)
            if len(page) == MAX_HEADS_PER_FRAME:
                self._out.send(peer, Heads(encode_heads(page), reply=False))
                page = []
        if page:
            self._out.send(peer, Heads(encode_heads(page), reply=False))

    def want(self, peer: NodeId, message: Want) -> None:
        last = min(message.last, message.first + MAX_WANT_ENTRIES - 1)
        if message.first <= last:
            self._out.do(SendRange(peer, message.author, message.first, last))

    def entries(self, peer: NodeId, message: Entries) -> None:
        authors: dict[bytes, None] = {}
        for raw in message.entries:
            entry = self._journal.take(peer, raw, answer=message.asked)
            if entry is None:
                continue
            if self._journal.asked(peer, entry) or entry.kind == Kind.HORIZON:
                authors[entry.author] = None
        self._journal.ask_for_gaps(peer)
        if message.asked:
            self._catch_up.came(peer, authors)
