"""What the ledger says about how often an agent is right: trials, and how they fade.

Two kinds of entries hold evidence:

    probe     somebody asked a question with a known answer; each outcome counts as one trial
    verdict   several agents voted; who voted with the winner agreed with it, which counts little
              (`AGREEMENT_MILLI`), because it rewards going with the herd

Nobody is a witness in its own cause: what an author says of its own agents is left out, and of
another's skill no author's word weighs more than `MAX_OF_AUTHOR_MILLI`. A trial fades by half in
seven days, in whole hours and integers, so that all nodes get the same numbers. What was said
before a window counts no more; the windows end before the bodies of such entries may be dropped,
so that nobody lacks what somebody else still counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ledger import Entry, Kind
from ledger.clock import physical_ms
from ledger.errors import DecodeError
from symphony.core import limits
from symphony.core.ids import EntryId, NodeId
from symphony.core.records import PROBE, VERDICT, ProbeRecord, VerdictRecord

PROBE_MILLI = 1_000
"""A known answer: one whole trial."""
AGREEMENT_MILLI = 50
"""Agreement with a verdict: twenty of them count as one known answer."""
MAX_OF_AUTHOR_MILLI = 30_000
"""No author's word about one skill of one agent weighs more than thirty trials."""
HALF_LIFE_HOURS = 7 * 24
_HOUR_MS = 3600 * 1000
_SCALE = 10**12
_FADE_OF_AN_HOUR = 995_882_623_658  # 2^(-1/168) in units of 10^-12, rounded down


@dataclass(frozen=True, slots=True)
class Trial:
    """One agent was right or wrong once, in one of its skills, as `author` says at `at_ms`."""

    node: NodeId
    agent: str
    skill: str
    right: bool
    milli: int
    author: NodeId
    at_ms: int
    probed: bool
    entry: EntryId


@dataclass(frozen=True, slots=True)
class Counts:
    """Right and wrong trials of one agent in one skill, faded, in thousandths; no prior in it."""

    right_milli: int = 0
    wrong_milli: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.right_milli + other.right_milli, self.wrong_milli + other.wrong_milli)


Skilled = tuple[NodeId, str, str]
"""A node, its agent, and one of the agent's skills."""


def is_evidence(entry: Entry) -> bool:
    return entry.kind in (Kind.PROBE, Kind.VERDICT)


def window_ms(entry: Entry) -> int:
    """How long this entry counts."""
    probed = entry.kind == Kind.PROBE
    return limits.PROBE_WINDOW_MS if probed else limits.AGREEMENT_WINDOW_MS


def counts_at(entry: Entry, at_ms: int) -> bool:
    """Does what this entry says count at that time?"""
    said_ms = physical_ms(entry.hlc)
    return said_ms <= at_ms < said_ms + window_ms(entry)


def trials_in(entry: Entry) -> tuple[Trial, ...]:
    """The trials that an entry speaks of; none for other entries, and for signed nonsense."""
    if entry.body is None or not is_evidence(entry):
        return ()
    try:
        if entry.kind == Kind.PROBE:
            return tuple(_probed(PROBE.decode(entry.body), entry))
        return tuple(_agreed(VERDICT.decode(entry.body), entry))
    except DecodeError:
        return ()


@dataclass(frozen=True, slots=True)
class PastVote:
    """What an agent voted for in a task that is over: the digest of its answer's class."""

    node: NodeId
    agent: str
    answer: bytes


def votes_in(entry: Entry) -> tuple[PastVote, ...]:
    """The votes in a verdict entry, the last one of an agent that cast several; none in others."""
    if entry.kind != Kind.VERDICT or entry.body is None:
        return ()
    try:
        record = VERDICT.decode(entry.body)
    except DecodeError:
        return ()
    return tuple(PastVote(NodeId(b.owner), b.agent, b.answer) for b in record.ballots)


def _probed(record: ProbeRecord, entry: Entry) -> Iterator[Trial]:
    told = ((NodeId(o.node), o.agent, o.skill, o.right) for o in record.outcomes)
    return _trials(entry, PROBE_MILLI, told)


def _agreed(record: VerdictRecord, entry: Entry) -> Iterator[Trial]:
    """Of a vote that was won: at least three ballots, and more than one for the winner."""
    classes = [ballot.answer for ballot in record.ballots]
    won = record.outcome == "answered" and len(classes) >= 3 and record.winner is not None
    if not won or classes.count(record.winner or b"") < 2:
        return iter(())
    told = ((NodeId(b.owner), b.agent, b.skill, b.answer == record.winner) for b in record.ballots)
    return _trials(entry, AGREEMENT_MILLI, told)


def _trials(
    entry: Entry, milli: int, told: Iterable[tuple[NodeId, str, str, bool]]
) -> Iterator[Trial]:
    author, at_ms, key = NodeId(entry.author), physical_ms(entry.hlc), EntryId(entry.id)
    probed = entry.kind == Kind.PROBE
    for node, agent, skill, right in told:
        if node != author:  # what it says of its own agents does not count
            yield Trial(node, agent, skill, right, milli, author, at_ms, probed, key)


def faded(milli: int, age_ms: int) -> int:
    """What is left of a trial after this time, rounded down."""
    halves, hours = divmod(age_ms // _HOUR_MS, HALF_LIFE_HOURS)
    return (milli * _share(hours) // _SCALE) >> halves


@lru_cache(maxsize=HALF_LIFE_HOURS)
def _share(hours: int) -> int:
    """2^(-hours/168) in units of 10^-12."""
    share, base = _SCALE, _FADE_OF_AN_HOUR
    while hours:
        if hours & 1:
            share = share * base // _SCALE
        base = base * base // _SCALE
        hours >>= 1
    return share


def sums_by_author(
    trials: Iterable[Trial], at_ms: int
) -> Mapping[tuple[Skilled, NodeId], Sequence[int]]:
    """What each author says of each agent and skill at a time: right and wrong, in thousandths,
    faded and not capped yet.
    """
    by_author: dict[tuple[Skilled, NodeId], list[int]] = {}
    worth: dict[tuple[int, int], int] = {}  # all trials of an entry are of one age
    for trial in trials:
        key = (trial.node, trial.agent, trial.skill), trial.author
        aged = trial.milli, trial.at_ms
        left = worth.get(aged)
        if left is None:
            left = worth[aged] = faded(trial.milli, at_ms - trial.at_ms)
        sums = by_author.get(key)
        if sums is None:
            sums = by_author[key] = [0, 0]
        sums[not trial.right] += left
    return by_author


def capped(said: Sequence[int], most_milli: int) -> Counts:
    """One author's word, right and wrong, scaled down to a sum of `most_milli` at the most."""
    total = sum(said)
    most = min(most_milli, total)
    right, wrong = (part * most // (total or 1) for part in said)
    return Counts(right, wrong)


def summed(trials: Iterable[Trial], at_ms: int) -> Mapping[Skilled, Counts]:
    """The counts of every agent and skill at a time, whatever order the trials come in."""
    counts: dict[Skilled, Counts] = {}
    for (skilled, _), said in sums_by_author(trials, at_ms).items():
        counts[skilled] = counts.get(skilled, Counts()) + capped(said, MAX_OF_AUTHOR_MILLI)
    return counts
