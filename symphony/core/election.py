"""Who owns a unit, given the bids: a pure rule that a receipt's reader can run again.

Scores come from ledger facts, never from the bidder. They fall into 16 buckets, so that nothing
is gained by shaving the last percent, and are ordered inside a bucket by: a free slot before
none; a model lineage that no other chain of the task uses yet (votes of one base model are not
independent); more free slots; and last a hash that nobody can grind, because unit ids are not
known beforehand.

`match` is the paper's rule (argmax of φ); `random` is for ablations.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

from symphony.core import limits
from symphony.core.ids import EntryId, NodeId, UnitId, tie_break
from symphony.core.match import match
from symphony.core.records import Candidate, Capability, Requirement, Selection


def score(
    selection: Selection,
    unit: UnitId,
    node: NodeId,
    capability: Capability,
    requirement: Requirement,
) -> int:
    """The score of one bidder for one unit, in parts per million."""
    if selection == "random":
        seed = b"symphony/random/1\x00" + unit + node + capability.agent.encode()
        return int.from_bytes(hashlib.sha256(seed).digest()[:8], "big") % 1_000_001
    return match(capability, requirement)


def bucket(score_ppm: int) -> int:
    """0 … 15; a score of exactly 1 belongs to the top bucket."""
    return min(score_ppm * limits.SCORE_BUCKETS // 1_000_000, limits.SCORE_BUCKETS - 1)


def rank(
    unit: UnitId,
    candidates: Collection[Candidate],
    lineage_of: Mapping[EntryId, str],
    lineages_used: Collection[str],
) -> list[Candidate]:
    """The candidates in the order in which they are to be asked; the first one is the owner."""

    def order(candidate: Candidate) -> tuple[bool, int, bool, int, bytes]:
        lineage = lineage_of.get(EntryId(candidate.capability), "")
        return (
            candidate.free == 0,
            -bucket(candidate.score),
            lineage in lineages_used,
            -candidate.free,
            tie_break(unit, NodeId(candidate.owner), candidate.agent),
        )

    return sorted(candidates, key=order)


def chain_of(unit_name: str) -> int:
    """The chain that a unit called `plan/2` or `step/2/s1` belongs to."""
    return int(unit_name.split("/")[1])


def lineages_of_others(chain: int, latest: Mapping[int, str]) -> frozenset[str]:
    """The model lineages that the other chains use, given each chain's latest owner's."""
    return frozenset(lineage for other, lineage in latest.items() if other != chain)
