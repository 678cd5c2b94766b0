"""Who owns a unit, given the bids: a pure rule that a receipt's reader can run again.

Scores come from ledger facts, never from the bidder. They fall into 16 buckets, so that nothing
is gained by shaving the last percent, and are ordered inside a bucket by: a free slot before
none; a model lineage that no other chain of the task uses yet (votes of one base model are not
independent); more free slots; and last a hash that nobody can grind, because unit ids are not
known beforehand.

`learned`, the default, scores by match and by what the conductor has seen of the bidder
(`expectation`); `match` is the paper's rule (argmax of φ); `random` is for ablations.

Products of shares are small, so the buckets of `learned` reach from nothing to the best bidder's
score. And since votes of one owner say less than votes of several, and agreement with oneself
teaches nothing, an owner that has another chain of the task must be better by four buckets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from symphony.core import limits
from symphony.core.beacon.expectation import NO_EVIDENCE, Evidence, drawn, expected_ppm
from symphony.core.beacon.match import match as fit_ppm
from symphony.core.ids import EntryId, NodeId, UnitId, tie_break
from symphony.core.records import Candidate, Capability, Requirement, Selection


def score(
    selection: Selection,
    unit: UnitId,
    node: NodeId,
    capability: Capability,
    requirement: Requirement,
    seen: tuple[int, ...] | None = None,
) -> int:
    """The score of one bidder for one unit, in parts per million. `seen` is what a candidate
    carries: the counts behind a `learned` score.
    """
    match selection:
        case "random":
            seed = b"symphony/random/1\x00" + unit + node + capability.agent.encode()
            return int.from_bytes(hashlib.sha256(seed).digest()[:8], "big") % 1_000_001
        case "match":
            return fit_ppm(capability, requirement)
        case "learned":
            evidence = NO_EVIDENCE if seen is None else Evidence(*seen)
            return expected_ppm(fit_ppm(capability, requirement), evidence, drawn(unit))


def bucket(score_ppm: int, top_ppm: int = 1_000_000) -> int:
    """0 … 15; a score of exactly the top belongs to the top bucket."""
    return min(score_ppm * limits.SCORE_BUCKETS // max(1, top_ppm), limits.SCORE_BUCKETS - 1)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What the other chains of a task use already."""

    lineages: frozenset[str] = frozenset()
    owners: frozenset[bytes] = frozenset()


def rank(
    selection: Selection,
    unit: UnitId,
    candidates: Collection[Candidate],
    lineage_of: Mapping[EntryId, str],
    elsewhere: Elsewhere,
) -> list[Candidate]:
    """The candidates in the order in which they are to be asked; the first one is the owner."""
    learned = selection == "learned"
    top_ppm = max((c.score for c in candidates), default=0) if learned else 1_000_000

    def order(candidate: Candidate) -> tuple[bool, int, bool, int, bytes]:
        lineage = lineage_of.get(EntryId(candidate.capability), "")
        again = learned and candidate.owner in elsewhere.owners
        handicap = limits.OWNER_AGAIN_BUCKETS if again else 0
        return (
            candidate.free == 0,
            handicap - bucket(candidate.score, top_ppm),
            lineage in elsewhere.lineages,
            -candidate.free,
            tie_break(unit, NodeId(candidate.owner), candidate.agent),
        )

    return sorted(candidates, key=order)


def chain_of(unit_name: str) -> int:
    """The chain that a unit called `plan/2` or `step/2/s1` belongs to. A comparison belongs to
    none: it counts as one more, so judges are spread over nodes and lineages like the rest.
    """
    kind, number = unit_name.split("/")[:2]
    return int(number) + (limits.MAX_CHAINS if kind == "judge" else 0)


def used_elsewhere(chain: int, latest: Mapping[int, tuple[str, bytes]]) -> Elsewhere:
    """What the other chains use, given the lineage and the node of each chain's latest owner."""
    others = [used for other, used in latest.items() if other != chain]
    lineages = frozenset(lineage for lineage, _ in others)
    return Elsewhere(lineages, frozenset(owner for _, owner in others))
