"""May this node append to its own log? Not before it knows where that log ends.

The common real fork is nobody's malice: a data directory that was restored from a backup, or a
database that came back shorter after a power cut. Its owner goes on from an old end, signs a
second entry of some number, and the log is frozen for ever. So after a start

    asking   the node asks the peers that it meets for the end of its log; whoever has more of
             it is asked for the rest, which carries our own signature, and we go on from there
    open     three peers have answered (or all there are), nobody has more, and the log is at
             least as long as the high-water mark that was written before anything was spoken. In
             a directory that is a copy, all that are known must answer, or the time be up: the
             few that come first may be those that did not hear what was said last
    closed   the time is up and nobody answered: the node reads and serves, but does not append
             until one peer has answered, or until its owner says to go on unasked
    short    the time is up and the log is shorter than the mark, or than what a peer has seen of
             it, and nobody can fill the gap
    forked   there is a proof that this log has two entries of one number: never again
    retired  this key handed the log over to its successor: never again

An open log is closed again, and all peers are asked anew, when an entry of it comes that is not in
it: an earlier life wrote more than anybody who answered knew of.

A node whose key was just made, and one that knows of no other node, is open at once.
"""

from __future__ import annotations

from typing import Literal

from ledger import check_entry, parse_entry
from ledger.errors import InvalidEntry, LedgerError
from symphony.core import limits
from symphony.core.effects import Reject
from symphony.core.events import (
    OwnLogChecked,
    OwnLogForked,
    OwnLogRetired,
    OwnLogShort,
    OwnLogUnconfirmed,
)
from symphony.core.ids import NodeId
from symphony.core.inputs import (
    AgentsChanged,
    Cancel,
    Heard,
    Input,
    OwnLogMark,
    Probe,
    Revoke,
    Submit,
    TimerFired,
)
from symphony.core.logs.journal import Journal
from symphony.core.logs.last_entries import LastEntries
from symphony.core.messages import Beacon, HeadAsked, HeadTold, Work
from symphony.core.outbox import Outbox
from symphony.core.timers import AskingOver, CapabilitiesDue

NOTHING = bytes(32)
"""Stands for the id of the last entry of an empty log."""

State = Literal["open", "asking", "closed", "short", "forked", "retired"]


