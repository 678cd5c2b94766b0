"""Real questions to live models, at equal compute: one agent, several samples of it, and a swarm.

    single            one call of one model, greedy
    self-consistency  as many calls as the swarm, all of the first model, majority of the samples
    swarm             the same number of chains, without plans, divided between all models
    swarm with plans  chains of one plan and its steps, so few that the calls are as many again

Every arm goes the whole way: a node, a gateway, elections, signed entries, the vote. So
differences are of models and rules and not of two programs. Calls are counted from the tasks'
events, not assumed; tokens too, because equal calls are not equal tokens. A task that ends
without an answer is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from symphony.core.limits import FORCED_STEPS
from symphony.core.votes.answers import canonical
from symphony.engines import recorded
from symphony.errors import UsageError
from symphony.evaluation import limits
from symphony.evaluation.proportion import interval
from symphony.evaluation.recordings import digest

if TYPE_CHECKING:
    from symphony.client import Symphony

Kind = Literal["number", "choice"]
KINDS: dict[str, Kind] = {"gsm8k": "number", "math_l5": "number", "mmlu_pro": "choice"}
LETTERS = "ABCDEFGHIJ"
CALLS_OF_A_PLAN = 1 + FORCED_STEPS


@dataclass(frozen=True, slots=True)
class Question:
    """One question as it is asked, and its answer."""

    id: str
    prompt: str
    answer: str
    kind: Kind
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to answer. `models` are those whose agents take part."""

    name: str
    models: tuple[str, ...]
    chains: int
    planning: Literal["never", "always"]
    temperature: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one question cost, and whether it was answered right."""

    right: bool
    calls: int
    tokens: int
    elapsed_ms: int


def arms(models: Sequence[str], calls: int) -> list[Arm]:
    """The arms to compare, for a budget of so many calls a question."""
    both, first = tuple(models), models[0]
    found = [Arm(f"single {model}", (model,), 1, "never", 0.0) for model in models]
    found.append(Arm(f"self-consistency {first}", (first,), calls, "never", 0.7))
    found.append(Arm("swarm", both, calls, "never", 0.7))
    found.append(Arm("swarm with plans", both, max(1, calls // CALLS_OF_A_PLAN), "always", 0.7))
    return found


def read_questions(folder: Path, bench: str, count: int) -> list[Question]:
    """The first `count` questions in the order of their hashes. Raises `UsageError`."""
    kind = KINDS.get(bench)
    if kind is None:
        raise UsageError(
            f"{bench} has no answers that a live vote can count", hint=f"one of {', '.join(KINDS)}"
        )
    for path in (folder / f"{bench}.jsonl.gz", folder / f"{bench}_test.jsonl.gz"):
        if path.is_file():
            rows = [row for _, row in recorded.rows(path)]
            rows.sort(key=lambda row: digest(str(row.get("id"))))
            return [_question(path, row, kind) for row in rows[: min(count, limits.MAX_ASKED)]]
    raise UsageError(f"no questions of {bench} in {folder}", hint=recorded.LAYOUT)


def _question(path: Path, row: dict[str, Any], kind: Kind) -> Question:
    name, text, answer = (row.get(field) for field in ("id", "question", "answer"))
    if not (isinstance(name, str) and isinstance(text, str) and isinstance(answer, str)):
        raise recorded.malformed(path, "a line is no question")
    if kind == "number":
        return Question(name, text, answer, kind)
    options = row.get("options")
    if not isinstance(options, list) or not 2 <= len(options) <= len(LETTERS):
        raise recorded.malformed(path, "a question has no options")
    letters = LETTERS[: len(options)]
    lines = [f"{letter}. {option}" for letter, option in zip(letters, options, strict=True)]
    return Question(name, "\n".join([text, *lines]), answer, kind, tuple(letters))


def ask(swarm: Symphony, arm: Arm, question: Question, deadline_ms: int) -> Outcome:
    """Put one question to a running node and follow it to its end."""
    options: dict[str, Any] = {
        "chains": arm.chains,
        "planning": arm.planning,
        "answer_type": question.kind,
        "deadline_ms": deadline_ms,
    }
    if question.choices:
        options["choices"] = list(question.choices)
    task = swarm.tasks.submit(question.prompt, **options)
    events = list(task.events(tokens=False))
    end = events[-1]
    right = end["outcome"] == "answered" and canonical(end["answer"], question.kind) == canonical(
        question.answer, question.kind
    )
    calls = sum(event["type"] == "result" for event in events)
    return Outcome(right, calls, end["tokens"], end["at_ms"])


def rows_of(bench: str, arm: Arm, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """One arm as a row: percentages, and means per question."""
    count = len(outcomes)
    right = sum(outcome.right for outcome in outcomes)
    low, high = interval(right, count)
    return {
        "bench": bench,
        "arm": arm.name,
        "questions": count,
        "accuracy": round(100 * right / count, 1),
        "ci": [round(100 * low, 1), round(100 * high, 1)],
        "calls_per_question": round(sum(o.calls for o in outcomes) / count, 2),
        "tokens_per_question": round(sum(o.tokens for o in outcomes) / count),
        "seconds_per_question": round(sum(o.elapsed_ms for o in outcomes) / count / 1000, 1),
    }
