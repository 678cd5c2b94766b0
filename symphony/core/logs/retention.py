"""When bodies of the ledger are forgotten here, and which of them are not.

The ledger's rule is in `ledger.retention`: a body may go once the time that its author wrote
into the header is over. What the core adds is how long its entries are of use, and one
exception.

    capability      24 h, then it is renewed or means nothing
    all of a task   8 days: a task is final after a day at the latest (its longest deadline),
                    and for 7 days more anybody may look at what was bid, done and voted

The last capability record of each agent keeps its body here, however old: it is what is known of
an agent that is away. Receipts are files of their own and are never dropped.

A horizon in a log (`ledger.horizon`) that is old enough and was witnessed makes that log begin
there, here as well; what lies below goes the same way.

Once an hour the store is asked to forget what is due, a few hundred bodies at a time with a pause
in between, so that work never waits for it long.
"""

from __future__ import annotations

from ledger import Entry, verify_horizon
from ledger.errors import InvalidEntry
from ledger.limits import DROP_AFTER_MS
from ledger.retention import drop_before
from symphony.core import limits
from symphony.core.effects import BeginLog, DropBodies
from symphony.core.logs.journal import Journal
from symphony.core.outbox import Outbox
from symphony.core.peers.directory import Directory
from symphony.core.timers import RetentionDue


class Retention:
    """Asks for bodies to be forgotten, again and again."""

    def __init__(self, journal: Journal, directory: Directory, out: Outbox) -> None:
        self._journal = journal
        self._directory = directory
        self._out = out

    def start(self) -> None:
        """The node is up; what came due while it was away can wait a little."""
        self._out.timer(RetentionDue(), limits.RETENTION_FIRST_MS)

    def due(self) -> None:
        """Ask for the next few."""
        before = drop_before(self._out.wall_ms)
        keep = frozenset(
            (listing.node, listing.entry.seq)
            for listing in self._directory
            if (listing.entry.expires or 0) <= before
        )
        self._out.do(DropBodies(before, keep, limits.BODIES_AT_ONCE))

    def dropped(self, count: int) -> None:
        """So many are gone. If there were any, there may be more."""
        pause_ms = limits.RETENTION_PAUSE_MS if count else limits.RETENTION_EVERY_MS
        self._out.timer(RetentionDue(), pause_ms)

    def horizon(self, entry: Entry) -> None:
        """An author put a horizon into its log."""
        journal, now_ms = self._journal, self._out.wall_ms - DROP_AFTER_MS
        try:
            horizon = verify_horizon(entry, journal.swarm_id, journal.verify, now_ms)
        except InvalidEntry:
            return  # too soon, or nonsense: it stays in its author's log, and so does the rest
        self._out.do(BeginLog(horizon))
