"""The one protocol between Symphony and whatever turns messages into text.

An engine takes a `Request` and gives a stream of `Chunk`s that ends in exactly one `Finished`.
The stream lives inside a context: leaving it, for whatever reason, aborts the generation *in
the model server*, so that nobody burns a core for an answer that nobody waits for. A stream
that can't be completed raises; it never just stops.

Errors are those of `symphony.errors`: `EngineUnavailable` (not reachable, not startable),
`EngineOverloaded` (queue full; come back later), `ConstraintViolated` (the output is not what
the constraint asked for) and `EngineError` (everything else, the deadline included).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, Protocol

from symphony.engines import limits
from symphony.errors import UsageError

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class NoConstraint:
    """Free text."""


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """One JSON text that the schema accepts. Give strings a `maxLength`: a small model may
    otherwise fill its whole budget with white space.
    """

    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Choice:
    """Exactly one of the options."""

    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Regex:
    """A text that the pattern matches from end to end."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Grammar:
    """A text of the language of a GBNF grammar whose start symbol is `root`. Let a small model
    reason inside the grammar before its answer: forced to answer first, it gets worse.
    """

    gbnf: str


Constraint = NoConstraint | JsonSchema | Choice | Regex | Grammar


class Feature(StrEnum):
    """What an engine can do beyond free text."""

    JSON_SCHEMA = "json_schema"
    CHOICE = "choice"
    REGEX = "regex"
    GRAMMAR = "grammar"
    LOGPROBS = "logprobs"
    PROMPT_LOGPROBS = "prompt_logprobs"


@dataclass(frozen=True, slots=True)
class Request:
    """One generation.

    `temperature` 0 is greedy. `seed` None leaves the choice to the server. `deadline_ms` is the
    time this request may take from now on, waiting for a slot included. `own` says that the
    node's own user asks; where requests wait, those go first.
    """

    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float
    deadline_ms: int
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    constraint: Constraint = NoConstraint()
    logprobs: bool = False
    own: bool = False

    def __post_init__(self) -> None:
        checks = (
            1 <= len(self.messages) <= limits.MESSAGES,
            1 <= self.max_tokens <= limits.COMPLETION_TOKENS,
            0.0 <= self.temperature <= 2.0,
            0.0 < self.top_p <= 1.0,
            1 <= self.deadline_ms <= limits.DEADLINE_MS,
            len(self.stop) <= limits.STOPS and all(self.stop),
        )
        if not all(checks):
            wanted = _NEEDED[checks.index(False)]
            raise UsageError(f"a request needs {wanted}", hint="change the agent's sampling")


_NEEDED = (
    f"1 to {limits.MESSAGES} messages",
    f"max_tokens from 1 to {limits.COMPLETION_TOKENS}",
    "a temperature from 0 to 2",
    "top_p above 0, up to 1",
    f"deadline_ms from 1 to {limits.DEADLINE_MS}",
    f"up to {limits.STOPS} stops",
)
"""What each check of a `Request` wants, in their order."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of the output, most often one token.

    `logprob` is the sum of the natural log-probabilities of its tokens, None where the request
    did not ask for them or the server does not give them.
    """

    text: str
    logprob: float | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a complete stream.

    `reason` is "length" when `max_tokens` or the context cut the output. `usage_estimated` says
    that the server counted no tokens, and that the numbers here are ours: the pieces received,
    and a quarter of the prompt's characters.
    """

    reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    mean_logprob: float | None
    model: str
    engine: str
    usage_estimated: bool = False


Event = Chunk | Finished


@dataclass(frozen=True, slots=True)
class Description:
    """What an engine is: `engine` names its kind, `lineage` the family of weights whose errors
    are alike, `context_tokens` the room of one request, prompt and output together.
    """

    engine: str
    model: str
    lineage: str
    context_tokens: int
    concurrency: int
    features: frozenset[Feature] = frozenset()


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a request sent now would be served, and if not, why."""

    ok: bool
    detail: str


class Engine(Protocol):
    """What turns messages into text. One engine serves many requests at once."""

    async def describe(self) -> Description: ...

    def generate(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """Start a generation; leaving the context aborts it in the server."""
        ...

    async def health(self) -> Health: ...

    async def aclose(self) -> None: ...
