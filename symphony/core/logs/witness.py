"""Checkpoints of the own log, and cosignatures under those of others.

Every 64 own entries, or a minute after the first, a node writes a checkpoint: the Merkle root of
its log so far. When somebody fetches a receipt that has no seal yet, it does so at once, though
not more often than every few seconds: a checkpoint costs three peers an entry and the swarm some
gossip messages, which is too much for every verdict and little for one that is to be shown.

It shows the checkpoint to three random peers. A peer that holds the log as far, and finds the
same root over its own copy, writes that down in its own log (`ledger.checkpoint` has the rules)
and sends it: stored before it is sent, like every entry. One entry cosigns all that was asked for
within a second.

The edge hashes: `HashLog` asks for a root, `LogHashed` brings it. What was cosigned last is
learned from our own cosign entries. They need not be read back at a start: whatever is in the
database can't contradict itself, because it only grows; and what was lost from it comes back
with our own log before we may append again, cosignatures included.

Checkpoints and cosignatures are no news: otherwise they would call for one another for ever.
"""

from __future__ import annotations

from collections.abc import Callable

from ledger import (
    Checkpoint,
    Entry,
    Kind,
    encode_cosign,
    may_cosign,
    parse_checkpoint,
    parse_cosign,
)
from ledger.errors import InvalidEntry
from ledger.limits import MAX_COSIGNED
from symphony.core import limits
from symphony.core.chance import Chance, jittered
from symphony.core.effects import HashLog, Reject
from symphony.core.ids import NodeId
from symphony.core.inputs import LogHashed
from symphony.core.logs.journal import Journal
from symphony.core.messages import CosignAsked, Entries
from symphony.core.outbox import Outbox
from symphony.core.timers import CheckpointDue, CosignDue


