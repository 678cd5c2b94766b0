"""Probes: questions with known answers, which say how good an agent really is.

One JSON object a line, so that a file can be cut and joined with ordinary tools:

    {"prompt": "What is 17 + 25?", "answer": "42", "type": "number", "skill": "math.arithmetic"}

`skill` may be left out: it is then the agent's first. An answer must be one that its type can
have, because a probe with a wrong answer key makes a good agent look bad for ever.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Literal

from annotated_types import Len
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from symphony.errors import ManifestError
from symphony.manifests.schema import MAX_PROBES
from symphony.spelling import keys_at, suggestion

_NUMBER = re.compile(r"[+-]?\d{1,30}(?:\.\d{1,30})?(?:/\d{1,30})?")


class Probe(BaseModel):
    """One question with its known answer."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    prompt: Annotated[str, Len(1, 4000)]
    answer: Annotated[str, Len(1, 1000)]
    type: Literal["text", "number", "boolean", "choice", "expression"] = "text"
    choices: Annotated[tuple[Annotated[str, Len(1, 300)], ...], Len(0, 64)] = ()
    skill: str = Field(default="", max_length=64)

    @model_validator(mode="after")
    def _answerable(self) -> Probe:
        match self.type:
            case "number":
                if not _NUMBER.fullmatch(self.answer):
                    raise ValueError(f"the answer {self.answer!r} is no number")
            case "boolean":
                if self.answer not in ("true", "false"):
                    raise ValueError('the answer of a boolean is "true" or "false"')
            case "choice":
                if self.answer not in self.choices:
                    raise ValueError(f"the answer {self.answer!r} is none of the choices")
            case "text" | "expression":
                pass
        if self.choices and self.type != "choice":
            raise ValueError('choices need "type": "choice"')
        return self


def parse_probes(data: bytes, *, file: str, skills: tuple[str, ...]) -> tuple[Probe, ...]:
    """All probes of a file. Raises `ManifestError` with file, line and field."""
    probes: list[Probe] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        probe = _parse(line, f"{file}:{number}", skills)
        if probe.prompt in seen:
            raise ManifestError(
                f"{file}:{number}: prompt: the same question as on line {seen[probe.prompt]}",
                hint="remove one of them",
            )
        seen[probe.prompt] = number
        probes.append(probe)
        if len(probes) > MAX_PROBES:
            raise ManifestError(f"{file}: more than {MAX_PROBES} probes", hint="keep the best ones")
    if not probes:
        raise ManifestError(f"{file}: no probe in it", hint="add one, or remove `probes`")
    return tuple(probes)


def _parse(line: bytes, where: str, skills: tuple[str, ...]) -> Probe:
    try:
        probe = Probe.model_validate_json(line)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        first = next((item for item in errors if item["type"] == "extra_forbidden"), errors[0])
        field = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise ManifestError(
                f"{where}: unknown key {field!r}", hint=suggestion(field, keys_at(Probe, ()))
            ) from None
        message = first["msg"].removeprefix("Value error, ")
        raise ManifestError(
            f"{where}: {field + ': ' if field else ''}{message}",
            hint=f"a probe looks like {json.dumps(_EXAMPLE)}",
        ) from None
    skill = probe.skill or skills[0]
    if skill not in skills:
        raise ManifestError(
            f"{where}: skill: this agent has no skill {skill!r}", hint=suggestion(skill, skills)
        )
    return probe.model_copy(update={"skill": skill})


_EXAMPLE = {"prompt": "What is 17 + 25?", "answer": "42", "type": "number"}
