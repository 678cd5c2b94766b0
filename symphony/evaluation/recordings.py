"""Recorded outputs of real models, read as agents that once answered.

A folder holds, per benchmark, `recorded_<bench>.jsonl.gz` with one record a line,

    {question_id, model, sample_index, extracted_answer, correct, output_text?, completion_tokens?}

or `votes_<bench>.jsonl.gz` with one question a line: {question_id, answer, votes: {model:
answer}}. `extracted_answer` is canonical: equal strings are one class, the empty one too; null,
and `-` among votes, is no answer. The first sample of each model counts, and it may be there only
once, or twice the same. Agents and questions are cut to a full block: the models that answered
nearly as much as the middle one, and the questions that all of these answered; so all pools vote on
the same questions. Texts are measured and dropped.

What is read is bounded before it is parsed, and a line that is not of the format is refused with
its number: an evaluation on half a file would be a number about something else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from symphony.engines import recorded
from symphony.errors import UsageError
from symphony.evaluation import limits

_COVERAGE = 0.97  # of what the middle model answered


@dataclass(frozen=True, slots=True)
class Reply:
    """What one agent said to one question: its class, whether that is right, and its tokens."""

    key: str | None
    right: bool
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """One benchmark: `replies[agent][i]` is the agent's reply to `questions[i]`."""

    bench: str
    questions: tuple[str, ...]
    agents: tuple[str, ...]
    replies: dict[str, tuple[Reply, ...]]

    def rate(self, agent: str) -> float:
        """The share of questions that the agent got right."""
        replies = self.replies[agent]
        return sum(reply.right for reply in replies) / len(replies)


def load(folder: Path, bench: str, questions: int = limits.MAX_QUESTIONS) -> Recording:
    """Read one benchmark. Raises `UsageError` if it is not there or not of the format."""
    if not bench.replace("_", "").isalnum():
        raise UsageError(f"{bench!r} is no name of a benchmark", hint="letters, digits and _")
    path = file_of(folder, bench)
    if path is None:
        raise UsageError(f"no recordings of {bench} in {folder}", hint=recorded.LAYOUT)
    said = _from_votes(path) if path.name.startswith("votes_") else _from_records(path)
    return _full_block(bench, _gathered(path, said), questions)


def file_of(folder: Path, bench: str) -> Path | None:
    """The file with the recordings of a benchmark, bare votes first; None if there is none."""
    files = (folder / f"{kind}_{bench}.jsonl.gz" for kind in ("votes", "recorded"))
    return next((file for file in files if file.is_file()), None)


_Said = tuple[int, str, str, Reply]
"""The line of a file, and what it says: a model, a question, a reply."""


def _from_votes(path: Path) -> Iterator[_Said]:
    for number, row in recorded.rows(path):
        question, gold, votes = row.get("question_id"), row.get("answer"), row.get("votes")
        if not (isinstance(question, str) and isinstance(gold, str) and isinstance(votes, dict)):
            raise recorded.malformed(path, f"line {number} is no record of votes")
        for model, vote in votes.items():
            if not (vote is None or isinstance(vote, str)):
                raise recorded.malformed(path, f"line {number}: a vote is neither text nor null")
            key = None if vote == "-" else vote
            yield number, model, question, Reply(key, key == gold)


def _from_records(path: Path) -> Iterator[_Said]:
    for number, model, question, row in recorded.replies(path):
        reply = Reply(row["extracted_answer"], row["correct"], recorded.tokens(row))
        yield number, model, question, reply


def _gathered(path: Path, said: Iterable[_Said]) -> dict[str, dict[str, Reply]]:
    """By model and question. Two replies that differ leave it open which one is meant."""
    replies: dict[str, dict[str, Reply]] = {}
    for number, model, question, reply in said:
        if replies.setdefault(model, {}).setdefault(question, reply) != reply:
            raise recorded.malformed(path, f"line {number} contradicts an earlier one")
    return replies


def _full_block(bench: str, replies: dict[str, dict[str, Reply]], most: int) -> Recording:
    """The agents that answered nearly everything, and the questions that all of them answered."""
    if not replies:
        raise UsageError(f"the recordings of {bench} are empty", hint=recorded.LAYOUT)
    middle = median(len(answered) for answered in replies.values())
    agents = sorted(a for a, answered in replies.items() if len(answered) >= _COVERAGE * middle)
    if len(agents) > limits.MAX_AGENTS:
        raise UsageError(f"{bench} has more than {limits.MAX_AGENTS} systems", hint=recorded.LAYOUT)
    common = set.intersection(*(set(replies[agent]) for agent in agents))
    if len(agents) < 2 or len(common) < 2:
        raise UsageError(
            f"{bench}: no two models answered the same two questions", hint=recorded.LAYOUT
        )
    questions = tuple(sorted(common, key=digest)[:most])
    block = {agent: tuple(replies[agent][question] for question in questions) for agent in agents}
    return Recording(bench, questions, tuple(agents), block)


def digest(question: str) -> bytes:
    """The hash of a question's id: the order and the halves of questions come from it."""
    return hashlib.sha256(b"symphony/evaluation/1\x00" + question.encode()).digest()