class Witness:
    """Both roles: the author of one log, and a witness of the others'."""

    def __init__(
        self,
        journal: Journal,
        out: Outbox,
        chance: Chance,
        may_append: Callable[[], bool],
        trusted: Callable[[], frozenset[NodeId]],
    ) -> None:
        self._journal = journal
        self._out = out
        self._chance = chance
        self._may_append = may_append
        self._trusted = trusted
        self._news = 0
        self._soon = False
        self._sealed_ms = -limits.SEAL_AGAIN_MS
        self._last: dict[bytes, Checkpoint] = {}
        self._asked: dict[bytes, tuple[Checkpoint, int]] = {}
        self._hashing: dict[bytes, Checkpoint] = {}
        self._ready: dict[bytes, Checkpoint] = {}
        self._latest_entry: Entry | None = None
        self.latest: Checkpoint | None = None
        """The newest checkpoint of our own log in this life."""
        self.cosigners: frozenset[NodeId] = frozenset()
        """Who cosigned it."""

    def accepted(self, entry: Entry) -> None:
        """An entry was added to a log, ours or another's."""
        if entry.kind == Kind.COSIGN:
            self._note(entry)
        elif entry.author == self._journal.me and entry.kind != Kind.CHECKPOINT:
            self._news += 1
            if self._news == 1:
                self._wait()
            elif self._news >= limits.CHECKPOINT_ENTRIES:
                self._seal()

    def _note(self, entry: Entry) -> None:
        """Remember what we cosigned, and who cosigned our latest checkpoint."""
        try:
            claims = parse_cosign(entry)
        except InvalidEntry:
            return  # signed nonsense: it stays in its author's log and means nothing
        if entry.author == self._journal.me:
            for claim in claims:
                self._last.pop(claim.author, None)
                self._last[claim.author] = claim
            while len(self._last) > limits.MAX_WITNESSED:
                del self._last[next(iter(self._last))]
        elif self.latest in claims:
            self.cosigners |= {NodeId(entry.author)}

    # --- the author ---------------------------------------------------------------------------

    def checkpoint_due(self) -> None:
        """Seal what was written; later, if we may not append yet."""
        if self._news and not self._may_append():
            self._wait()
        self._seal()

    def wanted(self) -> None:
        """Somebody wants to show what was written: seal it as soon as it may be. If that is done
        and witnesses are lacking, others are asked.
        """
        if self.latest is None and not self._news:
            self._news = 1  # what a life before this one wrote last may not be sealed
        in_ms = self._sealed_ms + limits.SEAL_AGAIN_MS - self._out.now_ms
        if self._news and not self._soon:
            self._soon = True
            self._out.timer(CheckpointDue(), max(0, in_ms))
        elif not self._news and in_ms <= 0:
            self._show()

    def _wait(self) -> None:
        self._out.timer(CheckpointDue(), jittered(self._chance, limits.CHECKPOINT_EVERY_MS))

    def _seal(self) -> None:
        """Have our own log hashed, if anything was written since the last time."""
        head = self._journal.book.head(self._journal.me)
        if self._news and head is not None and self._may_append():
            self._news, self._soon = 0, False
            self._sealed_ms = self._out.now_ms
            self._out.do(HashLog(self._journal.me, head.seq))

    def _checkpoint(self, size: int, root: bytes) -> None:
        """Write the checkpoint, and show it to a few."""
        me = self._journal.me
        self.latest, self.cosigners = Checkpoint(me, size, root), frozenset()
        self._latest_entry = self._journal.write(Kind.CHECKPOINT, self.latest.encode())
        self._show()

    def _show(self) -> None:
        """Show the newest checkpoint to as many more as there are witnesses lacking."""
        if self._latest_entry is None:
            return
        self._sealed_ms = self._out.now_ms
        peers = sorted(self._trusted() - {self._journal.me} - self.cosigners)
        lacking = max(0, limits.WITNESSES - len(self.cosigners))
        for peer in self._chance.sample(peers, min(lacking, len(peers))):
            self._out.send(peer, CosignAsked(self._latest_entry.encode()))

    # --- the witness --------------------------------------------------------------------------

    def asked(self, peer: NodeId, raw: bytes) -> None:
        """A peer shows a checkpoint of its log. It is looked at a second later, with others."""
        entry = self._journal.take_signed(peer, raw)
        if entry is None:
            return
        try:
            claim = parse_checkpoint(entry)
        except InvalidEntry as error:
            self._out.do(Reject(peer, f"checkpoint: {error}"))
            return
        if claim.author != peer or self._journal.book.frozen_at(peer) is not None:
            self._out.do(Reject(peer, "checkpoint: not of the peer's own, honest log"))
            return
        last = self._last.get(peer)
        full = len(self._asked) >= limits.MAX_COSIGNS_WAITING and peer not in self._asked
        if full or claim == last or (last is not None and claim.size < last.size):
            return
        if not self._asked:
            self._out.timer(CosignDue(), limits.COSIGN_AFTER_MS)
        self._asked[peer] = (claim, limits.COSIGN_TRIES)

    def cosign_due(self) -> None:
        """Have those logs hashed that are here; wait some more for the rest of the others."""
        waiting, self._asked = self._asked, {}
        for author, (claim, tries) in waiting.items():
            head = self._journal.book.head(author)
            if head is not None and head.seq >= claim.size:
                self._hashing[author] = claim
                last = self._last.get(author)
                if last is not None and last.size < claim.size:
                    self._out.do(HashLog(NodeId(author), last.size))
                self._out.do(HashLog(NodeId(author), claim.size))
            elif tries > 1:
                self._asked[author] = (claim, tries - 1)
        if self._asked:
            self._out.timer(CosignDue(), limits.COSIGN_AFTER_MS)

    def hashed(self, found: LogHashed) -> None:
        """The root of a log, over our own copy of it."""
        if found.author == self._journal.me:
            if found.root is not None and self._may_append():
                self._checkpoint(found.size, found.root)
            return
        claim, last = self._hashing.get(found.author), self._last.get(found.author)
        if claim is None:
            return
        if claim.size == found.size:
            del self._hashing[found.author]
            try:
                if may_cosign(last, claim, found.root):
                    self._ready[found.author] = claim
            except InvalidEntry as error:
                self._out.do(Reject(found.author, f"checkpoint: {error}"))
        elif last is not None and last.size == found.size and found.root not in (None, last.root):
            del self._hashing[found.author]
            self._out.do(Reject(found.author, "checkpoint: of another history than the last one"))
        if not self._hashing and self._ready:
            self._cosign()

    def _cosign(self) -> None:
        """Write what holds into our own log, and tell those whom it is about."""
        ready, self._ready = list(self._ready.values()), {}
        if not self._may_append():
            return
        honest = [c for c in ready if self._journal.book.frozen_at(c.author) is None]
        for first in range(0, len(honest), MAX_COSIGNED):
            claims = honest[first : first + MAX_COSIGNED]
            entry = self._journal.write(Kind.COSIGN, encode_cosign(claims))
            for peer in sorted(self._trusted() & {claim.author for claim in claims}):
                self._out.send(NodeId(peer), Entries((entry.encode(),)))
