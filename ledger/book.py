"""The book of logs: which entry may be added to which log, right now. Pure, and bounded.

The book holds no entries, only the end of each log: its head, its last few headers, the entries
that came too early, and where it is frozen. `admit` judges one entry and answers with one of
seven results; whoever calls it stores, forwards or asks for more accordingly.

The rules of a chain: `seq` is the head's plus one, `prev` is the head's id, `hlc` is larger than
the head's, and the author signed it. An entry that comes too early waits and is released by the
one that fills the gap, so any order of arrival ends in the same heads.

Two signed entries with one number are a fork: the log is frozen before the lowest such number,
for ever (`fork`). The book meets forks among the headers it remembers. For an older entry it
answers `Duplicate(compare=True)`: the caller fetches its own entry of that number from the store
and calls `conflicts`.

A retire entry ends its log, if it names the key that the log committed to (`succession`).

An entry without its body is refused as long as the body may be of use (`retention`): a relay
could otherwise strip bodies for good.

A log of which more was forgotten than we have begins at its horizon (`horizon`), if one comes in
answer to what we asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from ledger import fork
from ledger.admission import (
    Accepted,
    Admission,
    Begun,
    Duplicate,
    Forked,
    Held,
    Pending,
    Refused,
)
from ledger.clock import held_until_ms
from ledger.entry import Entry, Head, check_entry
from ledger.errors import InvalidEntry, Reason
from ledger.fork import ForkProof
from ledger.horizon import parse_horizon, verify_horizon
from ledger.keys import Verifier
from ledger.kinds import Kind
from ledger.limits import Limits
from ledger.log import Log, memory_bytes
from ledger.retention import may_lack
from ledger.roster import Roster
from ledger.succession import Succession

_TOO_FAST = Refused(Reason.RATE_LIMIT, "the author publishes too fast")


class Book:
    """All logs of one swarm, as one node knows them."""

    def __init__(
        self,
        swarm_id: bytes,
        verify: Verifier,
        *,
        limits: Limits | None = None,
        anchors: Mapping[bytes, bytes] = MappingProxyType({}),
    ) -> None:
        """`anchors` are the commitments that are known from elsewhere, by author."""
        self.swarm_id = swarm_id
        self.limits = limits or Limits()
        self._verify = verify
        self._logs: dict[bytes, Log] = {}
        self._roster = Roster()
        self._ids: dict[bytes, None] = {}  # of the latest entries, oldest first
        self._forks: dict[bytes, ForkProof] = {}
        self.succession = Succession(anchors, self.frozen_at)
        """Who follows whom; after a restart it is told of the stored entries (`note`)."""
        self._vouched: set[bytes] = set()
        self._unknown = 0
        self._pending_bytes = 0
        self.changes = 0
        """Grows with whatever is taken in: as long as it is the same, so is all that is known."""

    def restore(self, heads: Iterable[Head] | Roster, forks: Iterable[ForkProof]) -> None:
        """Take over what a store holds; a book that is restored must be new. A log gets its notes
        when something comes of it: most logs of a large swarm rest.
        """
        assert not self._logs
        assert not self._roster
        assert not self._forks
        self._roster = heads.share() if isinstance(heads, Roster) else Roster(heads)
        self._unknown = len(self._roster) - sum(author in self._roster for author in self._vouched)
        for proof in forks:
            self._forks[proof.author] = fork.merge(self._forks.get(proof.author), proof)

    def head(self, author: bytes) -> Head | None:
        """The end of a log, None if nothing of it is here."""
        return self._roster.get(author)

    def heads(self) -> Mapping[bytes, Head]:
        """The ends of all logs, by author; to be asked for again after a change."""
        return self._roster.by_author()

    @property
    def roster(self) -> Roster:
        """The ends of all logs in the order of their authors, for sync; only to be read."""
        return self._roster

    def furthest(self, author: bytes) -> tuple[int, bytes] | None:
        """Number and id of the last entry that an author is known to have signed: the head, or an
        early one that waits behind a gap. None if nothing of the log is here.
        """
        head = self._roster.get(author)
        log = self._logs.get(author)
        waiting = max(log.pending, default=0) if log is not None else 0
        if log is not None and waiting > (head.seq if head else 0):
            return waiting, log.pending[waiting].id
        return (head.seq, head.id) if head else None

    def forks(self) -> Mapping[bytes, ForkProof]:
        """The lowest proof for each forked author; a live view."""
        return MappingProxyType(self._forks)

    def frozen_at(self, author: bytes) -> int | None:
        """The last number of a forked log that counts; None for an honest log."""
        proof = self._forks.get(author)
        return None if proof is None else proof.frozen_at

    def recent_id(self, author: bytes, seq: int) -> bytes | None:
        """The id of one of the last few entries of a log; None if the book forgot it."""
        head = self._roster.get(author)
        if head is not None and head.seq == seq:
            return head.id
        log = self._logs.get(author)
        entry = log.recent.get(seq) if log else None
        return entry.id if entry else None

    def remembered(self, author: bytes, seq: int) -> Entry | None:
        """One of the last few entries of a log, or one that waits, perhaps without its body; None
        if the book forgot it, or never knew more than its head.
        """
        log = self._logs.get(author)
        return None if log is None else log.recent.get(seq) or log.pending.get(seq)

    def vouch(self, author: bytes) -> bool:
        """Count an author as a member, not among the unknown. False: too many members."""
        if author in self._vouched:
            return True
        if len(self._vouched) >= self.limits.known_authors:
            return False
        self._vouched.add(author)
        self._unknown -= self._is_known(author)
        return True

    def admit(
        self,
        entry: Entry,
        now_ms: int,
        *,
        verified: bool = False,
        solicited: bool = False,
        direct: bool = False,
    ) -> Admission:
        """Judge one entry at wall-clock time `now_ms`; never raises for a hostile one.

        `verified`: the caller knows that the signature holds (its own entry, a stored one).
        `solicited`: it answers our own request for a range, so its author's rate is not counted.
        `direct`: it came with work or a result; that has a rate of its own, beside that of gossip.
        """
        frozen_at = self.frozen_at(entry.author)
        if frozen_at is not None and entry.seq > frozen_at:
            return Refused(Reason.FROZEN, f"the log forked; nothing counts after {frozen_at}")
        retire = self.succession.retired(entry.author)
        if retire is not None and entry.seq > retire.seq:
            return Refused(Reason.RETIRED, f"the log ended with its retirement at {retire.seq}")
        if solicited and entry.kind == Kind.HORIZON:
            begun = self._begin(entry, now_ms)
            if begun is not None:
                return begun
        if entry.body is None and not may_lack(entry.header, now_ms):
            return Refused(Reason.NO_BODY, "the entry came without its body")
        log = self._logs.get(entry.author)
        known = log.known(entry.seq) if log else None
        if known is not None and known.id == entry.id:
            return self._again(entry)
        if known is None:
            head = self._roster.get(entry.author)
            if head is not None and entry.seq <= head.seq:
                return Duplicate(compare=entry.id != head.id and entry.id not in self._ids)
            refused = self._over_limit(entry.author)
            if log is not None and not solicited:
                has_token = log.bucket(direct=direct).has_token(now_ms)
                refused = None if has_token else _TOO_FAST
            if refused is not None:
                return refused
        if not verified:
            try:
                check_entry(entry, self.swarm_id, self._verify)
            except InvalidEntry as error:
                return Refused(error.reason, error.message)
        until_ms = held_until_ms(entry.hlc, now_ms)
        if until_ms is not None:
            return Held(until_ms)
        if known is not None:
            proof = fork.find(entry, known)
            assert proof is not None
            self._freeze(proof, None)
            return Forked(proof)
        admission, kept = self._place(entry, log or self._open(entry.author))
        if kept and not solicited:
            self._logs[entry.author].bucket(direct=direct).spend(now_ms)
        return admission

    def conflicts(
        self, entry: Entry, stored: Entry, *, head: Head | None = None
    ) -> ForkProof | None:
        """Compare an old entry with the stored one of its number. If both are signed and differ,
        the log is frozen and the proof returned, to be stored. `head` is as in `freeze`.
        """
        proof = fork.find(entry, stored)
        return proof if proof is not None and self.freeze(proof, head=head) else None

    def freeze(self, proof: ForkProof, *, head: Head | None = None) -> bool:
        """Take in a proof from anywhere. False if it doesn't hold.

        `head` is the entry at `proof.frozen_at` from the store, if the log went on past the
        headers that the book remembers; without it the old head stays until the next `restore`.
        """
        if self._forks.get(proof.author) == proof and head is None:
            return True
        try:
            fork.verify_proof(proof, self.swarm_id, self._verify)
        except InvalidEntry:
            return False
        self._freeze(proof, head)
        return True

    def _is_known(self, author: bytes) -> bool:
        """Is anything of this author's log here?"""
        return author in self._logs or self._roster.get(author) is not None

    def _open(self, author: bytes) -> Log:
        """Start the notes on an author's log."""
        self._unknown += author not in self._vouched and not self._is_known(author)
        log = self._logs[author] = Log(self.limits)
        return log

    def _over_limit(self, author: bytes) -> Refused | None:
        """Refuse, before any expensive check, an author that is one too many."""
        known = author in self._vouched or self._is_known(author)
        if known or self._unknown < self.limits.unknown_authors:
            return None
        return Refused(Reason.AUTHOR_LIMIT, f"{self._unknown} logs that nobody vouched for")

    def _begin(self, entry: Entry, now_ms: int) -> Begun | Refused | None:
        """Let a log begin at a horizon, if it does not reach it. None if it does."""
        head = self._roster.get(entry.author)
        next_seq = head.seq + 1 if head else 1
        try:
            if entry.seq <= next_seq or parse_horizon(entry).size < next_seq:
                return None
            horizon = verify_horizon(entry, self.swarm_id, self._verify, now_ms)
        except InvalidEntry as error:
            return Refused(error.reason, error.message)
        log = self._logs.get(entry.author)
        refused = self._over_limit(entry.author)
        if refused is not None:
            return refused
        log = log or self._open(entry.author)
        self.changes += 1
        self._pending_bytes -= log.pending_bytes
        log.forget_after(0)
        self._roster.put(horizon.last)
        if horizon.first is not None:
            self.succession.note(horizon.first)
        return Begun(horizon)

    def _place(self, entry: Entry, log: Log) -> tuple[Admission, bool]:
        """Append a signed entry to its log, or let it wait; and whether it was kept. Only what is
        kept costs a token: nobody can use up an author's rate by repeating what it said.
        """
        self.changes += 1
        head = self._roster.get(entry.author)
        next_seq = head.seq + 1 if head else 1
        if entry.seq > next_seq:
            return self._wait(entry, log, next_seq)
        refused = self._check_place(entry, head)
        if refused is not None:
            return refused, refused.reason is Reason.BAD_CHAIN and self._keep(entry, log, next_seq)
        released: list[Entry] = []
        waiting: Entry | None = entry
        self._pending_bytes -= log.pending_bytes
        while waiting is not None:
            if self._check_place(waiting, head) is not None:
                log.wait(waiting)  # signed, and of another history: it waits for its twin
                break
            released.append(waiting)
            log.remember(waiting)
            self.succession.note(waiting)
            head = waiting.head
            waiting = log.take(waiting.seq + 1)
        if self.succession.retired(entry.author) is not None:
            log.forget_after(released[-1].seq)
        self._pending_bytes += log.pending_bytes
        self._roster.put(released[-1].head)
        for accepted in released:
            self._ids[accepted.id] = None
        while len(self._ids) > self.limits.recent_ids:
            del self._ids[next(iter(self._ids))]
        return Accepted(tuple(released)), True

    def _check_place(self, entry: Entry, head: Head | None) -> Refused | None:
        """Does the entry continue the log that ends in `head`? Its number is known to fit."""
        if head is not None and entry.prev != head.id:
            return Refused(Reason.BAD_CHAIN, f"entry {entry.seq} does not follow our {head.seq}")
        if head is not None and entry.hlc <= head.hlc:
            return Refused(Reason.BAD_CLOCK, f"the hlc of entry {entry.seq} does not grow")
        refusal = self.succession.refusal(entry)
        return Refused(*refusal) if refusal is not None else None

    def _wait(self, entry: Entry, log: Log, next_seq: int) -> tuple[Admission, bool]:
        """Keep an early entry if it is near the head and there is room; say what is missing."""
        kept = self._keep(entry, log, next_seq)
        early = (seq for seq in log.pending if seq > next_seq)
        first_waiting = min(early, default=entry.seq + 1)
        return Pending(next_seq, min(first_waiting - 1, entry.seq)), kept

    def _keep(self, entry: Entry, log: Log, next_seq: int) -> bool:
        """Keep a signed entry that can't be appended now: it is early, or of another history and
        the proof of a fork as soon as its twin comes.
        """
        near = entry.seq - next_seq <= self.limits.pending_per_author
        size_bytes = memory_bytes(entry)
        kept = near and self._pending_bytes + size_bytes <= self.limits.pending_bytes
        if kept:
            log.wait(entry)
            self._pending_bytes += size_bytes
        return kept

    def _again(self, entry: Entry) -> Admission:
        """An entry that is known. One that waits although its turn has come is still refused, so
        that the entry before is asked for again.
        """
        head = self._roster.get(entry.author)
        if head is None or entry.seq != head.seq + 1:
            return Duplicate()
        return self._check_place(entry, head) or Duplicate()

    def _freeze(self, proof: ForkProof, head: Head | None) -> None:
        author = proof.author
        self.changes += 1
        self._forks[author] = fork.merge(self._forks.get(author), proof)
        frozen_at = self._forks[author].frozen_at
        if not self._is_known(author):
            return
        log = self._logs.get(author) or self._open(author)
        self._pending_bytes -= log.pending_bytes
        log.forget_after(frozen_at)
        self._pending_bytes += log.pending_bytes
        old = self._roster.get(author)
        if old is None or old.seq <= frozen_at:
            return
        kept = log.recent.get(frozen_at)
        if frozen_at == 0:
            self._roster.drop(author)
        elif kept is not None:
            self._roster.put(kept.head)
        elif head is not None and head.author == author and head.seq == frozen_at:
            self._roster.put(head)
