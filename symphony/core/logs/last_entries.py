"""Telling a node that has just started where its log ends, as far as it is known here.

The node won't write before it knows (`own_log`), so a lie could keep it from writing for ever. The
answer is therefore no claim: it is the last entry itself, header and signature, which nobody but
the asker can have made. A lie by less is left: it is worth no more than the answer of a node that
lost its disk, and others are asked as well. A question has no signature and needs none: it gets an
answer of some 300 bytes, one at a time, about the asker's own log.

The book remembers the last entries of a log only if they came in this life; else the store is read.
"""

from __future__ import annotations

from ledger import Entry
from symphony.core.effects import LookUp
from symphony.core.ids import NodeId
from symphony.core.inputs import LookedUp
from symphony.core.logs.journal import Journal
from symphony.core.messages import HeadTold
from symphony.core.outbox import Outbox


class LastEntries:
    """The answers to `HeadAsked`."""

    def __init__(self, journal: Journal, out: Outbox) -> None:
        self._journal = journal
        self._out = out
        self._looking: set[NodeId] = set()
        """Peers whose question waits for the store, which always answers."""

    def asked(self, peer: NodeId) -> None:
        """Tell a peer where its log ends. An entry counts even if what comes before it never
        arrived: it was signed, and its number must not be used again.
        """
        book = self._journal.book
        furthest, head = book.furthest(peer), book.head(peer)
        if furthest is None:
            self._out.send(peer, HeadTold())
            return
        entry = book.remembered(peer, furthest[0])
        if entry is not None:
            self._tell(peer, entry)
        elif head is not None and peer not in self._looking:
            self._looking.add(peer)
            self._out.do(LookUp(peer, head))

    def looked_up(self, found: LookedUp) -> None:
        """What the store holds. Who is shown nothing asks others, and us again."""
        self._looking.discard(found.peer)
        furthest = self._journal.book.furthest(found.peer)
        if found.stored is None or furthest is None:
            return
        if furthest[0] == found.stored.seq:
            self._tell(found.peer, found.stored)
        else:  # it went on meanwhile
            self.asked(found.peer)

    def _tell(self, peer: NodeId, entry: Entry) -> None:
        self._out.send(peer, HeadTold(entry.without_body().encode()))
