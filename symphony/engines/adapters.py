"""LoRA adapters of a model: which folders are ones, what they are called, and how one is spoken to.

One vLLM serves a model and all its adapters: the weights are in memory once, and a GPU, of which
each server takes nearly all, could not hold two. The server knows an adapter by a name of its own
beside the model's; an `AdaptedEngine` is the way to one of those names, and everything else of it
(the queue, the process, the counters) is the server's.

What vLLM would refuse at its start is looked for before: a server that does not start is lost to
the agents of the model itself, too.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from symphony.capacity import Load
from symphony.engines import limits
from symphony.engines.audit import Scored
from symphony.engines.base import Description, Engine, Event, Health, Message, Request

CONFIG: Final = "adapter_config.json"
WEIGHTS: Final = "adapter_model.safetensors"
_RANKS: Final = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM 0.32 takes as its largest rank; no adapter may have more than the last."""


class Serving(Engine, Protocol):
    """An engine whose server has adapters beside its model, by names of their own."""

    def generate_as(
        self, model: str, request: Request
    ) -> AbstractAsyncContextManager[AsyncIterator[Event]]: ...
    async def score(
        self, messages: tuple[Message, ...], output: str, *, model: str | None = None
    ) -> Scored: ...
    async def load(self) -> Load: ...


class AdaptedEngine:
    """A model with one of its adapters. Closing it closes nothing: the server is the model's."""

    def __init__(self, server: Serving, name: str) -> None:
        self.server = server
        self.name = name

    async def describe(self) -> Description:
        return replace(await self.server.describe(), model=self.name)

    def generate(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        return self.server.generate_as(self.name, request)

    async def score(self, messages: tuple[Message, ...], output: str) -> Scored:
        """How likely the model with this adapter finds an output that somebody claims it wrote."""
        return await self.server.score(messages, output, model=self.name)

    async def health(self) -> Health:
        return await self.server.health()

    async def load(self) -> Load:
        return await self.server.load()

    async def aclose(self) -> None:
        return None


def refusal_of(folder: Path) -> str | None:
    """Why a folder can't be served as an adapter; None where nothing speaks against it. Weights
    that are not safetensors could be code.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            return f"the adapter {folder.name} has no {name}"
    rank = _rank(folder)
    if rank is None:
        return f"the adapter {folder.name} has no rank `r` from 1 to {_RANKS[-1]} in its {CONFIG}"
    return None


def largest_rank(folders: Iterable[Path]) -> int:
    """The room that the largest of these adapters needs, as vLLM's command line takes it."""
    largest = max((_rank(folder) or 1 for folder in folders), default=1)
    return next(rank for rank in _RANKS if rank >= largest)


def named(model: str, folders: Iterable[Path]) -> dict[str, Path]:
    """The adapters by the names that they are served under: `MODEL:FOLDER`, and a number behind
    it where another folder of that name comes first.
    """
    found: dict[str, Path] = {}
    for folder in sorted(set(folders)):
        name, number = f"{model}:{folder.name}", 1
        while name in found:
            number += 1
            name = f"{model}:{folder.name}-{number}"
        found[name] = folder
    return found


def _rank(folder: Path) -> int | None:
    """The rank of an adapter, or of the part of it that has the largest."""
    try:
        with (folder / CONFIG).open("rb") as file:
            said = json.loads(file.read(limits.ADAPTER_CONFIG_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    of_parts = said.get("rank_pattern") or {}
    ranks = [said.get("r"), *(of_parts.values() if isinstance(of_parts, dict) else [None])]
    real = [one for one in ranks if type(one) is int and 1 <= one <= _RANKS[-1]]
    return max(real) if len(real) == len(ranks) else None
