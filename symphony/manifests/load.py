"""From a file to an agent: read, check everything, and keep what was read.

A manifest is three files in one folder: `agent.yaml`, its prompt and its probes. All three are
read once, checked once, and named together by one digest, which goes into the capability record:
two nodes that host the same digest host the same agent.

Nothing outside the folder is ever read: `instructions` and `probes` are plain relative names, and
a link that leads out is refused. Secrets are not read here at all; a manifest only names the
environment variable (`secret`), so that manifests can be published.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from symphony.errors import ManifestError
from symphony.manifests.positions import Odd, Positions, read_yaml
from symphony.manifests.probes import Probe, parse_probes
from symphony.manifests.schema import (
    ENV_REFERENCE,
    MAX_MANIFEST_BYTES,
    MAX_PROBES_BYTES,
    MAX_PROMPT_BYTES,
    Document,
    EngineSpec,
    Limits,
    Role,
    Sampling,
    SkillSpec,
    Tool,
)
from symphony.spelling import keys_at, suggestion

MANIFEST_NAME = "agent.yaml"
_ENV_MARK = "${env:"


@dataclass(frozen=True, slots=True)
class AgentManifest:
    """An agent as its files describe it. `instructions` is the prompt's text."""

    path: Path
    name: str
    description: str
    labels: Mapping[str, str]
    skills: tuple[SkillSpec, ...]
    engine: EngineSpec
    roles: tuple[Role, ...]
    instructions: str
    sampling: Sampling
    limits: Limits
    tools: tuple[Tool, ...]
    probes: tuple[Probe, ...]
    digest: bytes


def load_manifest(path: Path) -> AgentManifest:
    """Read the agent at `path`: its folder, or its `agent.yaml`.

    Raises `ManifestError`, which names file, line and field, and the next step.
    """
    file = path / MANIFEST_NAME if path.is_dir() else path
    data = _read(file, MAX_MANIFEST_BYTES, str(file))
    values, positions = read_yaml(data, str(file))
    document = _check(_without_own_keys(values, file, positions), file, positions)
    spec, folder = document.spec, file.parent
    prompt = _sibling(folder, spec.instructions, "instructions", file, positions, MAX_PROMPT_BYTES)
    instructions = _prompt_text(prompt, folder / spec.instructions)
    probes_data = b""
    probes: tuple[Probe, ...] = ()
    if spec.probes is not None:
        probes_data = _sibling(folder, spec.probes, "probes", file, positions, MAX_PROBES_BYTES)
        names = tuple(skill.name for skill in spec.skills)
        probes = parse_probes(probes_data, file=str(folder / spec.probes), skills=names)
    return AgentManifest(
        path=file,
        name=document.metadata.name,
        description=document.metadata.description,
        labels=document.metadata.labels,
        skills=spec.skills,
        engine=spec.engine,
        roles=spec.roles,
        instructions=instructions,
        sampling=spec.sampling,
        limits=spec.limits,
        tools=spec.tools,
        probes=probes,
        digest=manifest_digest(data, prompt, probes_data),
    )


def manifest_digest(manifest: bytes, prompt: bytes, probes: bytes) -> bytes:
    """SHA-256 that names an agent: over the very bytes of its three files, each hashed first."""
    parts = b"".join(hashlib.sha256(part).digest() for part in (manifest, prompt, probes))
    return hashlib.sha256(b"symphony/manifest/1\x00" + parts).digest()


def secret(manifest: AgentManifest, environ: Mapping[str, str] | None = None) -> str | None:
    """The engine's API key, read from the variable that the manifest names; None if it names none.

    Raises `ManifestError` when that variable is not set.
    """
    reference = manifest.engine.api_key
    if reference is None:
        return None
    name = reference.removeprefix(_ENV_MARK).removesuffix("}")
    value = (os.environ if environ is None else environ).get(name, "")
    if not value:
        raise ManifestError(
            f"{manifest.path}: spec.engine.api_key: the environment variable {name} is not set",
            hint=f"export {name}=… before starting the node",
        )
    return value


def _read(file: Path, max_bytes: int, where: str) -> bytes:
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe never opens
        with os.fdopen(handle, "rb") as stream:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise ManifestError(f"{where}: is no file", hint=f"ls -l {file}")
            data = stream.read(max_bytes + 1)
    except FileNotFoundError:
        raise ManifestError(f"{where}: no such file", hint=f"create {file.name}") from None
    except OSError as error:
        raise ManifestError(
            f"{where}: can't be read: {error.strerror}", hint=f"ls -l {file}"
        ) from None
    if len(data) > max_bytes:
        raise ManifestError(
            f"{where}: larger than {max_bytes // 1024} KiB", hint="shorten the file"
        )
    return data


def _sibling(
    folder: Path, name: str, field: str, file: Path, positions: Positions, max_bytes: int
) -> bytes:
    """The bytes of a file that must lie inside the manifest's folder."""
    where = f"{file}:{positions.line(('spec', field))}: spec.{field}"
    try:
        target = (folder / name).resolve()
    except (OSError, RuntimeError, ValueError):  # a link to itself; a NUL, half a character
        hint = "put the file beside agent.yaml and name it without a path"
        raise ManifestError(f"{where}: {name!r} names no file", hint=hint) from None
    if Path(name).is_absolute() or not target.is_relative_to(folder.resolve()):
        raise ManifestError(
            f"{where}: {name!r} leads out of the agent's folder",
            hint="put the file beside agent.yaml and name it without a path",
        )
    return _read(target, max_bytes, f"{where}: {folder / name}")


