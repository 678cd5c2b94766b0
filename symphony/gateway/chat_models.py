"""The OpenAI chat request, as far as we honour it.

What would change the meaning of an answer is honoured or refused: a field outside the model is a
400 that names it. Neutral values (`n: 1`, `logprobs: false`, empty `tools`) are accepted, because
frameworks send them unasked, and so is what is about the caller and not the answer (`user` …).

How a text is drawn is set in each agent's manifest. A client that sends `temperature` with every
request is not told off for that: what of `SAMPLING` was not used is named in the header
`Symphony-Ignored` of the answer. `stop` is honoured: a voted answer ends before the first of them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Interval, Len
from pydantic import Field, field_validator

from symphony.core import limits as core
from symphony.gateway import limits
from symphony.gateway.body import StrictModel
from symphony.gateway.faults import Refused
from symphony.gateway.port import ChatMessage, ChatRole
from symphony.gateway.task_models import TaskOptions, schema_text

PENALTIES = ("presence_penalty", "frequency_penalty")
SAMPLING = ("temperature", "top_p", "seed", *PENALTIES)
"""What may be sent to a swarm model, and is ignored there; a hosted model ignores `PENALTIES`."""


class TextPart(StrictModel):
    """A part of a message. Images and sound are refused: no agent here can see or hear."""

    type: Literal["text"]
    text: str


class Turn(StrictModel):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | tuple[TextPart, ...]
    name: str | None = None
    refusal: None = None

    def plain(self) -> ChatMessage:
        """The turn as text; `developer` is what newer clients call `system`."""
        if isinstance(self.content, str):
            text = self.content
        else:
            text = "\n".join(part.text for part in self.content)
        role: ChatRole = "system" if self.role == "developer" else self.role
        return ChatMessage(role, text)


class NamedSchema(StrictModel):
    """The `json_schema` of a response format."""

    name: str = "answer"
    description: str | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(StrictModel):
    """Free text, or JSON of a schema."""

    type: Literal["text", "json_schema"]
    json_schema: NamedSchema | None = None

    def answer_schema(self) -> str:
        """The schema as text, empty for free text. Raises `Refused`."""
        if self.type == "text":
            return ""
        if self.json_schema is None:
            raise Refused("response_format json_schema has no json_schema", param="response_format")
        return schema_text(self.json_schema.schema_)


class StreamOptions(StrictModel):
    """`include_usage` asks for a last chunk with the token counts."""

    include_usage: bool = False
    include_obfuscation: bool = False

    @field_validator("include_obfuscation")
    @classmethod
    def _none(cls, value: bool) -> bool:
        if value:
            raise ValueError("padding against traffic analysis is not offered on loopback")
        return value


class SwarmOptions(TaskOptions):
    """The `symphony` object: task options, and whether to stream the progress of the task."""

    progress: bool = False


class ChatRequest(StrictModel):
    """The body of `POST /v1/chat/completions`."""

    model: Annotated[str, Len(1, 200)]
    messages: Annotated[tuple[Turn, ...], Len(1, limits.MAX_MESSAGES)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Interval(ge=1, le=core.MAX_TOKENS)] | None = None
    max_completion_tokens: Annotated[int, Interval(ge=1, le=core.MAX_TOKENS)] | None = None
    temperature: Annotated[float, Interval(ge=0, le=2)] | None = None
    top_p: Annotated[float, Interval(gt=0, le=1)] | None = None
    seed: Annotated[int, Interval(ge=0, le=2**32 - 1)] | None = None
    presence_penalty: Annotated[float, Interval(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Interval(ge=-2, le=2)] | None = None
    stop: str | Annotated[tuple[str, ...], Len(0, limits.MAX_STOPS)] | None = None
    response_format: ResponseFormat | None = None
    symphony: SwarmOptions | None = None
    # Accepted, and of no effect on an answer.
    user: str | None = None
    metadata: dict[str, str] | None = None
    store: Literal[False] | None = None
    service_tier: Literal["auto", "default"] | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    # Accepted in their neutral form only.
    n: Literal[1] | None = None
    logprobs: Literal[False] | None = None
    tools: Annotated[list[Any], Len(0, 0)] | None = None
    tool_choice: Literal["none", "auto"] | None = None
    parallel_tool_calls: bool | None = None

    @field_validator("n", "logprobs", "tools", mode="wrap")
    @classmethod
    def _neutral_only(cls, value: Any, handler: Any) -> Any:
        try:
            return handler(value)
        except ValueError:
            raise ValueError("not supported here; leave it out") from None

    def answer_tokens(self) -> int | None:
        """`max_completion_tokens`, or `max_tokens`, its older name."""
        return self.max_completion_tokens or self.max_tokens

    def ignored(self, names: tuple[str, ...]) -> dict[str, str]:
        """The header that says which of these were sent and have no effect; none for none. A
        penalty of zero has no effect anywhere.
        """
        sent = [name for name in names if getattr(self, name) is not None]
        told = ", ".join(name for name in sent if name not in PENALTIES or getattr(self, name))
        return {"Symphony-Ignored": told} if told else {}

    def stops(self) -> tuple[str, ...]:
        """The stop texts. Raises `Refused` for an empty or a long one."""
        given = (self.stop,) if isinstance(self.stop, str) else self.stop or ()
        if not all(1 <= len(one) <= limits.MAX_STOP_CHARS for one in given):
            raise Refused(f"a stop text has 1 to {limits.MAX_STOP_CHARS} letters", param="stop")
        return given

    def answer_schema(self) -> str:
        """The JSON schema of the answer as text, empty for free text."""
        return "" if self.response_format is None else self.response_format.answer_schema()

    def turns(self) -> tuple[ChatMessage, ...]:
        return tuple(turn.plain() for turn in self.messages)

    @property
    def with_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


def cut(text: str, stops: tuple[str, ...]) -> str:
    """`text` up to the first of the stop texts in it."""
    ends = [at for stop in stops if (at := text.find(stop)) >= 0]
    return text[: min(ends, default=len(text))]


def render_prompt(turns: tuple[ChatMessage, ...]) -> str:
    """A conversation as the prompt of one task. Raises `Refused` unless a user speaks last.

    A lone user message is the prompt, letter by letter. Otherwise the instructions come first,
    then the turns so far, then the question:

        <system texts>

        The conversation so far:
        User: …
        Assistant: …

        The question to answer now:
        <last user message>
    """
    last = turns[-1]
    if last.role != "user" or not last.content.strip():
        raise Refused("the last message must be the user's, and not empty", param="messages")
    rules = [turn.content for turn in turns if turn.role == "system"]
    earlier = [turn for turn in turns[:-1] if turn.role != "system"]
    if not rules and not earlier:
        return last.content
    parts = list(rules)
    if earlier:
        said = [f"{turn.role.capitalize()}: {turn.content}" for turn in earlier]
        parts.append("The conversation so far:\n" + "\n".join(said))
    parts.append("The question to answer now:\n" + last.content)
    return "\n\n".join(parts)
