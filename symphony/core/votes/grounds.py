"""The grounds of a live vote: from entries of the ledger to the evidence on its voters.

The conductor keeps the latest entries of evidence in memory (`EvidenceBook`). For a vote it cites
those that speak of the voters, the newest `MAX_CITED_PROBES` probes and then verdicts, at most
`MAX_CITED` in all; the verdict names them and the receipt holds them, so that a reader computes
the same weights (`grounds_of`). Only entries from before the task count, at the age that they had
when it was submitted: the weights are fixed before the ballots. What the conductor leaves out
can't be seen in a receipt.

Verdicts also tell how often two voters agreed when both had voted, whoever was right: that is
what gives away an echo (`weighing.resemblance`), and how many independent votes there are.

A voter's evidence is that of the skill it was asked for, and half of what is known of it in
others: models that are good at one thing mostly are at another, and little is known of most.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable
from itertools import combinations

from ledger import Entry, Kind
from ledger.clock import physical_ms
from symphony.core import limits
from symphony.core.ids import EntryId, NodeId
from symphony.core.records import Rule
from symphony.core.votes.evidence import (
    PROBE_MILLI,
    Counts,
    Skilled,
    Trial,
    counts_at,
    faded,
    is_evidence,
    summed,
    trials_in,
    votes_in,
)
from symphony.core.weighing import Agreement, Caps, Comparison, Evidence, Grounds
from symphony.core.weighing.resemblance import pair

EVIDENT: frozenset[Rule] = frozenset({"reliability", "ranked"})
"""Rules that rest on evidence: of the voters, or of the judges."""
AWAITING: frozenset[Rule] = frozenset({"match", "majority", "reliability"})
"""Rules whose weights hang together, and are known as soon as all owners are."""


def agent_key(node: bytes, agent: str) -> str:
    """The name of an agent among all nodes', as `weighing` wants it."""
    return f"{node.hex()}/{agent}"


def grounds_of(
    cited: Iterable[Entry],
    voters: Collection[Skilled],
    at_ms: int,
    comparisons: tuple[Comparison, ...] = (),
) -> Grounds:
    """What is known of these voters (and judges) from the cited entries at a moment, what judges
    said, and the caps.
    """
    cited = list(cited)
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
    agents = {(node, agent) for node, agent, _ in voters}
    agreement = agreement_of(cited, agents, at_ms)
    return Grounds(evidence, agreement, comparisons, Caps())


def agreement_of(
    cited: Iterable[Entry], agents: Collection[tuple[NodeId, str]], at_ms: int
) -> dict[tuple[str, str], Agreement]:
    """How often each two of these agents voted in one task, and how often alike; faded like all
    evidence. What an author says of its own agents does not count.
    """
    sums: dict[tuple[str, str], list[int]] = {}
    for entry in cited:
        weight = faded(PROBE_MILLI, at_ms - physical_ms(entry.hlc))
        said = {(v.node, v.agent): v.answer for v in votes_in(entry) if v.node != entry.author}
        seen = sorted((agent_key(*who), said[who]) for who in said.keys() & agents)
        for (left, left_said), (right, right_said) in combinations(seen, 2):
            both = sums.setdefault(pair(left, right), [0, 0])
            both[0] += weight
            both[1] += weight if left_said == right_said else 0
    return {names: Agreement(together, agreed) for names, (together, agreed) in sums.items()}


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

    def of(self, ids: Iterable[bytes]) -> list[Entry]:
        """Those of these entries that are here."""
        found = (self._entries.get(EntryId(one)) for one in ids)
        return [entry for entry in found if entry is not None]

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
        usable.sort(key=lambda e: (-e.hlc, e.id))
        probes = [e for e in usable if e.kind == Kind.PROBE][: limits.MAX_CITED_PROBES]
        verdicts = [e for e in usable if e.kind == Kind.VERDICT]
        return tuple([*probes, *verdicts][: limits.MAX_CITED])

    def _read(self) -> None:
        unread, self._unread = self._unread, []
        for key in unread:
            entry = self._entries.get(key)
            if entry is None:
                continue
            self._trials[key] = trials_in(entry)
            for trial in self._trials[key]:
                self._by_agent.setdefault((trial.node, trial.agent), {})[key] = None
