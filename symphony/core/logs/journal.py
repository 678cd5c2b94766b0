"""The node's share of the ledger: its own log, and the book of everybody's.

Own entries are sealed here, purely (Ed25519 is deterministic, the clock is handed in), and leave
as `Append` before anything is said about them. They are gossiped a little later (`publishing`).

Foreign entries come by gossip, in answer to a `Want`, or inside a `Work` or `Done`; all go
through the same `Book`, and only what it accepts is stored and interpreted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from ledger import (
    Accepted,
    Admission,
    Begun,
    Book,
    Duplicate,
    Entry,
    Forked,
    ForkProof,
    Head,
    Held,
    HybridClock,
    Kind,
    Pending,
    Refused,
    Signer,
    Verifier,
    check_entry,
    encode_pledge,
    parse_entry,
    seal,
)
from ledger.clock import physical_ms
from ledger.errors import LedgerError, Reason
from ledger.limits import FIRST_OWN_KIND, MAX_WANT_ENTRIES
from ledger.roster import Roster
from symphony.core import limits
from symphony.core.effects import BeginLog, Reject
from symphony.core.ids import NodeId, SwarmId
from symphony.core.logs.publishing import Publishing
from symphony.core.logs.requests import Requests
from symphony.core.messages import Want
from symphony.core.outbox import Outbox


class Journal:
    """Seals own entries, admits foreign ones. `learn` is called with each accepted entry.

    `met_fork` and `compare` are set once, to those of `Forks`, which needs a journal to be made.
    """

    def __init__(
        self,
        signer: Signer,
        verify: Verifier,
        swarm_id: SwarmId,
        out: Outbox,
        learn: Callable[[Entry], None],
        anchors: Mapping[bytes, bytes] = MappingProxyType({}),
        pledge: bytes | None = None,
    ) -> None:
        """`anchors` are the commitments that the genesis holds; `pledge` is that of this node to
        its successor, written before anything else if the own log is empty.
        """
        self.me = NodeId(signer.public)
        self.book = Book(swarm_id, verify, anchors=anchors)
        self._pledge = pledge
        self.verify = verify
        self.swarm_id = swarm_id
        self._signer = signer
        self._clock = HybridClock()
        self._out = out
        self._learn = learn
        self.publishing = Publishing(out)
        self.met_fork: Callable[[NodeId, ForkProof], None] = _nobody
        self.compare: Callable[[NodeId, Entry], None] = _nobody
        self._asked = Requests()
        self._gaps: dict[bytes, Pending] = {}
        """Found in the message that is being read, by author."""

    def restore(self, heads: Iterable[Head] | Roster, forks: Iterable[ForkProof] = ()) -> None:
        """Take over the heads that the store holds; the clock goes on from the latest own entry."""
        self.book.restore(heads, forks)
        self.book.vouch(self.me)
        head = self.book.head(self.me)
        if head is not None:
            self._clock = HybridClock(head.hlc)

    def write(
        self,
        kind: Kind,
        body: bytes,
        *,
        refs: Sequence[bytes] = (),
        expires_in_ms: int | None = None,
    ) -> Entry:
        """Seal the next own entry, order it to be stored, and queue it for gossip. The body of an
        entry of the application is of use for `expires_in_ms`, or as long as those of a task.
        """
        if expires_in_ms is None and kind < FIRST_OWN_KIND:
            expires_in_ms = limits.BODY_LIFETIME_MS
        commitment, self._pledge = self._pledge, None
        anchored = self.book.succession.commitment(self.me) is not None
        if commitment is not None and not anchored and self.book.head(self.me) is None:
            self.write(Kind.PLEDGE, encode_pledge(commitment))
        hlc = self._clock.tick(self._out.wall_ms)
        expires = None if expires_in_ms is None else hlc + (expires_in_ms << 16)
        entry = seal(
            self._signer,
            self.swarm_id,
            self.book.head(self.me),
            kind=kind,
            body=body,
            hlc=hlc,
            refs=refs,
            expires=expires,
        )
        # A clock that was set back by minutes must not make us hold back our own entries.
        now_ms = max(self._out.wall_ms, physical_ms(hlc))
        admission = self.book.admit(entry, now_ms, verified=True, solicited=True)
        assert isinstance(admission, Accepted), f"our own entry was not accepted: {admission}"
        self._out.append(entry)
        self._learn(entry)
        self.publishing.add(entry.encode())
        return entry

    def want(self, peer: NodeId, author: bytes, first: int, last: int) -> None:
        """Ask a peer for a range of a log, unless it was asked for it a moment ago."""
        last = min(last, first + MAX_WANT_ENTRIES - 1)  # however far ahead somebody claims to be
        wanted = self._asked.ask(peer, author, first, last, self._out.now_ms)
        if wanted is not None:
            self._out.send(peer, Want(author, *wanted))

    def asked(self, peer: NodeId, entry: Entry) -> bool:
        """Was this peer asked for this entry?"""
        return self._asked.expects(peer, entry.author, entry.seq)

    def _instead(self, peer: NodeId, entry: Entry) -> bool:
        """Is it a horizon, and was this peer asked for what may lie below?"""
        head = self.book.head(entry.author)
        next_seq = head.seq + 1 if head else 1
        wanted = self._asked.expects(peer, entry.author, next_seq)
        return entry.kind == Kind.HORIZON and wanted

    def lost(self, peer: NodeId) -> None:
        """The connection to a peer is gone."""
        self._asked.forget(peer)

    def take_signed(self, peer: NodeId, raw: bytes) -> Entry | None:
        """Admit one entry that something is to be done about. It comes back if its author signed
        it, also when it can't be appended yet because earlier ones of its log are missing. Those
        are not asked for: gossip is bringing them, and work is not to wait for it. Nor is it a
        fault of a busy peer if its author writes more than we take in at once: it is fetched later.
        """
        try:
            entry = parse_entry(raw)
            if peer != self.me:  # what we say to ourselves was sealed in this very process
                check_entry(entry, self.swarm_id, self.verify)  # the book would trust a known id
        except LedgerError as error:
            self._out.do(Reject(peer, f"entry: {error}"))
            return None
        admission = self.book.admit(entry, self._out.wall_ms, verified=True, direct=True)
        if isinstance(admission, Refused) and admission.reason is Reason.RATE_LIMIT:
            return entry
        return self._admitted(peer, entry, admission)

    def take(self, peer: NodeId, raw: bytes, *, answer: bool = False) -> Entry | None:
        """Admit one entry in wire form; None if it was refused, or proved a fork. After the last
        one of a message, `ask_for_gaps`.

        `answer`: the peer says that we asked for it. If we did, its author's rate is not counted.
        """
        try:
            entry = parse_entry(raw)
        except LedgerError as error:
            self._out.do(Reject(peer, f"entry: {error}"))
            return None
        solicited = answer and (self.asked(peer, entry) or self._instead(peer, entry))
        admission = self.book.admit(entry, self._out.wall_ms, solicited=solicited)
        if isinstance(admission, Pending) and not solicited:
            self._gaps[entry.author] = admission
        return self._admitted(peer, entry, admission)

    def ask_for_gaps(self, peer: NodeId) -> None:
        """What lies before the entries that a message brought too early is asked for once, when
        all of them were looked at: each may have made the gap smaller, or longer.
        """
        gaps, self._gaps = self._gaps, {}
        for author, gap in gaps.items():
            head = self.book.head(author)
            first = max(gap.missing_from, head.seq + 1 if head else 1)
            if first <= gap.missing_to and peer != self.me:
                self.want(peer, author, first, gap.missing_to)

    def _admitted(self, peer: NodeId, entry: Entry, admission: Admission) -> Entry | None:
        """Act on what the book said; None if the entry was refused, or proved a fork."""
        match admission:
            case Accepted(entries):
                for accepted in entries:
                    self._clock.observe(accepted.hlc, self._out.wall_ms)
                    if accepted.author == self.me:  # it was lost here, and a peer had it
                        self._clock.last = max(self._clock.last, accepted.hlc)
                self._out.append(*entries)
                for accepted in entries:
                    self._learn(accepted)
            case Begun(horizon):
                self._out.do(BeginLog(horizon))
                self._clock.observe(horizon.last.hlc, self._out.wall_ms)
                if entry.author == self.me:
                    self._clock.last = max(self._clock.last, horizon.last.hlc)
                if horizon.first is not None:
                    self._learn(horizon.first)
            case Forked(proof):
                self.met_fork(peer, proof)
                return None
            case Refused(reason, text):
                if reason in (Reason.BAD_CHAIN, Reason.RETIRED) and peer != self.me:
                    # Of two branches that part, the entry before shows where.
                    retire = self.book.succession.retired(entry.author)
                    at = entry.seq - 1 if retire is None else min(entry.seq - 1, retire.seq)
                    self.want(peer, entry.author, at, at)
                elif reason is not Reason.FROZEN:
                    self._out.do(Reject(peer, f"entry: {text}"))
                return None
            case Duplicate(compare):
                if compare:
                    self.compare(peer, entry)
            case Pending() | Held():
                pass
        return entry


def _nobody(peer: NodeId, claim: object) -> None:
    """Forks mean nothing to a journal on its own."""
