"""Reputation: what a ledger prefix says of every agent, the same bytes wherever it is computed.

A pure function of entries and one moment: the prefix *at a checkpoint* holds the entries of all
logs that are stamped no later than the checkpoint (stamps grow within a log, so it is a prefix
of each). For each agent and skill there is a Beta posterior with the prior Beta(1, 1), from the
faded counts of `evidence`, and of it the lower bound of a one-sided 95 % interval, by the normal
approximation and in integers. A newcomer stands at the floor, the bound of the prior alone: a
new key is worth no more than one that is known to be bad.

The breaker of an agent goes by probes alone, over all its skills, in the order of their stamps:

    ACTIVE    → EXCLUDED   at least `MIN_TRIALS` count, and even the upper bound is below the line
    EXCLUDED  → PROBE      after a day
    PROBE     → ACTIVE     most of the next `RETURN_TRIALS` are right; else back to EXCLUDED

Of one author's word one trial fewer counts there than each step takes, so nobody excludes an agent,
or brings it back, alone.

Authors whose log forked are left out, with all that they said.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from math import isqrt
from typing import Annotated, Literal

from annotated_types import Len

from ledger import Entry
from symphony.core import limits
from symphony.core.votes.evidence import (
    Counts,
    Skilled,
    Trial,
    capped,
    counts_at,
    faded,
    is_evidence,
    summed,
    trials_in,
)
from symphony.core.wire import Codec, Count, Key, Millis, Name, Ppm

State = Literal["active", "excluded", "probe"]

MIN_TRIALS = 8
EXCLUDED_BELOW_PPM = 200_000  # right on fewer than a fifth: worse than guessing among a few
EXCLUDED_MS = 24 * 3600 * 1000
RETURN_TRIALS = 5
_Z_MILLI = 1_645  # of the normal distribution: 95 % lie above the mean minus so many deviations
_PRIOR_MILLI = 1_000
_PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Standing:
    """One agent in one skill: faded trials in thousandths, the bound in ppm, the breaker."""

    node: Key
    agent: Name
    skill: Name
    right_milli: Count
    wrong_milli: Count
    bound: Ppm
    state: State


@dataclass(frozen=True, slots=True)
class Reputation:
    """All standings at a moment, ordered by node, agent and skill. `entries` were counted;
    `missing` more would count, but their bodies are not here any more.
    """

    at_ms: Millis
    entries: Count
    missing: Count
    standings: Annotated[tuple[Standing, ...], Len(0, limits.MAX_STANDINGS)]


REPUTATION: Codec[Reputation] = Codec(Reputation, max_bytes=limits.MAX_REPUTATION_BYTES)


def reputation(
    entries: Iterable[Entry], at_ms: int, forked: Collection[bytes] = frozenset()
) -> Reputation:
    """The standings at `at_ms`, from the entries of a ledger in any order."""
    trials: list[Trial] = []
    counted = missing = 0
    for entry in entries:
        if not is_evidence(entry) or entry.author in forked or not counts_at(entry, at_ms):
            continue
        counted += entry.body is not None
        missing += entry.body is None
        trials += trials_in(entry)
    counts = summed(trials, at_ms)
    states = _states(trials, at_ms)
    standings = tuple(
        Standing(
            node=node,
            agent=agent,
            skill=skill,
            right_milli=(found := counts[node, agent, skill]).right_milli,
            wrong_milli=found.wrong_milli,
            bound=lower_bound_ppm(found),
            state=states.get((node, agent), "active"),
        )
        for node, agent, skill in _first(counts)
    )
    return Reputation(at_ms, counted, missing, standings)


def _first(counts: Iterable[Skilled]) -> list[Skilled]:
    return sorted(counts)[: limits.MAX_STANDINGS]


def lower_bound_ppm(counts: Counts) -> int:
    """What an agent is at least worth: the rate that its posterior exceeds with 95 %."""
    mean, deviation = _moments(counts)
    return max(0, mean - deviation)


def upper_bound_ppm(counts: Counts) -> int:
    mean, deviation = _moments(counts)
    return min(_PPM, mean + deviation)


def _moments(counts: Counts) -> tuple[int, int]:
    """The mean of the posterior, and `_Z_MILLI` deviations of it, both in ppm."""
    a, b = counts.right_milli + _PRIOR_MILLI, counts.wrong_milli + _PRIOR_MILLI
    n = a + b
    variance = _PPM * _PPM * a * b * 1000 // (n * n * (n + 1000))
    return a * _PPM // n, isqrt(variance) * _Z_MILLI // 1000


def _states(trials: Iterable[Trial], at_ms: int) -> dict[tuple[bytes, str], State]:
    """The breaker of every agent that was probed."""
    by_agent: dict[tuple[bytes, str], list[Trial]] = {}
    for trial in trials:
        if trial.probed:
            by_agent.setdefault((trial.node, trial.agent), []).append(trial)
    return {agent: _state(probes, at_ms) for agent, probes in by_agent.items()}


def _state(probes: list[Trial], at_ms: int) -> State:
    """Run the breaker over the probes of one agent."""
    state: State = "active"
    since_ms = 0
    counted: list[Trial] = []
    for trial in sorted(probes, key=lambda t: (t.at_ms, t.author, t.entry, t.skill, t.right)):
        if state == "excluded" and trial.at_ms >= since_ms + EXCLUDED_MS:
            state, counted = "probe", []
        if state == "probe" and _said_enough(trial.author, counted):
            continue
        counted.append(trial)
        if state == "active" and _is_bad(counted, trial.at_ms):
            state, since_ms = "excluded", trial.at_ms
        elif state == "probe" and len(counted) >= RETURN_TRIALS:
            good = 2 * sum(t.right for t in counted) > len(counted)
            state, since_ms = ("active" if good else "excluded"), trial.at_ms
    over = state == "excluded" and at_ms >= since_ms + EXCLUDED_MS
    return "probe" if over else state


def _said_enough(author: bytes, counted: Iterable[Trial]) -> bool:
    return sum(trial.author == author for trial in counted) >= RETURN_TRIALS - 1


def _is_bad(trials: list[Trial], at_ms: int) -> bool:
    by_author: dict[bytes, list[int]] = {}
    for trial in trials:
        said = by_author.setdefault(trial.author, [0, 0])
        said[not trial.right] += faded(trial.milli, at_ms - trial.at_ms)
    most = (MIN_TRIALS - 1) * 1000
    found = sum((capped(said, most) for said in by_author.values()), start=Counts())
    enough = found.right_milli + found.wrong_milli >= MIN_TRIALS * 1000
    return enough and upper_bound_ppm(found) < EXCLUDED_BELOW_PPM
