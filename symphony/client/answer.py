"""What a task gives back: an `Answer`, or the typed error of its last event.

`verdict` is that event as JSON, as the gateway sends it. A task that ended without a voted
answer is an exception: nobody should print the best guess of a failed vote by mistake. Its
message tells the best answer so far, where there is one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from symphony.client.faults import error_of
from symphony.errors import ConstraintViolated, SymphonyError, TaskError

if TYPE_CHECKING:
    from pydantic import BaseModel

T = TypeVar("T")

TaskEvent = Mapping[str, Any]
"""One event of a task: `type` (task, plan, beacon, bid, award, token, result, failover, hedge,
resumed, entrusted, taken_over, stepped_back, chain_failed, ballot, verdict), `task`, `at_ms`, and
what the type brings along."""

_SHOWN_CHARS = 200


@dataclass(frozen=True, slots=True)
class ReceiptRef:
    """Where the receipt is: `digest` is its SHA-256 in hexadecimal, `path` where a copy lies on
    this machine, if one does. `fetch()` gets the bytes from the node; under `AsyncSymphony` it
    gives an awaitable of them.
    """

    digest: str
    path: Path | None
    fetch: Callable[[], Any] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Ballot:
    """One counted ballot. `weight` is in parts per million, `owner` a key in hexadecimal."""

    chain: int
    owner: str
    model: str
    answer: str
    weight: int


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A voted answer.

    `parsed` is the instance of `output_type`, or the JSON value of a "json" answer, or None.
    `agreeing` of the `ballots` are for it, of `answers` different ones. `level` answers have the
    most weight: where that is more than 1, or `agreeing` is 1 of several, it is not the swarm's
    opinion but one chain's. `certificate` is "exact" if nothing that was out could change the
    winner, "certified" if it is the most frequent answer at the level asked for, else empty;
    `stop` says the same in words. `rule` is how ballots were weighed, `effective_votes` how many
    independent ballots they are worth. `phases_ms` are milliseconds by phase, `tokens` the sum
    over all calls of all chains, `owner_failovers` how many owners were replaced on the way.
    """

    text: str
    parsed: T
    outcome: str
    ballots: tuple[Ballot, ...]
    certificate: Literal["exact", "certified", ""]
    stop: str
    agreeing: int
    answers: int
    level: int
    receipt: ReceiptRef | None
    phases_ms: Mapping[str, int]
    owner_failovers: int
    tokens: int
    task_id: str
    rule: str
    effective_votes: float


@dataclass(frozen=True, slots=True)
class Shape:
    """What the caller wants an answer to be read as."""

    json: bool = False
    model: type[BaseModel] | None = None

    def read(self, text: str) -> Any:
        """The parsed form of an answer. Raises `ConstraintViolated`."""
        try:
            if self.model is not None:
                return self.model.model_validate_json(text)
            return json.loads(text) if self.json else None
        except ValueError as error:
            raise ConstraintViolated(
                f"the voted answer is not of the wanted type: {str(error)[:_SHOWN_CHARS]}",
                hint="loosen the type, or give the chains more max_tokens",
            ) from error


def answer_of(
    verdict: Mapping[str, Any], shape: Shape, home: Path | None, fetch: Callable[[str], Any]
) -> Answer[Any]:
    """The answer in a verdict. Raises the task's error if it ended without one."""
    if verdict["outcome"] != "answered":
        raise task_error(verdict)
    digest, settled = verdict["receipt"], verdict["settled"]
    path = None
    if digest and home is not None:
        kept = home / "receipts" / f"{verdict['task']}.receipt"
        path = kept if kept.is_file() else None
    return Answer(
        text=verdict["answer"],
        parsed=shape.read(verdict["answer"]),
        outcome=verdict["outcome"],
        ballots=tuple(Ballot(**ballot) for ballot in verdict["ballots"]),
        certificate=settled if settled in ("exact", "certified") else "",
        stop=verdict["stop"],
        agreeing=verdict["agreeing"],
        answers=verdict["answers"],
        level=verdict["level"],
        receipt=ReceiptRef(digest, path, partial(fetch, digest)) if digest else None,
        phases_ms=verdict["phases_ms"],
        owner_failovers=verdict["owner_failovers"],
        tokens=verdict["tokens"],
        task_id=verdict["task"],
        rule=verdict["rule"],
        effective_votes=verdict["effective_milli"] / 1000,
    )


def task_error(verdict: Mapping[str, Any]) -> SymphonyError:
    """The error of a task that ended without a voted answer, by the code of its last event."""
    message = verdict["message"] or f"the task ended as {verdict['outcome']}: {verdict['stop']}"
    best = verdict["answer"]
    if best:
        message += f"; the best answer so far was {best[:_SHOWN_CHARS]!r}"
    task = f"`symphony task show {verdict['task']}` tells how it went"
    return error_of(verdict["error"] or TaskError.code, message, hint=task)
