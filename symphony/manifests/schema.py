"""The shape of an agent manifest: the one source of its checks, its JSON Schema and its manual.

Every field carries a description, because three readers live on it: an editor that shows the
JSON Schema, `agents/README.md`, and the error that says what a field wants. Unknown keys are
refused at every level; keys that begin with `x-` belong to the user and are never looked at.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Interval, Len
from pydantic import BaseModel, ConfigDict, Field

from symphony.core.limits import (
    MAX_AGENTS_PER_NODE,
    MAX_CONCURRENCY,
    MAX_SKILLS_PER_AGENT,
    MAX_TOKENS,
)

API_VERSION = "symphony/v1alpha1"
SCHEMA_ID = "https://symphony-swarm.github.io/schema/v1alpha1/agent.schema.json"

MAX_MANIFEST_BYTES = 32 * 1024  # ten times the longest one shipped
MAX_PROMPT_BYTES = 16 * 1024  # 4 000 tokens: more would fill a small model's whole context
MAX_PROBES_BYTES = 256 * 1024
MAX_PROBES = 512  # a posterior is narrow long before that many
MAX_AGENTS = MAX_AGENTS_PER_NODE

NAME_PATTERN = r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"
ENV_REFERENCE = r"^\$\{env:[A-Za-z_][A-Za-z0-9_]{0,63}\}$"

Role = Literal["plan", "solve", "judge"]
Privacy = Literal["local", "swarm", "open"]
Tool = Literal["arithmetic"]
FileName = Annotated[str, Len(1, 200)]


def _allow_own_keys(schema: dict[str, Any]) -> None:
    """`x-*` keys are allowed in every table; strictness about the others stays."""
    schema["patternProperties"] = {"^x-": {"description": "Yours: Symphony never looks at it."}}


class _Table(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, json_schema_extra=_allow_own_keys
    )


class Metadata(_Table):
    """What the agent is called."""

    name: str = Field(
        pattern=NAME_PATTERN,
        description="The agent's name, unique on its node: lower-case letters, digits and "
        "hyphens, 1 to 63 characters.",
    )
    description: Annotated[str, Len(0, 300)] = Field(
        default="", description="One sentence for people."
    )
    labels: dict[str, str] = Field(
        default_factory=dict,
        max_length=32,
        description="Free key-value pairs for your own sorting; not sent to other nodes.",
    )


class SkillSpec(_Table):
    """One thing the agent can do. Tasks are matched to the meaning of `name: description`."""

    name: str = Field(
        pattern=r"^[a-z0-9]+(?:[._-][a-z0-9]+)*$",
        max_length=64,
        description="A dotted name, such as `math.arithmetic`.",
    )
    description: Annotated[str, Len(1, 300)] = Field(
        description="What it can do, in the words a task would use. Matching reads this."
    )


class EngineSpec(_Table):
    """Which model answers, and what serves it."""

    kind: Literal["auto", "vllm", "llamacpp", "openai", "replay"] = Field(
        default="auto",
        description="What serves the model. `auto`: a configured URL, else vLLM on a GPU, "
        "else llama.cpp in a child process. `replay`: recorded outputs, `model: FILE#MODEL`.",
    )
    model: Annotated[str, Len(1, 200)] = Field(
        pattern=r"^[^-]",
        description="A name of `symphony model list`, or whatever the server at `url` calls it; "
        "a folder or file by its path, with a `/`. It never begins with `-`.",
    )
    url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="An OpenAI-compatible server, for the kinds `openai` and `vllm`.",
    )
    adapter: str = Field(
        default="",
        pattern=r"^(?:[a-z0-9]+(?:[._-][a-z0-9]+)*)?$",
        max_length=32,
        description="A folder inside the manifest's folder: a LoRA adapter of the model, as "
        "safetensors. Needs vLLM as a child of the node.",
    )
    api_key: str | None = Field(
        default=None,
        pattern=ENV_REFERENCE,
        description="The key of that server, always as `${env:NAME}`: the manifest names the "
        "environment variable and never holds the secret. No `SYMPHONY_…`: the machine's own.",
    )


class Sampling(_Table):
    """How the model draws its words."""

    temperature: float = Field(
        default=0.7, ge=0, le=2, allow_inf_nan=False, description="0 is greedy."
    )
    top_p: float = Field(
        default=1.0, gt=0, le=1, allow_inf_nan=False, description="Nucleus sampling; 1 is off."
    )
    max_tokens: Annotated[int, Interval(ge=1, le=MAX_TOKENS)] = Field(
        default=512, description="The longest output of one step, in tokens."
    )
    stop: Annotated[tuple[Annotated[str, Len(1, 64)], ...], Len(0, 8)] = Field(
        default=(), description="Texts that end an output."
    )


class Limits(_Table):
    """What the agent takes on, at most. The engine's own limits hold besides."""

    concurrency: Annotated[int, Interval(ge=1, le=MAX_CONCURRENCY)] | None = Field(
        default=None, description="Steps at once; by default as many as the engine serves."
    )
    context_tokens: Annotated[int, Interval(ge=256, le=2**24)] | None = Field(
        default=None, description="Prompt and output together; by default the engine's context."
    )
    privacy: Annotated[tuple[Privacy, ...], Len(1, 3)] = Field(
        default=("local", "swarm", "open"),
        description="Classes of tasks that may be seen by this agent's model: `local` (tasks of "
        "its own node), `swarm` (of members), `open` (of anybody).",
    )


class Spec(_Table):
    """What the agent can do, and with what."""

    skills: Annotated[tuple[SkillSpec, ...], Len(1, MAX_SKILLS_PER_AGENT)] = Field(
        description="What it can do: 1 to 16 skills."
    )
    engine: EngineSpec = Field(description="Which model answers, and what serves it.")
    roles: Annotated[tuple[Role, ...], Len(1, 3)] = Field(
        default=("solve",),
        description="`plan`: splits a task into steps. `solve`: answers a step. `judge`: "
        "compares two answers.",
    )
    instructions: FileName = Field(
        description="The file with the system prompt, inside the manifest's folder, UTF-8, at "
        "most 16 KiB. Short and concrete works best with small models."
    )
    sampling: Sampling = Field(default=Sampling(), description="How the model draws its words.")
    limits: Limits = Field(default=Limits(), description="What the agent takes on, at most.")
    tools: Annotated[tuple[Tool, ...], Len(0, 1)] = Field(
        default=(),
        description="What its model may use: `arithmetic` computes exactly what the model writes "
        "in double square brackets. None by default.",
    )
    probes: FileName | None = Field(
        default=None,
        description="A file of JSON lines inside the manifest's folder: questions with known "
        "answers, which measure the agent.",
    )


class Document(_Table):
    """An agent that a Symphony node hosts: a model, a prompt, skills and limits."""

    api_version: Literal["symphony/v1alpha1"] = Field(
        alias="apiVersion", description="The version of this format."
    )
    kind: Literal["Agent"] = Field(description="What the document describes.")
    metadata: Metadata = Field(description="What the agent is called.")
    spec: Spec = Field(description="What the agent can do, and with what.")


def agent_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a manifest, as editors want it."""
    schema = Document.model_json_schema(by_alias=True)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Symphony agent manifest",
    }
    return head | {key: value for key, value in schema.items() if key != "title"}
