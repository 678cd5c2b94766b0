"""Fetching what peers have and we lack: bounded ranges, one after the other, until nothing lacks.

A head tells how far a peer's copy of a log goes. The way there may be long, so it is asked for
in ranges of at most 1 024 entries; when one has come, the next is asked for at once. At most 256
logs are fetched side by side from one peer, and a log from one peer at a time, however many have
it. Nothing here needs to be remembered: whatever is lost is noticed at the next comparison.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable

from ledger import Head, suspects, wants
from symphony.core import limits
from symphony.core.ids import NodeId
from symphony.core.logs.journal import Journal
from symphony.core.messages import Fork
from symphony.core.outbox import Outbox


class CatchUp:
    """What is still missing, by the peer that has it."""

    def __init__(self, journal: Journal, out: Outbox) -> None:
        self._journal = journal
        self._out = out
        self._behind: dict[NodeId, OrderedDict[bytes, Head]] = {}
        self._flights: dict[bytes, tuple[NodeId, int, int]] = {}
        """By author: who was asked, up to which number, and until when we wait for it."""
        self._flying: Counter[NodeId] = Counter()
        """How many flights there are to each peer."""

    def note(self, peer: NodeId, theirs: Iterable[Head]) -> None:
        """A peer's logs end here. What we lack of them is asked for; what contradicts ours as
        well, because that finds the proof of a fork. Who goes on where we know of a fork is shown
        the proof: it may have been gossiped while the peer was away.
        """
        theirs = [head for head in theirs if self._differs(head)]
        for head in suspects(self._journal.book, theirs):
            self._journal.want(peer, head.author, head.seq, head.seq)
        self._convict(peer, theirs)
        behind = self._behind.setdefault(peer, OrderedDict())
        for head in theirs:
            if len(behind) < limits.MAX_BEHIND or head.author in behind:
                behind[head.author] = head
        self._fetch(peer)

    def _differs(self, theirs: Head) -> bool:
        """Does a log end elsewhere for the peer? Mostly it does not: then nothing is to be done."""
        ours = self._journal.book.head(theirs.author)
        return ours is None or ours.id != theirs.id

    def _convict(self, peer: NodeId, theirs: Iterable[Head]) -> None:
        """Show the proofs that this peer can't know, a few at a time."""
        proofs = self._journal.book.forks()
        beyond = (head for head in theirs if head.author in proofs)
        unknown = [head for head in beyond if head.seq > proofs[head.author].frozen_at]
        for head in unknown[: limits.PROOFS_AT_ONCE]:
            self._out.send(peer, Fork(proofs[head.author].encode()))

    def came(self, peer: NodeId, authors: Iterable[bytes]) -> None:
        """A peer sent entries of these logs that it was asked for."""
        behind = self._behind.get(peer)
        if not behind:
            return
        for author in authors:
            flight = self._flights.get(author)
            head = self._journal.book.head(author)
            if flight is not None and head is not None and head.seq >= flight[1]:
                self._land(author)
        for author in authors:
            if author in behind:
                behind.move_to_end(author, last=False)
        self._fetch(peer)

    def lost(self, peer: NodeId) -> None:
        """A peer is gone; what it had is fetched from the next that has it."""
        self._behind.pop(peer, None)
        for author in [a for a, flight in self._flights.items() if flight[0] == peer]:
            self._land(author)

    def _land(self, author: bytes) -> None:
        """The range of this log that is on its way, if one is, is not waited for any more."""
        flight = self._flights.pop(author, None)
        if flight is not None:
            self._flying[flight[0]] -= 1
            if not self._flying[flight[0]]:
                del self._flying[flight[0]]

    def _fetch(self, peer: NodeId) -> None:
        """Ask for the next ranges of what a peer has beyond us, as many as there is room for. A
        log whose next range is on its way, from whomever, waits behind those that were not looked
        at: so each log is looked at once for each answer at most, and mostly far less often.
        """
        behind = self._behind[peer]
        room = limits.RANGES_IN_FLIGHT - self._flying[peer]
        for _ in range(len(behind)):
            if room <= 0:
                return
            author = next(iter(behind))
            flight = self._flights.get(author)
            if flight is not None and self._out.now_ms < flight[2]:
                behind.move_to_end(author)
                continue
            found = wants(self._journal.book, [behind[author]])
            if not found:
                del behind[author]
                self._land(author)
                continue
            [want] = found
            behind.move_to_end(author)
            self._journal.want(peer, author, want.first, want.last)
            until_ms = self._out.now_ms + limits.RANGE_PATIENCE_MS
            self._land(author)
            self._flights[author] = (peer, want.last, until_ms)
            self._flying[peer] += 1
            room = limits.RANGES_IN_FLIGHT - self._flying[peer]
