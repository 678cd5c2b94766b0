"""Every request of the SDK as a value, and what its answer means. No I/O.

A `Call` says what to send and how to read the answer; `Retry` says whether a failed one is sent
again. The two transports (`sync`, `aio`) only move bytes, so there is one implementation of the
protocol and no sync/async twins of it.

Retried are GETs and the submit, which carries an idempotency key drawn here, once per call: the
gateway starts one task for it, however often it arrives. Nothing else is ever sent twice.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypedDict, TypeVar

from symphony.client import limits
from symphony.client.answer import Shape
from symphony.client.faults import error_in
from symphony.client.stream import backoff_s
from symphony.errors import ProtocolMismatch, UsageError

if TYPE_CHECKING:
    from pydantic import BaseModel

T = TypeVar("T")


class TaskOptions(TypedDict, total=False):
    """How a swarm shall work on a task. What is left out is the node's default."""

    chains: int
    rule: Literal["auto", "match", "majority", "reliability", "confidence", "ranked"]
    alpha: float
    selection: Literal["match", "random", "learned"]
    planning: Literal["auto", "always", "never"]
    answer_type: Literal["text", "number", "boolean", "choice", "json", "expression"]
    choices: list[str]
    answer_schema: dict[str, Any]
    skill: str
    privacy: Literal["local", "swarm", "open"]
    budget_tokens: int
    max_nodes: int
    deadline_ms: int
    max_tokens: int
    durable: bool
    detach: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises `ProtocolMismatch`."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise ProtocolMismatch("the gateway's answer is not JSON") from None

    def retry_after_s(self) -> float | None:
        text = self.headers.get("retry-after", "")
        return float(text) if text.isascii() and text.isdecimal() else None

    def error(self) -> Exception:
        return error_in(self.status, self.body, self.retry_after_s())


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, and how to read its answer."""

    method: str
    path: str
    read: Callable[[Reply], T]
    body: Mapping[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    repeatable: bool = False

    def result(self, reply: Reply) -> T:
        """What the answer says. Raises the error that it carries."""
        if not 200 <= reply.status < 300:
            raise reply.error()
        return self.read(reply)


@dataclass(slots=True)
class Retry:
    """How often one call was tried."""

    most: int
    repeatable: bool
    tried: int = 0

    def after_failure(self, *, sent: bool) -> float | None:
        """Seconds until the next try after a broken connection; None to give up. What never
        left this machine (`sent` is false) may be sent again in any case.
        """
        return self._pause(allowed=self.repeatable or not sent)

    def after_reply(self, reply: Reply) -> float | None:
        """Seconds until the next try after an answer; None if the answer stands."""
        if reply.status not in (429, 503) or reply.headers.get("x-should-retry") == "false":
            return None
        pause = self._pause(allowed=self.repeatable)
        asked = reply.retry_after_s()
        if pause is None or asked is None:
            return pause
        return min(asked, limits.MAX_BACKOFF_S)

    def _pause(self, *, allowed: bool) -> float | None:
        self.tried += 1
        return backoff_s(self.tried) if allowed and self.tried <= self.most else None


@dataclass(frozen=True, slots=True)
class Submission:
    """A task about to be submitted: its body, its key, and how its answer is to be read."""

    body: Mapping[str, Any]
    shape: Shape
    key: str = field(default_factory=lambda: secrets.token_hex(16))

    def headers(self) -> dict[str, str]:
        return {"Idempotency-Key": self.key}

    def call(self) -> Call[str]:
        """Submit and go; the answer is the task's id."""
        headers, path = self.headers(), "/api/tasks"
        return Call("POST", path, lambda r: str(r.json()["id"]), self.body, headers, True)


def submission(
    prompt: str, output_type: type[BaseModel] | None, options: TaskOptions
) -> Submission:
    """Raises `UsageError` if `output_type` meets another wish for the answer's form."""
    body: dict[str, Any] = {"prompt": prompt, **options}
    if output_type is not None:
        if {"answer_type", "answer_schema", "choices"} & options.keys():
            raise UsageError("output_type is an answer type of its own", hint="pass only one")
        body["answer_schema"] = output_type.model_json_schema()
    as_json = "answer_schema" in body or body.get("answer_type") == "json"
    return Submission(body, Shape(as_json, output_type))


def get(path: str) -> Call[Any]:
    """A GET of JSON."""
    return Call("GET", path, Reply.json, repeatable=True)


def listing(path: str, name: str) -> Call[list[dict[str, Any]]]:
    """A GET of a list that lies under `name`."""
    return Call("GET", path, lambda reply: list(reply.json()[name]), repeatable=True)


def receipt(reference: str) -> Call[bytes]:
    """A receipt by its digest or its task's id."""
    return Call("GET", f"/api/receipts/{word(reference)}", lambda r: r.body, repeatable=True)


def cancel(task: str) -> Call[bool]:
    """Cancel a task; false if it did not run any more. Cancelling twice changes nothing."""
    path = f"/api/tasks/{word(task)}/cancel"
    return Call("POST", path, lambda r: bool(r.json()["cancelled"]), repeatable=True)


def word(text: str) -> str:
    """An id as part of a path. Raises `UsageError`: nothing else may get into a path."""
    if not text.isalnum() or not text.isascii() or len(text) > 64:
        raise UsageError(f"not an id: {text[:80]!r}", hint="ids are hexadecimal digits")
    return text


def shape_of(view: Mapping[str, Any]) -> Shape:
    """How the answer of a task that was submitted elsewhere is to be read."""
    return Shape(json=view.get("answer_type") == "json")
