"""The grounds of a live vote: from entries of the ledger to the evidence on its voters.

The conductor keeps the latest entries of evidence in memory (`EvidenceBook`). For a vote it cites
those that speak of the voters, probes first, then the newest, at most `MAX_CITED`; the verdict
names them and the receipt holds them, so that a reader computes the same weights (`grounds_of`).
Only entries from before the task count, at the age that they had when it was submitted: the
weights are fixed before the ballots. What the conductor leaves out can't be seen in a receipt.

A voter's evidence is that of the skill it was asked for, and half of what is known of it in
others: models that are good at one thing mostly are at another, and little is known of most.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable

from ledger import Entry, Kind
from ledger.clock import physical_ms
from symphony.core import limits
from symphony.core.evidence import (
    Counts,
    Skilled,
    Trial,
    counts_at,
    is_evidence,
    summed,
    trials_in,
)
from symphony.core.ids import EntryId, NodeId
from symphony.core.records import Rule
from symphony.core.weighing import NO_CAPS, Caps, Evidence, Grounds

EVIDENT: frozenset[Rule] = frozenset({"reliability"})
"""Rules that rest on evidence."""
_CAPPED: frozenset[Rule] = frozenset({"reliability", "confidence", "ranked"})
"""`match` and `majority` stay what they are elsewhere: every chain has its own weight."""


def agent_key(node: bytes, agent: str) -> str:
    """The name of an agent among all nodes', as `weighing` wants it."""
    return f"{node.hex()}/{agent}"


def grounds_of(
    rule: Rule, cited: Iterable[Entry], voters: Collection[Skilled], at_ms: int
) -> Grounds:
    """What is known of these voters from the cited entries at a moment, and the caps."""
    caps = Caps() if rule in _CAPPED else NO_CAPS
    counts = summed((t for entry in cited for t in trials_in(entry)), at_ms)
    evidence: dict[str, Evidence] = {}
    for node, agent, skill in voters:
        found = Counts()
        for (other_node, other_agent, other_skill), part in counts.items():
            if (other_node, other_agent) == (node, agent):
                found += part if other_skill == skill else _half(part)
        if found != Counts():
            key = agent_key(node, agent)
            evidence[key] = Evidence(found.right_milli, found.wrong_milli)
    return Grounds(evidence=evidence, caps=caps)


def _half(counts: Counts) -> Counts:
    return Counts(counts.right_milli // 2, counts.wrong_milli // 2)


class EvidenceBook:
    """The latest entries that hold evidence, as they came. Trials are read when first asked for."""

    def __init__(self) -> None:
        self._entries: OrderedDict[EntryId, Entry] = OrderedDict()
        self._trials: dict[EntryId, tuple[Trial, ...]] = {}
        self._unread: list[EntryId] = []
        self._by_agent: dict[tuple[NodeId, str], dict[EntryId, None]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def learn(self, entry: Entry) -> None:
        """Take an accepted entry in; the oldest one goes when there are too many."""
        if not is_evidence(entry) or entry.body is None:
            return
        key = EntryId(entry.id)
        self._entries[key] = entry
        self._unread.append(key)
        if len(self._entries) > limits.MAX_EVIDENCE:
            oldest, _ = self._entries.popitem(last=False)
            for trial in self._trials.pop(oldest, ()):
                about = self._by_agent.get((trial.node, trial.agent), {})
                about.pop(oldest, None)

    def drop(self, author: bytes) -> None:
        """Forget what an author said whose log is forked."""
        for key in [key for key, entry in self._entries.items() if entry.author == author]:
            del self._entries[key]
            self._trials.pop(key, None)

    def cited(self, voters: Collection[Skilled], before: int) -> tuple[Entry, ...]:
        """The entries to weigh these voters by, in a task that began at this stamp."""
        self._read()
        at_ms = physical_ms(before)
        keys = {
            key
            for node, agent, _ in voters
            for key in self._by_agent.get((node, agent), ())
            if key in self._entries
        }
        found = [self._entries[key] for key in keys]
        usable = [e for e in found if e.hlc < before and counts_at(e, at_ms)]
        usable.sort(key=lambda e: (e.kind != Kind.PROBE, -e.hlc, e.id))
        return tuple(usable[: limits.MAX_CITED])

    def _read(self) -> None:
        unread, self._unread = self._unread, []
        for key in unread:
            entry = self._entries.get(key)
            if entry is None:
                continue
            self._trials[key] = trials_in(entry)
            for trial in self._trials[key]:
                self._by_agent.setdefault((trial.node, trial.agent), {})[key] = None
