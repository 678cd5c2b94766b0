"""What is said of a receipt that holds: its report, with what that proves and what it does not."""

from __future__ import annotations

from dataclasses import dataclass

from symphony.core.ids import NodeId
from symphony.core.inclusion import SealReport


@dataclass(frozen=True, slots=True)
class CheckedBallot:
    """One counted ballot whose result, weight and class were recomputed."""

    chain: int
    owner: NodeId
    model: str
    answer: str
    weight: int


@dataclass(frozen=True, slots=True)
class ReceiptReport:
    """A receipt that holds. `seal` is None for one that is not sealed yet."""

    swarm: bytes
    conductor: NodeId
    task: bytes
    prompt: str
    outcome: str
    rule: str
    answer: str | None
    ballots: tuple[CheckedBallot, ...]
    signatures: int
    awards: int
    stop: str
    proven: tuple[str, ...]
    not_proven: tuple[str, ...]
    seal: SealReport | None = None
    settled: str = "open"
    alpha_ppm: int = 0
    e_milli: int = 0
    effective_milli: int = 0
    evidence: int = 0


PROVEN = (
    "every entry is signed by its author for this swarm",
    "the question and the outputs are the ones that were committed to",
    "every owner was elected by the rule from the recorded bids",
    "weights, tally and winner follow from the ballots",
)
NOT_PROVEN = (
    "that the answer is true",
    "that a node ran the model it names",
    "that the conductor recorded every bid, result and piece of evidence that it had",
)
UNSEEN = "that other nodes saw these entries in append-only logs"
BEYOND_THE_SEAL = (
    "that these witnesses are independent of the conductor",
    "that the owners' results stand in logs that were witnessed, too",
)


def sentences(seal: SealReport | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a receipt with this seal proves, and what it does not."""
    if seal is None:
        return PROVEN, (*NOT_PROVEN, UNSEEN)
    there = f"the conductor's entries stand in its log, as it was at size {seal.size}"
    if not seal.witnesses:
        return (*PROVEN, there), (*NOT_PROVEN, UNSEEN)
    count = len(seal.witnesses)
    others = "another node" if count == 1 else f"{count} other nodes"
    seen = f"{there}, which {others} saw grow by appending only"
    return (*PROVEN, seen), (*NOT_PROVEN, *BEYOND_THE_SEAL)
