"""The evidence that a node holds in memory, and what of it a vote cites.

Whoever writes most must not be heard most: an author that floods the ledger with entries of
evidence would else push out what all others said, first of memory and then of the citations, and
set every weight. So both are shared out by author:

    in memory   when there are too many entries, the author that has most loses its oldest one
    cited       in turns: next is the author of whom least was heard so far, counted in outcomes
                about the voters, faded, and not in entries, so that thick ones are no louder than
                thin ones; of each author what says most comes first; probes first, up to
                `MAX_CITED_PROBES`, then verdicts, up to `MAX_CITED` in all

Where of some authors as much was heard, a hash of the task's stamp and the author's key says who is
next. Nobody knows that stamp when it writes, so no key and no time of writing is better than
others.

Being many is what is left, and a key costs nothing. So an author is cited only once it was *met*:
it was connected to this node, and showed its invite then, or has worked for it before. Entries of
others are kept, as far as there is room, for when they are met. A reader of a receipt can't check
any of this: it is the conductor's care for its own answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from heapq import heapify, heappop, heappush, heapreplace

from ledger import Entry, Kind
from ledger.clock import physical_ms
from symphony.core import limits
from symphony.core.ids import EntryId, NodeId
from symphony.core.votes.evidence import (
    PROBE_MILLI,
    Skilled,
    Trial,
    counts_at,
    faded,
    is_evidence,
    trials_in,
)


class EvidenceBook:
    """The latest entries that hold evidence. Trials are read when first asked for. `met` are
    authors that count from the start.
    """

    def __init__(self, *met: NodeId) -> None:
        self._met = dict.fromkeys(met)
        self._entries: dict[EntryId, Entry] = {}
        self._by_author: dict[NodeId, dict[EntryId, None]] = {}
        self._trials: dict[EntryId, tuple[Trial, ...]] = {}
        self._unread: list[EntryId] = []
        self._by_agent: dict[tuple[NodeId, str], dict[EntryId, None]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def meet(self, *authors: NodeId) -> None:
        """These are members: what they said may be cited from now on."""
        for author in authors:
            if len(self._met) < limits.MAX_AUTHORS_MET:
                self._met[author] = None

    def learn(self, entry: Entry) -> None:
        """Take an accepted entry in; others go when there are too many."""
        key = EntryId(entry.id)
        if not is_evidence(entry) or entry.body is None or key in self._entries:
            return
        self._entries[key] = entry
        self._by_author.setdefault(NodeId(entry.author), {})[key] = None
        self._unread.append(key)
        if len(self._entries) > limits.MAX_EVIDENCE:
            self._thin()

    def of(self, ids: Iterable[bytes]) -> list[Entry]:
        """Those of these entries that are here."""
        found = (self._entries.get(EntryId(one)) for one in ids)
        return [entry for entry in found if entry is not None]

    def drop(self, author: bytes) -> None:
        """Forget what an author said whose log is forked."""
        for key in list(self._by_author.get(NodeId(author), ())):
            self._forget(key)

    def cited(self, voters: Collection[Skilled], before: int) -> tuple[Entry, ...]:
        """The entries to weigh these voters by, in a task that began at this stamp; newest first,
        probes before verdicts.
        """
        self._read()
        at_ms = physical_ms(before)
        keys = {key for node, agent, _ in voters for key in self._by_agent.get((node, agent), ())}
        found = [self._entries[key] for key in keys]
        usable = [
            entry
            for entry in found
            if entry.author in self._met and entry.hlc < before and counts_at(entry, at_ms)
        ]
        about = {(node, agent) for node, agent, _ in voters}
        worth = {entry: self._worth(entry, about, at_ms) for entry in usable}
        probes = {entry: said for entry, said in worth.items() if entry.kind == Kind.PROBE}
        verdicts = {entry: said for entry, said in worth.items() if entry.kind == Kind.VERDICT}
        found = in_turns(probes, limits.MAX_CITED_PROBES, before)
        return (*found, *in_turns(verdicts, limits.MAX_CITED - len(found), before))

    def _worth(self, entry: Entry, about: Collection[tuple[NodeId, str]], at_ms: int) -> int:
        """How much an entry says of these agents, faded, in thousandths of an outcome."""
        said = sum((trial.node, trial.agent) in about for trial in self._trials[EntryId(entry.id)])
        return faded(said * PROBE_MILLI, at_ms - physical_ms(entry.hlc))

    def _read(self) -> None:
        unread, self._unread = self._unread, []
        for key in unread:
            entry = self._entries.get(key)
            if entry is None:
                continue
            self._trials[key] = trials_in(entry)
            for trial in self._trials[key]:
                self._by_agent.setdefault((trial.node, trial.agent), {})[key] = None

    def _thin(self) -> None:
        """Make room for a while: strangers' entries go first, then those of who has most, the
        oldest first.
        """
        shares = [
            (author in self._met, -len(keys), at, author)
            for at, (author, keys) in enumerate(self._by_author.items())
        ]
        heapify(shares)
        while len(self._entries) > limits.MAX_EVIDENCE - limits.EVIDENCE_ROOM:
            met, most, at, author = shares[0]
            self._forget(next(iter(self._by_author[author])))
            if most == -1:
                heappop(shares)
            else:
                heapreplace(shares, (met, most + 1, at, author))
        self._unread = [key for key in self._unread if key in self._entries]

    def _forget(self, key: EntryId) -> None:
        author = NodeId(self._entries.pop(key).author)
        mine = self._by_author[author]
        del mine[key]
        if not mine:
            del self._by_author[author]
        for who in {(trial.node, trial.agent) for trial in self._trials.pop(key, ())}:
            about = self._by_agent[who]
            del about[key]
            if not about:
                del self._by_agent[who]


def in_turns(worth: Mapping[Entry, int], most: int, before: int) -> list[Entry]:
    """At most so many of these entries, by author in turns, each worth so much; the newest first of
    what was chosen.
    """
    by_author: dict[bytes, list[Entry]] = {}
    for entry in sorted(worth, key=lambda entry: (worth[entry], entry.hlc, entry.id)):
        by_author.setdefault(entry.author, []).append(entry)
    stamp = before.to_bytes(8, "big")
    heard = [(0, _lot(stamp, author), author) for author in by_author]
    heapify(heard)
    chosen: list[Entry] = []
    while heard and len(chosen) < most:
        so_far, lot, author = heappop(heard)
        entry = by_author[author].pop()
        chosen.append(entry)
        if by_author[author]:
            heappush(heard, (so_far + worth[entry], lot, author))
    return sorted(chosen, key=lambda entry: (-entry.hlc, entry.id))


def _lot(stamp: bytes, author: bytes) -> bytes:
    return hashlib.sha256(b"symphony/cited/1\x00" + stamp + author).digest()
