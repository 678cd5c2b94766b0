"""One node's protocol: `Swarm.handle(now_ms, input) -> list[Effect]`.

This file only routes. The machines it routes to:

    Journal     the node's log, and the book of everybody's
    Reading     what an entry means, once it is in its log
    Directory   who can do what, from capability entries
    Experience  who did how well, from the own log
    Conductor   the tasks that were submitted here
    Worker      the units that this node owns
    Members     who is connected, and how busy

Given the same inputs, times and chance, the same effects come out, byte for byte. Hostile input
yields `Reject`; an `AssertionError` is a bug of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import assert_never

from ledger import Entry, ForkProof, Head, Kind, Signer, Verifier
from ledger.roster import Roster
from symphony.core import limits
from symphony.core.beacon.claims import Claims
from symphony.core.beacon.experience import Experience
from symphony.core.beacon.seeking import Seeking
from symphony.core.beacon.trusted import Trusted
from symphony.core.beacon.vectors import Vectors
from symphony.core.chance import Chance, jittered
from symphony.core.effects import Effect
from symphony.core.events import PeerSeen
from symphony.core.ids import NodeId, SwarmId
from symphony.core.inputs import (
    AgentsChanged,
    BodiesDropped,
    Cancel,
    Embedded,
    EntriesStored,
    Heard,
    Input,
    LogHashed,
    LookedUp,
    PeerDown,
    PeerUp,
    Probe,
    Revoke,
    SealWanted,
    Started,
    Submit,
    TaskFound,
    TimerFired,
    Unsealed,
    WallClock,
    Wanted,
    WorkDone,
    WorkFailed,
    WorkMoved,
)
from symphony.core.logs.forks import Forks
from symphony.core.logs.identities import Identities
from symphony.core.logs.journal import Journal
from symphony.core.logs.own_log import Gate
from symphony.core.logs.replication import Replication
from symphony.core.logs.retention import Retention
from symphony.core.logs.witness import Witness
from symphony.core.messages import (
    Beacon,
    Bids,
    CosignAsked,
    Done,
    Entries,
    Entrust,
    Fork,
    HeadAsked,
    Heads,
    HeadTold,
    Message,
    Progress,
    Reconcile,
    Refused,
    Renewed,
    Stop,
    Want,
    Work,
)
from symphony.core.outbox import Outbox
from symphony.core.owner.hosting import Hosting
from symphony.core.owner.worker import Worker
from symphony.core.peers.directory import Directory
from symphony.core.peers.members import Members
from symphony.core.peers.presence import ContactAsked, ContactTold, Presence, Seek
from symphony.core.reading import Reading
from symphony.core.stewards.entrusting import Entrusting
from symphony.core.surroundings import Surroundings
from symphony.core.tasks.conductor import Conductor
from symphony.core.timers import (
    AskingOver,
    CapabilitiesDue,
    CheckpointDue,
    ConductorTimer,
    CosignDue,
    OwnerLetsGo,
    PresenceDue,
    PublishDue,
    Renew,
    RetentionDue,
    SyncDue,
    Timer,
)
from symphony.core.votes.evidence_book import EvidenceBook

_OF_WORK = frozenset({Beacon, Bids, Work, Done, Progress, Entrust})


class Swarm:
    """The whole protocol of one node, as one machine."""

    def __init__(
        self,
        signer: Signer,
        verify: Verifier,
        swarm_id: SwarmId,
        chance: Chance,
        heads: Iterable[Head] | Roster = (),
        forks: Iterable[ForkProof] = (),
        founder: NodeId | None = None,
        anchors: Mapping[bytes, bytes] = MappingProxyType({}),
        pledge: bytes | None = None,
    ) -> None:
        """`founder` may revoke; `anchors` and `pledge` are about successors (`Journal`)."""
        self.me = NodeId(signer.public)
        self.directory = Directory()
        self.experience = Experience()
        self._chance = chance
        self._out = Outbox(self.me)
        self._wall_minus_now_ms = 0
        self._vectors = Vectors()
        self.journal = Journal(signer, verify, swarm_id, self._out, self._accepted, anchors, pledge)
        self.journal.restore(heads, forks)
        self.gate = Gate(self.journal, self._out)
        self.identities = Identities(self.journal, self._out, founder, self._retired)
        self._forks = Forks(self.journal, self._out, self.gate.may_append, self._frozen)
        self.journal.met_fork, self.journal.compare = self._forks.met, self._forks.compare
        self.members = Members(self.me, self._out, chance)
        self._trusted = Trusted(self.members, self.identities)
        self.evidence = EvidenceBook(self.me)
        self._entrusting = Entrusting(self._out, self._trusted)
        around = Surroundings(
            me=self.me,
            journal=self.journal,
            directory=self.directory,
            vectors=self._vectors,
            experience=self.experience,
            chance=chance,
            out=self._out,
            evidence=self.evidence,
            alive=self._trusted,
            suspects=self.members.suspects,
            operator_of=self.members.operator_of,
            may_append=self.gate.may_append,
            entrusting=self._entrusting,
            claims=Claims(self._vectors, self._out),
            seeking=Seeking(self._out, self.directory, self.experience, self.members.reach),
        )
        self.conductor = Conductor(around)
        self.worker = Worker(self.me, self.journal, self.directory, self._out)
        self._replication = Replication(self.journal, self._out, chance)
        gate, witnesses = self.gate.may_append, self._trusted.witnesses
        self.witness = Witness(self.journal, self._out, chance, gate, witnesses)
        self._retention = Retention(self.journal, self.directory, self._out)
        self._hosting = Hosting(self.journal, self.directory, self.worker.jobs, self._out)
        self._reading = Reading(
            out=self._out,
            directory=self.directory,
            identities=self.identities,
            evidence=self.evidence,
            forks=self._forks,
            retention=self._retention,
            conductor=self.conductor,
        )

    def handle(self, now_ms: int, happened: Input) -> list[Effect]:
        """Take one input at monotonic time `now_ms`; the effects are to be run in order."""
        self._out.now_ms = now_ms
        self._out.wall_ms = now_ms + self._wall_minus_now_ms
        self._route(happened)
        self._drain()
        if self.gate.settle():
            self._gate_moved()
            self._drain()
        return self._out.take()

    def _drain(self) -> None:
        """What the node says to itself."""
        while self._out.own:
            self._heard(self.me, self._out.own.popleft())

    def _gate_moved(self) -> None:
        """The own log was opened or closed: do what had to wait, or give it up."""
        if self.gate.state in ("forked", "retired", "asking"):
            self.conductor.halt(self.gate.why)
            self.worker.halt()
        if self.gate.state in ("forked", "retired", "short"):
            self.conductor.resuming.halt(self.gate.code, self.gate.why)
        self._forks.write()
        self._resume()
        for happened in self.gate.release():
            self._route(happened)

    def _resume(self) -> None:
        """Go on with the tasks of an earlier life, once the own log may be written to."""
        if self.conductor.resuming and self.gate.may_append():
            self.conductor.resuming.resume()

    @property
    def revoked(self) -> frozenset[bytes]:
        """The invites that the founder has taken back."""
        return self.identities.revoked

    def _retired(self, author: NodeId) -> None:
        """An author handed over to its successor: the agents that count are in the new log."""
        self.directory.drop(author)
        self._trusted.forget()
        if author != self.me:
            self.conductor.peer_down(author, "the owner's key was retired")

    def _frozen(self, author: NodeId) -> None:
        """An author signed two histories: its agents and bids mean nothing any more."""
        self.directory.drop(author)
        self.evidence.drop(author)
        self._trusted.forget()
        self.identities.review()
        if author != self.me:
            self.conductor.peer_down(author, "the owner's log is forked")

    def _route(self, happened: Input) -> None:
        if self.gate.holds_back(happened):
            if isinstance(happened, Submit) and self.gate.state != "asking":
                self.conductor.refuse(happened.task, self.gate.code, self.gate.why)
            return
        match happened:
            case Heard(peer, message):
                self._heard(peer, message)
            case TimerFired(timer):
                self._fired(timer)
            case WorkMoved():
                self.worker.moved(happened)
            case WorkDone():
                self.worker.done(happened)
            case WorkFailed():
                self.worker.failed(happened)
            case Embedded(encoder, texts, vectors):
                self._vectors.learn(encoder, texts, vectors)
                self.conductor.embedded()
            case TaskFound() | Unsealed() | Wanted():
                self.conductor.kept(happened)
            case PeerUp(peer, _, operator, observer):
                self.members.up(peer, operator, observer=observer)
                self._out.tell(PeerSeen(peer, up=True))
                self._replication.greet(peer)
                self.gate.greet(peer)
                self.conductor.peer_up(peer)
            case PeerDown(peer):
                self.members.down(peer)
                self.gate.lost(peer)
                self._replication.lost(peer)
                self._out.tell(PeerSeen(peer, up=False))
                self.conductor.peer_down(peer)
            case Submit() | Probe():
                self.conductor.asked(happened)
            case Cancel(task):
                self.conductor.cancel(task)
            case Revoke(invite):
                if self.me == self.identities.founder() and invite not in self.revoked:
                    self.journal.write(Kind.REVOKE, invite)
            case Started():
                self._started(happened)
            case AgentsChanged(agents):
                self._hosting.host(agents)
            case WallClock(wall_ms):
                self._wall_minus_now_ms = wall_ms - self._out.now_ms
            case SealWanted():
                self.witness.wanted()
            case LookedUp() | LogHashed() | BodiesDropped() | EntriesStored():
                self._stored(happened)
            case _:
                assert_never(happened)

    def _stored(self, found: LookedUp | LogHashed | BodiesDropped | EntriesStored) -> None:
        """What the store has, or had."""
        match found:
            case LookedUp(claim=claim):
                asked = self.gate.telling if isinstance(claim, Head) else self._forks
                asked.looked_up(found)
            case LogHashed():
                self.witness.hashed(found)
            case BodiesDropped(count):
                self._retention.dropped(count)
            case EntriesStored(entries):
                for entry in entries:
                    self._reading.learn(entry)
                self.experience.learn(e for e in entries if e.author == self.me)
                self.evidence.meet(*(node for node, _ in self.experience))

    def _started(self, happened: Started) -> None:
        life = happened.incarnation, happened.addresses, happened.operator
        self.members.begin(self.worker.jobs, *life)
        self._hosting.box, self._hosting.operator = happened.box, happened.operator
        self._entrusting.box = happened.box or b""
        self.gate.start(happened.own_log)
        self._route(AgentsChanged(happened.agents))
        self._fired(PresenceDue())
        self._out.timer(SyncDue(), jittered(self._chance, limits.SYNC_EVERY_MS))
        self._out.timer(CapabilitiesDue(), limits.CAPABILITY_LIFETIME_MS // 2)
        self._retention.start()
        self.conductor.stewarding.start()
        self._resume()

    def _heard(self, peer: NodeId, message: Message) -> None:
        self.members.heard(peer)
        if type(message) in _OF_WORK and not self._trusted.works(peer):
            return
        match message:  # the most frequent first
            case Presence():
                self.members.presence(peer, message)
            case Entries() | Heads() | Want() | Reconcile():
                self._replication.heard(peer, message)
            case Beacon() | Work() | Renewed() | Stop():
                self.worker.heard(peer, message)
            case Progress() | Done() | Refused():
                self.conductor.owners.heard(peer, message)
            case Bids():
                self.conductor.bids(peer, message)
            case ContactAsked() | ContactTold() | Seek():
                self.members.contact(peer, message)
            case CosignAsked(entry):
                self.witness.asked(peer, entry)
            case HeadAsked():
                self.gate.telling.asked(peer)
            case HeadTold():
                self.gate.told(peer, message)
            case Fork(proof):
                self._forks.heard(peer, proof)
            case _:
                self.conductor.stewarding.heard(peer, message)

    def _fired(self, timer: Timer) -> None:
        if isinstance(timer, ConductorTimer):
            self.conductor.fired(timer)
            return
        match timer:
            case Renew():
                self.worker.renew(timer)
            case OwnerLetsGo():
                self.worker.let_go(timer)
            case PublishDue():
                self.journal.publishing.due()
            case SyncDue():
                self._replication.compare(self.members.alive())
                self.conductor.probing.due()
                self._out.timer(timer, jittered(self._chance, limits.SYNC_EVERY_MS))
            case CapabilitiesDue():
                self._hosting.host(self._hosting.agents, renew=True)
                self._out.timer(timer, limits.CAPABILITY_LIFETIME_MS // 2)
            case AskingOver():
                self.gate.time_is_up()
            case CheckpointDue():
                self.witness.checkpoint_due()
            case CosignDue():
                self.witness.cosign_due()
            case RetentionDue():
                self._retention.due()
            case _:
                self.members.fired(timer)

    def _accepted(self, entry: Entry) -> None:
        """An entry that was not in its log before."""
        self.witness.accepted(entry)
        self._reading.learn(entry)
