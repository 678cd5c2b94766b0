"""What an entry means to this node, once it is in its log.

    own log      a conductor that was restarted recalls its tasks, until it goes on with them
    capability   the directory lists the agent, unless its author's log is over
    verdict      a durable task of whose line this node is has ended
    evidence     probes and verdicts are kept, to weigh ballots by
    fork         a proof that somebody relays in its log, where gossip lost it
    horizon      the log may begin there, when that is old enough and was witnessed
    retire, adopt, pledge, revoke    who speaks for whom, and whom the founder no longer lets in

All others are only stored: whoever needs one of them gets it with the work, and reads it there. An
entry is read when it comes, and most of these kinds once more from the store when the node starts;
so nothing here may depend on whether it is new (what does is told to `witness`). What is signed and
makes no sense stays in its log, and means nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger import Entry, Kind
from ledger.errors import DecodeError
from symphony.core.events import AgentSeen
from symphony.core.ids import NodeId
from symphony.core.logs.forks import Forks
from symphony.core.logs.identities import Identities
from symphony.core.logs.retention import Retention
from symphony.core.outbox import Outbox
from symphony.core.peers.directory import Directory
from symphony.core.tasks.conductor import Conductor
from symphony.core.votes.evidence_book import EvidenceBook


@dataclass(frozen=True, slots=True)
class Reading:
    """The machines of a node that read entries."""

    out: Outbox
    directory: Directory
    identities: Identities
    evidence: EvidenceBook
    forks: Forks
    retention: Retention
    conductor: Conductor

    def learn(self, entry: Entry) -> None:
        """Interpret an accepted entry; one whose body was forgotten says nothing any more."""
        if entry.body is None:
            return
        if entry.author == self.out.me:
            self.conductor.resuming.recall(entry)
        self.identities.learn(entry)
        self.evidence.learn(entry)
        if entry.kind == Kind.VERDICT:
            self.conductor.stewarding.verdict(entry)
        if entry.kind == Kind.HORIZON:
            self.retention.horizon(entry)
        if entry.kind == Kind.FORK:
            self.forks.heard(NodeId(entry.author), entry.body)
        if entry.kind != Kind.CAPABILITY or self.identities.is_over(entry.author):
            return
        try:
            listing = self.directory.add(entry)
        except DecodeError:
            return  # signed nonsense of its author: it stays in the log and means nothing
        if listing is not None and not listing.capability.withdrawn:
            seen = AgentSeen(listing.node, listing.capability.agent, listing.capability.model)
            self.out.tell(seen)
