"""Which keys stand for whom: the projection of retirements, adoptions and revocations.

A log that retired says nothing any more: its agents are dropped and its key owns no work. Its
successor's log speaks for the same identity from then on (`ledger.succession`); for the founder
that means the right to revoke invites. A revocation counts if its author is in the founder's
line, and whether it is may be learned after it: so it is kept until then.

What counts is asked of the book each time, so any order of arrival gives the same answer.
"""

from __future__ import annotations

from collections.abc import Callable

from ledger import Entry, Kind
from ledger.succession import REMEMBERED
from symphony.core import limits
from symphony.core.effects import Expel
from symphony.core.events import LogRetired
from symphony.core.ids import NodeId
from symphony.core.logs.journal import Journal
from symphony.core.outbox import Outbox


class Identities:
    """`gone` is called with each author whose log was found to have retired."""

    def __init__(
        self,
        journal: Journal,
        out: Outbox,
        founder: NodeId | None,
        gone: Callable[[NodeId], None],
    ) -> None:
        self._journal = journal
        self._out = out
        self._founder = founder
        self._gone = gone
        self._said: dict[bytes, dict[int, bytes]] = {}
        """Revocations by author and number, of the founder and of those who claim to be heirs."""
        self._count = 0
        self._expelled: frozenset[bytes] = frozenset()

    def founder(self) -> NodeId | None:
        """The key that speaks for the founder now."""
        if self._founder is None:
            return None
        return NodeId(self._journal.book.succession.speaker(self._founder))

    @property
    def revoked(self) -> frozenset[bytes]:
        """The invites that the founder's line took back, in entries that count."""
        if self._founder is None:
            return frozenset()
        found: set[bytes] = set()
        for author in self._journal.book.succession.line(self._founder):
            frozen_at = self._journal.book.frozen_at(author)
            said = self._said.get(author, {})
            found |= {i for seq, i in said.items() if frozen_at is None or seq <= frozen_at}
        return frozenset(found)

    def is_over(self, author: bytes) -> bool:
        """Did this log end, by a fork or by its retirement? Its agents mean nothing then."""
        book = self._journal.book
        return book.frozen_at(author) is not None or book.succession.retired(author) is not None

    def learn(self, entry: Entry) -> None:
        """An entry that was appended, now or before this start."""
        succession = self._journal.book.succession
        if entry.kind in REMEMBERED:
            succession.note(entry)
            if entry.kind == Kind.RETIRE:
                self._retired(NodeId(entry.author))
        elif entry.kind == Kind.REVOKE and entry.body is not None:
            heir = entry.author == self._founder or succession.claims(entry.author)
            if heir and self._count < limits.MAX_REVOCATIONS:
                said = self._said.setdefault(entry.author, {})
                self._count += entry.seq not in said
                said[entry.seq] = entry.body
        else:
            return
        self.review()

    def review(self) -> None:
        """Who is in the founder's line may have changed: expel whom its heirs have revoked."""
        revoked = self.revoked
        for invite in sorted(revoked - self._expelled):
            self._out.do(Expel(invite))
        self._expelled |= revoked

    def _retired(self, author: NodeId) -> None:
        retire = self._journal.book.succession.retired(author)
        if retire is not None:
            self._out.tell(LogRetired(author, retire.seq, NodeId(retire.successor)))
            self._gone(author)
