"""Who was right? What ballots say of the agents that cast them, when the truth is unknown.

Nobody marks the answers of a vote. But agents that are often right agree with one another, and the
wrong ones are wrong in many ways: so for each ballot it is asked how likely its answer is, given
the ballots of *other* owners and what is known of how often those are right. The ballot itself
counts by its owner's name as well, but as a coin at the most: a good name never shields, so an
agent that was the best until yesterday is judged by what the others say today. A bad name does
convict, as one that is right one time in four at the least: where only the wrong are elected, each
alone with its answer, they go on losing their names, and who is known to be bad by mistake is out
of it as soon as some agree that are known to be good.

    P(answer) ∝ Π over ballots of (q if it is for that answer, else (1 - q) / A)

over the answers that were given and those of `A + 1` possible ones that were not. What comes back
is evidence in milli-counts, 1000 · (2 P - 1): a ballot of which nothing is known counts nothing.
Three that all differ count against each of them, since two at least are wrong. Whoever votes for
two answers is wrong with all but its most frequent one. Different texts prove nothing: there, only
agreement counts.

One step of the estimator of Dawid and Skene (1979), with integers only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from symphony.core.records import AnswerType, Ballot

ONE = 1_000_000
ALTERNATIVES = 4  # wrong answers, each about as likely; recorded pools show 3 to 6
LEAST, MOST = 100_000, 950_000  # nobody is known to be always wrong, or always right
OWN_LEAST, OWN_MOST = 250_000, 500_000  # what a ballot's own owner counts for it


def judgements(
    ballots: Sequence[Ballot], answer_type: AnswerType, quality: Callable[[Ballot], int]
) -> dict[int, int]:
    """By chain, from -1000 (surely wrong) to 1000 (surely right); those of which nothing can be
    said are left out. `quality` is how often who cast a ballot is right, in parts per million.
    """
    found: dict[int, int] = {}
    for ballot in ballots:
        others = [other for other in ballots if other.owner != ballot.owner]
        own = Counter(b.answer for b in ballots if b.owner == ballot.owner)
        signed = 0
        if own[ballot.answer] < max(own.values()):
            signed = -1000
        elif others:
            signed = (2 * _likely(ballot, others, quality) - ONE) // 1000
        if answer_type == "text":
            signed = max(0, signed)
        if signed:
            found[ballot.chain] = signed
    return found


def _likely(ballot: Ballot, others: Sequence[Ballot], quality: Callable[[Ballot], int]) -> int:
    """How likely the ballot's answer is right, in parts per million."""
    said = [(other.answer, min(MOST, max(LEAST, quality(other)))) for other in others]
    said.append((ballot.answer, min(OWN_MOST, max(OWN_LEAST, quality(ballot)))))
    answers = {answer for answer, _ in said}
    weight = {answer: _joint(answer, said) for answer in answers}
    unsaid = max(0, ALTERNATIVES + 1 - len(answers)) * _joint(None, said)
    return weight[ballot.answer] * ONE // max(1, sum(weight.values()) + unsaid)


def _joint(truth: bytes | None, said: Sequence[tuple[bytes, int]]) -> int:
    """How likely all that was said is, if this is the truth; without a common factor."""
    product = 1
    for answer, rate in said:
        product *= rate * ALTERNATIVES if answer == truth else ONE - rate
    return product
