"""What a client may say about a task, as strict models, and what becomes of it: a `TaskSpec`.

The same options serve `POST /api/tasks` and the `symphony` object of a chat completion. An
option that is left out keeps the default of `TaskSpec`, so there is one place for defaults.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from annotated_types import Interval, Len
from pydantic import AliasChoices, Field, model_validator

from symphony.core import limits as core
from symphony.core.records import AnswerType, Planning, Privacy, Rule, Selection
from symphony.core.spec import TaskSpec
from symphony.gateway import limits
from symphony.gateway.body import StrictModel
from symphony.gateway.faults import Refused

_ChoiceText = Annotated[str, Len(1, limits.MAX_CHOICE_CHARS)]


class TaskOptions(StrictModel):
    """How a swarm shall work on a task. `plan` is another name for `planning`."""

    chains: Annotated[int, Interval(ge=1, le=core.MAX_CHAINS)] | None = None
    rule: Rule | Literal["auto"] | None = None
    alpha: Annotated[float, Interval(ge=core.MIN_ALPHA, le=core.MAX_ALPHA)] | None = None
    selection: Selection | None = None
    planning: Annotated[
        Planning | None, Field(validation_alias=AliasChoices("planning", "plan"))
    ] = None
    answer_type: AnswerType | None = None
    choices: Annotated[tuple[_ChoiceText, ...], Len(1, limits.MAX_CHOICES)] | None = None
    answer_schema: dict[str, Any] | None = None
    skill: Annotated[str, Len(1, core.MAX_SKILL_CHARS)] | None = None
    privacy: Privacy | None = None
    budget_tokens: Annotated[int, Interval(ge=1, le=2**32 - 1)] | None = None
    max_nodes: Annotated[int, Interval(ge=0, le=core.MAX_NODES)] | None = None
    deadline_ms: Annotated[int, Interval(ge=1, le=core.MAX_DEADLINE_MS)] | None = None
    max_tokens: Annotated[int, Interval(ge=1, le=core.MAX_TOKENS)] | None = None
    durable: bool | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> TaskOptions:
        if self.choices is not None and self.answer_type not in (None, "choice"):
            raise ValueError('`choices` goes with answer_type "choice"')
        if self.answer_type == "choice" and self.choices is None:
            raise ValueError('answer_type "choice" needs `choices`, such as ["yes", "no"]')
        if self.answer_schema is not None and self.answer_type not in (None, "json"):
            raise ValueError('`answer_schema` goes with answer_type "json"')
        return self

    def given(self) -> dict[str, Any]:
        """The options that were given, as arguments of `TaskSpec`."""
        named: dict[str, Any] = {
            name: value
            for name in TaskOptions.model_fields
            if (value := getattr(self, name)) is not None
        }
        if self.answer_schema is not None:
            named["answer_schema"] = schema_text(self.answer_schema)
            named["answer_type"] = "json"
        if "alpha" in named:
            named["alpha_ppm"] = round(named.pop("alpha") * 1_000_000)
        if self.choices is not None:
            named["answer_type"] = "choice"
        return named


class TaskBody(TaskOptions):
    """The body of `POST /api/tasks`. `detach`: the task outlives the client that waits for it."""

    prompt: Annotated[str, Len(1, core.MAX_PROMPT_BYTES)]
    detach: bool = False

    def spec(self) -> TaskSpec:
        return spec_of(self.prompt, self)


class InviteBody(StrictModel):
    """The body of `POST /api/invites`."""

    minutes: Annotated[int, Interval(ge=1, le=limits.MAX_INVITE_MINUTES)] = 60
    scope: Annotated[str, Field(pattern="^(member|observer)$")] = "member"


def spec_of(prompt: str, options: TaskOptions, **defaults: Any) -> TaskSpec:
    """The task of `prompt`; an option wins over `defaults`. Raises `Refused` on a huge prompt."""
    if len(prompt.encode()) > core.MAX_PROMPT_BYTES:
        raise Refused(
            f"the prompt has more than {core.MAX_PROMPT_BYTES // 1024} KiB",
            hint="shorten it, or drop the first turns of the conversation",
            param="prompt",
        )
    return TaskSpec(prompt=prompt, **{**defaults, **options.given()})


def schema_text(schema: dict[str, Any]) -> str:
    """A JSON schema as the compact text that travels with a task. Raises `Refused`."""
    try:
        text = json.dumps(schema, separators=(",", ":"), allow_nan=False)
    except ValueError:
        raise Refused("the schema holds a number that JSON does not know") from None
    if len(text.encode()) > limits.MAX_SCHEMA_BYTES:
        raise Refused(f"the schema has more than {limits.MAX_SCHEMA_BYTES // 1024} KiB")
    return text
