"""What is said of a receipt that holds: its report, with what that proves and what it does not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from symphony.core.ids import NodeId
from symphony.core.logs.inclusion import SealReport
from symphony.core.records import Outcome
from symphony.core.stewards.line import rank


@dataclass(frozen=True, slots=True)
class CheckedBallot:
    """One counted ballot whose result, weight and class were recomputed."""

    chain: int
    owner: NodeId
    model: str
    answer: str
    weight: int


@dataclass(frozen=True, slots=True)
class InLine:
    """How a verdict stands beside others of the same task: the place of its author in the task's
    line, how many stewards that has, the outcome, and its number in its author's log.
    """

    place: int
    stewards: int
    outcome: Outcome
    number: int = 0

    @property
    def final(self) -> bool:
        """Can no verdict by another of the line count instead?"""
        return not self.stewards or (self.place == 0 and self.outcome == "answered")


ALONE = InLine(0, 0, "answered")


@dataclass(frozen=True, slots=True)
class ReceiptReport:
    """A receipt that holds. `seal` is None for one that is not sealed yet; `author` gave the
    verdict: the conductor, or a steward in its place. `stop` says how far the vote had come, as
    it was found here; `said` is what the author of the verdict said of it. In `passed_over` of the
    elections somebody ranked before the winner and was avoided, by the conductor's word alone
    (`elections`).
    """

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
    said: str
    proven: tuple[str, ...]
    not_proven: tuple[str, ...]
    author: NodeId
    in_line: InLine
    seal: SealReport | None = None
    settled: str = "open"
    alpha_ppm: int = 0
    e_milli: int = 0
    effective_milli: int = 0
    evidence: int = 0
    passed_over: int = 0


def that_counts(reports: Iterable[ReceiptReport]) -> ReceiptReport:
    """Of the receipts of one task that with the verdict that counts (`line`); of several by one
    author, whose log holds them all, the first. Raises `ValueError` for receipts of several tasks,
    or none.
    """
    found = list(reports)
    if len({(report.swarm, report.conductor, report.task) for report in found}) != 1:
        raise ValueError("these are not the receipts of one task")
    first: dict[NodeId, ReceiptReport] = {}
    for report in sorted(found, key=lambda report: report.in_line.number):
        first.setdefault(report.author, report)
    return min(first.values(), key=lambda one: rank(one.in_line.outcome, one.in_line.place))


PROVEN = (
    "every entry is signed by its author for this swarm",
    "the question and the outputs are the ones that were committed to",
    "owners of steps were asked what follows from the question, the plans and the outputs",
    "every owner was elected by the rule from the bids as the conductor noted them",
    "weights, tally and winner follow from the ballots",
)
NOT_PROVEN = (
    "that the answer is true",
    "that a node ran the model it names",
    "that the conductor recorded every bid, result and piece of evidence that it had",
    "that what it noted of bidders and steps is so: evidence, free slots, who was gone, vectors",
    "that a chain without a ballot gave no answer",
    "that the owners are members of the swarm, and different parties",
    "that who gave this verdict gave no other one on the same task",
    "that planners were asked this question, and nothing else",
)
NOT_FINAL = "that no other node of the task's line came to a verdict that counts instead"
UNSEEN = "that other nodes saw these entries in append-only logs"
BEYOND_THE_SEAL = (
    "that these witnesses are independent of the conductor",
    "that the owners' results stand in logs that were witnessed, too",
)


def sentences(
    seal: SealReport | None, in_line: InLine = ALONE
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a receipt with this seal, by one in this place, proves, and what it does not."""
    not_proven = NOT_PROVEN if in_line.final else (*NOT_PROVEN, NOT_FINAL)
    if seal is None:
        return PROVEN, (*not_proven, UNSEEN)
    whose = "steward" if in_line.place else "conductor"
    there = f"the {whose}'s entries stand in its log, as it was at size {seal.size}"
    if not seal.witnesses:
        return (*PROVEN, there), (*not_proven, UNSEEN)
    count = len(seal.witnesses)
    others = "another node" if count == 1 else f"{count} other nodes"
    seen = f"{there}, which {others} saw grow by appending only"
    return (*PROVEN, seen), (*not_proven, *BEYOND_THE_SEAL)