def _prompt_text(data: bytes, file: Path) -> str:
    try:
        text = data.decode().strip()
    except UnicodeDecodeError:
        raise ManifestError(f"{file}: is not UTF-8", hint="save the file as UTF-8") from None
    if not text:
        raise ManifestError(f"{file}: is empty", hint="write what the agent is to do")
    return text


def _without_own_keys(values: Any, file: Path, positions: Positions) -> Any:
    """The document without `x-*` keys. Refuses `${env:…}` where no secret belongs."""

    def clean(value: Any, path: tuple[int | str, ...]) -> Any:
        match value:
            case dict():
                inside = "labels" in path
                return {
                    str(key): clean(inner, (*path, str(key)))
                    for key, inner in value.items()
                    if inside or not str(key).startswith("x-")
                }
            case list():
                return [clean(inner, (*path, index)) for index, inner in enumerate(value)]
            case str() if _ENV_MARK in value and path != ("spec", "engine", "api_key"):
                raise ManifestError(
                    f"{file}:{positions.line(path)}: {_dotted(path)}: ${{env:…}} is for secrets",
                    hint="only spec.engine.api_key may use it; write the value itself",
                )
            case None | bool() | int() | float() | str():
                return value
            case Odd(problem, hint):
                raise ManifestError(
                    f"{file}:{positions.line(path)}: {_dotted(path) or 'it'}: {problem}", hint=hint
                )
            case _:
                raise AssertionError(type(value))

    return clean(values, ())


def _check(values: Any, file: Path, positions: Positions) -> Document:
    if not isinstance(values, dict):
        raise ManifestError(f"{file}:1: is no table of keys", hint="see agents/README.md")
    try:
        document = Document.model_validate_json(json.dumps(values))
    except ValidationError as error:
        first = _telling(error)
        path = first["loc"]
        line = positions.line(path)
        if first["type"] == "extra_forbidden":
            raise ManifestError(
                f"{file}:{line}: {_dotted(path)}: unknown key",
                hint=suggestion(str(path[-1]), keys_at(Document, path[:-1])),
            ) from None
        raise ManifestError(
            f"{file}:{line}: {_dotted(path)}: {_plainly(path, first)}", hint=_wanted(path)
        ) from None
    _refuse_the_machines_key(document, file, positions)
    listed: dict[str, list[str]] = {
        "skills": [skill.name for skill in document.spec.skills],
        "roles": list(document.spec.roles),
        "limits.privacy": list(document.spec.limits.privacy),
    }
    for field, names in listed.items():
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            line = positions.line(("spec", *field.split(".")))
            raise ManifestError(
                f"{file}:{line}: spec.{field}: {twice!r} stands there twice", hint="remove one"
            )
    return document


def _refuse_the_machines_key(document: Document, file: Path, positions: Positions) -> None:
    """A manifest names its own key. Settings are read whatever the case of their names is."""
    path = ("spec", "engine", "api_key")
    name = (document.spec.engine.api_key or "").removeprefix(_ENV_MARK)
    if name.upper().startswith("SYMPHONY_"):
        raise ManifestError(
            f"{file}:{positions.line(path)}: {_dotted(path)}: SYMPHONY_… are machine settings",
            hint="name another variable; the machine's own key goes to its engine.url by itself",
        )


def _telling(error: ValidationError) -> Any:
    """The error to show: a misspelt key explains the missing one, so it goes first."""
    errors = error.errors(include_url=False)
    return next((item for item in errors if item["type"] == "extra_forbidden"), errors[0])


def _plainly(path: tuple[int | str, ...], error: Any) -> str:
    """What is wrong, in words. What may hold a secret is never repeated, not even a wrong one."""
    if error["type"] == "missing":
        return "is missing"
    if error["type"] == "string_pattern_mismatch" and path[-1] == "api_key":
        return f"must look like ${{env:NAME}} (pattern {ENV_REFERENCE})"
    given = error["input"]
    secret_like = path[-1] in ("api_key", "url")
    shown = "" if isinstance(given, dict | list) or secret_like else f", not {given!r:.80}"
    message: str = error["msg"]
    return message[0].lower() + message[1:] + shown


def _wanted(path: tuple[int | str, ...]) -> str:
    """The description of the field at `path`, or of what is around it."""
    model: Any = Document
    found = "see agents/README.md"
    for part in path:
        if isinstance(part, int):
            continue
        for name, field in getattr(model, "model_fields", {}).items():
            if part in (name, field.alias):
                found = f"{part}: {field.description}"
                model = _inner(field.annotation)
    return found


def _inner(annotation: Any) -> Any:
    args = getattr(annotation, "__args__", ())
    return next((arg for arg in args if hasattr(arg, "model_fields")), annotation)


def _dotted(path: tuple[int | str, ...]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
