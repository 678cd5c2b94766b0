"""How the ledgers of two nodes become equal: gossip for speed, heads for certainty.

Gossip may lose anything. So peers compare the heads of all logs when they meet and every 15 s
after; whoever is behind asks for the missing range, and gets it in bounded frames. There is no
state between the messages: each can be lost, repeated or late.
"""

from __future__ import annotations

from collections.abc import Collection

from ledger import encode_heads, heads_frame, parse_heads, wants
from ledger.errors import LedgerError
from symphony.core.chance import Chance
from symphony.core.effects import Reject, SendRange
from symphony.core.ids import NodeId
from symphony.core.journal import Journal
from symphony.core.messages import Entries, Heads, Want
from symphony.core.outbox import Outbox


class Replication:
    """Sync of logs with connected peers."""

    def __init__(self, journal: Journal, out: Outbox) -> None:
        self._journal = journal
        self._out = out

    def greet(self, peer: NodeId) -> None:
        """Both sides do this on meeting, so neither has to ask for the other's heads."""
        self._journal.book.vouch(peer)
        self._tell_heads(peer, reply=False)

    def _tell_heads(self, peer: NodeId, *, reply: bool) -> None:
        """Our heads, in pages; only the last page asks for the other side's."""
        page = heads_frame(self._journal.book)
        while page:
            following = heads_frame(self._journal.book, after=page[-1].author)
            self._out.send(peer, Heads(encode_heads(page), reply=reply and not following))
            page = following

    def compare(self, chance: Chance, alive: Collection[NodeId]) -> None:
        """The periodic comparison with one random peer, in both directions."""
        peers = sorted(set(alive) - {self._journal.me})
        for peer in chance.sample(peers, min(1, len(peers))):
            self._tell_heads(peer, reply=True)

    def heads(self, peer: NodeId, message: Heads) -> None:
        try:
            theirs = parse_heads(message.heads)
        except LedgerError as error:
            self._out.do(Reject(peer, f"heads: {error}"))
            return
        for want in wants(self._journal.book, theirs):
            self._journal.want(peer, want.author, want.first, want.last)
        if message.reply:
            self._tell_heads(peer, reply=False)

    def want(self, peer: NodeId, message: Want) -> None:
        if message.first <= message.last:
            self._out.do(SendRange(peer, message.author, message.first, message.last))

    def entries(self, peer: NodeId, message: Entries) -> None:
        for raw in message.entries:
            self._journal.take(peer, raw, solicited=message.asked)