class Gate:
    """The gate before the own log. It changes its state in `settle` only."""

    def __init__(self, journal: Journal, out: Outbox) -> None:
        self._journal = journal
        self._out = out
        self.telling = LastEntries(journal, out)
        """What this node tells others of the ends of their logs."""
        self._mark = OwnLogMark()
        self._met: set[NodeId] = set()
        self._answers: dict[NodeId, int] = {}
        self._held: list[Input] = []
        self._waited = False
        self._seen = 0
        self._until_ms = 0
        self._ticking = False
        self._looked = -1
        """What the book had taken in when an open log was last looked at."""
        self.state: State = "open"

    def may_append(self) -> bool:
        book, me = self._journal.book, self._journal.me
        over = book.frozen_at(me) is not None or book.succession.retired(me) is not None
        return self.state == "open" and not over and self._used() <= self.seq

    @property
    def code(self) -> str:
        """The code of `symphony.errors` for what can't be done because the gate is shut."""
        return "ledger_invalid" if self.state in ("forked", "retired", "short") else "unreachable"

    @property
    def why(self) -> str:
        """Why the gate is shut, for people."""
        match self.state:
            case "forked":
                return "this node's log is forked; it must go on under a new key"
            case "retired":
                return "this node's key was retired; the node goes on under its successor"
            case "short":
                return "this node's log lost entries that were spoken already, and no peer has them"
            case _:
                return "no peer has confirmed yet where this node's log ends"

    def holds_back(self, happened: Input) -> bool:
        """Would this input make the node write? Then it waits until the gate opens, or comes to
        nothing. Work and beacons are simply not heard: whoever sent them asks elsewhere.
        """
        if self.state == "open":
            return False
        match happened:
            case Submit() | Cancel() | Revoke() | AgentsChanged():
                waits = self.state == "asking" or not isinstance(happened, Submit | Cancel)
                if waits and len(self._held) < limits.HELD_INPUTS:
                    self._held.append(happened)
                return True
            case TimerFired(CapabilitiesDue()):
                self._out.timer(CapabilitiesDue(), limits.CAPABILITY_LIFETIME_MS // 2)
                return True
            case Probe() | Heard(_, Beacon() | Work()):
                return True
            case _:
                return False

    def release(self) -> list[Input]:
        """What was held back, in order; as long as the gate is shut it is held back again."""
        held, self._held = self._held, []
        return held

    @property
    def seq(self) -> int:
        """Where our log ends here; 0 if it is empty."""
        head = self._journal.book.head(self._journal.me)
        return head.seq if head else 0

    def start(self, mark: OwnLogMark) -> None:
        """The node has started with this mark beside its database."""
        self._mark = mark
        if mark.known_peers or self.seq < mark.seq:
            self.state = "asking"
            self._wait()

    def greet(self, peer: NodeId) -> None:
        """Ask a peer that was just met."""
        self._met.add(peer)
        if self.state in ("asking", "closed"):
            self._ask(peer)

    def _ask(self, peer: NodeId) -> None:
        head = self._journal.book.head(self._journal.me)
        self._out.send(peer, HeadAsked(self.seq, head.id if head else NOTHING))

    def _wait(self) -> None:
        """Give everybody the time to answer, from now on."""
        self._waited, self._seen = False, self.seq
        self._until_ms = self._out.now_ms + limits.ASKING_MS
        self._tick()

    def _tick(self) -> None:
        if not self._ticking:
            self._ticking = True
            self._out.timer(AskingOver(), self._until_ms - self._out.now_ms)

    def told(self, peer: NodeId, message: HeadTold) -> None:
        """A peer's answer. What it has beyond ours is fetched; what contradicts ours as well, so
        that the proof of the fork is found.
        """
        if self.state not in ("asking", "closed"):
            return
        try:
            seq, entry_id = self._shown(message.entry)
        except LedgerError as error:
            self._out.do(Reject(peer, f"head_told: {error}"))
            return
        self._answers[peer] = seq
        me = self._journal.me
        ours = self._journal.book.recent_id(me, seq)
        if seq > self.seq:
            self._journal.want(peer, me, self.seq + 1, seq)
            if self._waited:  # it came late, and is given as much time as the others had
                self._wait()
        elif ours is not None and ours != entry_id:
            self._journal.want(peer, me, seq, seq)

    def _shown(self, raw: bytes) -> tuple[int, bytes]:
        """Number and id of the entry of ours that a peer shows. Raises `LedgerError` if it is
        none: nobody can say that our log is longer than we made it.
        """
        if not raw:
            return 0, NOTHING
        entry = parse_entry(raw)
        if entry.author != self._journal.me:
            raise InvalidEntry("an entry of another log")
        check_entry(entry, self._journal.swarm_id, self._journal.verify)
        return entry.seq, entry.id

    def lost(self, peer: NodeId) -> None:
        """A peer that is gone can't hand over what it promised."""
        self._met.discard(peer)
        self._answers.pop(peer, None)

    def time_is_up(self) -> None:
        """Nobody is waited for any longer, unless entries are still coming in. Who has not
        answered is asked again: a question may get lost on a link that stands.
        """
        self._ticking = False
        if self.state not in ("asking", "closed"):
            return
        if self._out.now_ms < self._until_ms:
            self._tick()
            return
        coming = self.seq > self._seen
        self._wait()
        self._waited = not coming
        for peer in sorted(self._met - self._answers.keys()):
            self._ask(peer)

    def settle(self) -> bool:
        """Look at everything that is known by now. True if the state changed. It is asked after
        every input; an open log is shut only by something that the book took in.
        """
        before, changes = self.state, self._journal.book.changes
        if before == "open" and self._looked == changes:
            return False
        self._looked = changes
        frozen_at = self._journal.book.frozen_at(self._journal.me)
        if frozen_at is not None:
            self.state = "forked"
        elif self._journal.book.succession.retired(self._journal.me) is not None:
            self.state = "retired"
        elif before in ("asking", "closed"):
            self.state = self._judge()
        elif before == "open" and self._used() > self.seq:
            self._ask_anew()
        if self.state == before:
            return False
        match self.state:
            case "open":
                self._out.tell(OwnLogChecked(self.seq, len(self._answers)))
            case "closed":
                self._out.tell(OwnLogUnconfirmed(self.seq))
            case "short":
                self._out.tell(OwnLogShort(self.seq, self._longest()))
            case "forked":
                self._out.tell(OwnLogForked((frozen_at or 0) + 1))
            case "retired":
                self._out.tell(OwnLogRetired(self.seq))
            case "asking":
                pass
        return True

    def _ask_anew(self) -> None:
        """An entry of ours came that we do not have: an earlier life said more than we know."""
        self.state = "asking"
        self._answers.clear()
        self._wait()
        for peer in sorted(self._met):
            self._ask(peer)

    def _used(self) -> int:
        """The highest number of an entry of ours that ever came here."""
        furthest = self._journal.book.furthest(self._journal.me)
        return furthest[0] if furthest else 0

    def _longest(self) -> int:
        """The highest number that our log is known to have used."""
        return max(self._mark.seq, self._used(), *self._answers.values(), 0)

    def _judge(self) -> State:
        """Asking, or closed: what now?"""
        answered = len(self._answers)
        wanted = self._mark.known_peers
        if self._mark.unasked or not self._mark.seq:
            wanted = min(limits.PEERS_ASKED, wanted)
        if self.seq >= self._longest():
            if answered >= wanted or (self._waited and answered):
                return "open"
            if self._waited:
                return "open" if self._mark.unasked else "closed"
        elif self._waited:
            return "short"
        return self.state
