"""What is learnt from one half of the questions, for votes on the other half.

The half of a question is a bit of the hash of its id. Evidence is counted on one half and used on
the other, both ways, so no weight has ever seen a question that it is judged on. The best single
agent is picked on the same half, so both have the same knowledge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from symphony.core.weighing import Agreement, Evidence, Grounds
from symphony.core.weighing.resemblance import pair
from symphony.evaluation.recordings import Recording, Reply, digest


@dataclass(frozen=True, slots=True)
class Fold:
    """Positions of questions: learnt from, and voted on."""

    learn: tuple[int, ...]
    vote: tuple[int, ...]


def folds(recording: Recording) -> tuple[Fold, ...]:
    """The two ways to learn from one half and vote on the other; no fold with an empty half."""
    halves: tuple[list[int], list[int]] = ([], [])
    for at, question in enumerate(recording.questions):
        halves[digest(question)[-1] & 1].append(at)
    left, right = tuple(halves[0]), tuple(halves[1])
    return (Fold(left, right), Fold(right, left)) if left and right else ()


def grounds(replies: Sequence[Sequence[Reply]], names: Sequence[str], at: Sequence[int]) -> Grounds:
    """The evidence on each agent, and the agreement of each pair, on the questions `at`.

    No answer counts as wrong. Agreement counts questions that both answered.
    """
    evidence = {}
    for name, said in zip(names, replies, strict=True):
        right = sum(said[i].right for i in at)
        evidence[name] = Evidence(right * 1000, (len(at) - right) * 1000)
    agreement = {}
    keys = [[said[i].key for i in at] for said in replies]
    for one in range(len(names)):
        for other in range(one + 1, len(names)):
            both = [
                left == right
                for left, right in zip(keys[one], keys[other], strict=True)
                if left is not None and right is not None
            ]
            seen = Agreement(len(both) * 1000, sum(both) * 1000)
            agreement[pair(names[one], names[other])] = seen
    return Grounds(evidence=evidence, agreement=agreement)


def best_single(replies: Sequence[Sequence[Reply]], at: Sequence[int]) -> int:
    """The position of the agent that was right most often; the first one of equals."""
    return max(
        range(len(replies)), key=lambda agent: (sum(replies[agent][i].right for i in at), -agent)
    )
