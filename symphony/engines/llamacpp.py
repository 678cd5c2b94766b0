"""The embedded engine: llama.cpp's own server in a child process, for every laptop.

The child is `symphony.engines.llamacpp_child`; `symphony.engines.supervised` keeps it alive. Its
threads are this machine's cores divided by the nodes that share them: OpenMP teams that
outnumber the cores make co-located nodes ten times slower.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from symphony.engines import limits
from symphony.engines.base import Description
from symphony.engines.dialect import LLAMACPP
from symphony.engines.openai import OpenAIEngine
from symphony.engines.supervised import ServerPlan, SupervisedEngine
from symphony.errors import EngineUnavailable

KIND = "llamacpp"
_SCRIPT = Path(__file__).with_name("llamacpp_child.py")


def threads_for(nodes_on_machine: int) -> int:
    """The threads of one node's engine on a machine that `nodes_on_machine` nodes share."""
    return max(1, len(os.sched_getaffinity(0)) // max(1, nodes_on_machine))


def missing_package() -> str | None:
    """Why this engine can't run here; None when it can."""
    if importlib.util.find_spec("xllamacpp") is None:
        return "the package xllamacpp is not installed (pip install 'symphony-swarm[local]')"
    return None


@dataclass(frozen=True, slots=True)
class LlamaCppOptions:
    """How the server is run. `context_tokens` is per slot."""

    model_path: Path
    model: str
    lineage: str
    context_tokens: int = limits.CONTEXT_TOKENS
    slots: int = limits.PARALLEL_SLOTS
    threads: int = 1


class LlamaCppEngine(SupervisedEngine):
    """llama.cpp's server with one model, owned by this process."""

    def __init__(self, options: LlamaCppOptions) -> None:
        description = Description(
            engine=KIND,
            model=options.model,
            lineage=options.lineage,
            context_tokens=options.context_tokens,
            concurrency=options.slots,
            features=LLAMACPP.features,
        )
        super().__init__(
            ServerPlan(description, _SCRIPT, partial(_orders, options), partial(_connect, options))
        )


def _orders(options: LlamaCppOptions, key: str) -> dict[str, Any]:
    if missing := missing_package():
        raise EngineUnavailable(missing, hint="or set engine.url to a server you run")
    return {
        "model": str(options.model_path),
        "alias": options.model,
        "key": key,
        "slots": options.slots,
        "context_tokens": options.context_tokens,
        "threads": options.threads,
        "http_threads": options.slots + limits.HTTP_THREADS,
        "cache_ram_mib": limits.CACHE_RAM_MIB,
    }


def _connect(options: LlamaCppOptions, url: str, key: str) -> OpenAIEngine:
    return OpenAIEngine(
        url,
        model=options.model,
        kind=KIND,
        lineage=options.lineage,
        context_tokens=options.context_tokens,
        concurrency=options.slots,
        dialect=LLAMACPP,
        health_path="/health",
        metrics_path="/metrics",
        api_key=key,
    )
