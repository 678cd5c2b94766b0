"""Which engine, and why: from a specification to an open engine.

`auto` takes the first that can be had: a server whose URL is configured, else the embedded
llama.cpp. vLLM is attached by URL; where a GPU and vLLM are found but no URL is set, the
explanation says how to use them. The choice is made from the specification and from what is
installed, never from a network answer, so `explain_choice` tells exactly what `open_engine`
will do.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, assert_never

from symphony.engines import limits, llamacpp, models, vllm
from symphony.engines.base import Engine
from symphony.engines.catalog import UNKNOWN_LINEAGE, lookup_model
from symphony.engines.openai import OpenAIEngine
from symphony.errors import ConfigError, ModelError

Kind = Literal["auto", "vllm", "llamacpp", "openai"]
Chosen = Literal["vllm", "llamacpp", "openai"]

DEFAULT_MODEL = "smollm2-135m"
ENV_API_KEY = "SYMPHONY_ENGINE_API_KEY"


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What is asked for. `model` is a catalogue name, a `.gguf` path, or the server's own name.

    `concurrency` None takes the engine's default; for llama.cpp it is the number of slots.
    `nodes_on_machine` divides the cores. `api_key` None reads `SYMPHONY_ENGINE_API_KEY`; it
    is never taken from an argument list or shown.
    """

    kind: Kind = "auto"
    model: str | None = None
    url: str | None = None
    context_tokens: int | None = None
    concurrency: int | None = None
    nodes_on_machine: int = 1
    api_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The engine that a specification leads to, whether it can be opened, and why."""

    kind: Chosen
    usable: bool
    reasons: tuple[str, ...]


def explain_choice(spec: EngineSpec) -> EngineChoice:
    """Decide without opening anything; for `open_engine`, and for `symphony doctor`."""
    match spec.kind:
        case "vllm" | "openai":
            if spec.url is None:
                return EngineChoice(spec.kind, usable=False, reasons=(_needs_url(spec.kind),))
            return EngineChoice(spec.kind, usable=True, reasons=(f"asked for, at {spec.url}",))
        case "llamacpp":
            return _embedded(("asked for",), spec.model)
        case "auto" if spec.url is not None:
            return EngineChoice("openai", usable=True, reasons=(f"a URL is set: {spec.url}",))
        case "auto":
            return _embedded((*_gpu_reasons(), "no URL is set"), spec.model)
        case _:
            assert_never(spec.kind)


@asynccontextmanager
async def open_engine(spec: EngineSpec) -> AsyncIterator[Engine]:
    """Open the engine of `spec`, and close it, its processes included, on leaving.

    Raises `ConfigError` (a setting is missing), `ModelError` (not pulled, unknown) or
    `EngineUnavailable` (the embedded server does not start). A server given by URL is not
    contacted before its first use.
    """
    engine = _make(spec)
    try:
        if isinstance(engine, llamacpp.LlamaCppEngine):
            await engine.start()
        yield engine
    finally:
        await engine.aclose()


def _make(spec: EngineSpec) -> OpenAIEngine | llamacpp.LlamaCppEngine:
    choice = explain_choice(spec)
    key = spec.api_key or os.environ.get(ENV_API_KEY) or None
    concurrency = spec.concurrency or limits.CONCURRENCY
    if choice.kind == "llamacpp":
        return llamacpp.LlamaCppEngine(_llamacpp_options(spec))
    if spec.url is None:
        raise ConfigError(choice.reasons[0], hint="set engine.url")
    known = lookup_model(spec.model) if spec.model else None
    if choice.kind == "vllm":
        return vllm.attach(
            spec.url,
            model=spec.model,
            lineage=known.lineage if known else None,
            context_tokens=spec.context_tokens,
            concurrency=concurrency,
            api_key=key,
        )
    return OpenAIEngine(
        spec.url,
        model=spec.model,
        lineage=known.lineage if known else None,
        context_tokens=spec.context_tokens,
        concurrency=concurrency,
        api_key=key,
    )


def _llamacpp_options(spec: EngineSpec) -> llamacpp.LlamaCppOptions:
    wanted = spec.model or DEFAULT_MODEL
    weights = models.path(wanted)
    known = lookup_model(wanted)
    if known is not None and known.purpose != "chat":
        raise ModelError(f"{known.name} makes embeddings, no text", hint=f"try: {DEFAULT_MODEL}")
    context_tokens = spec.context_tokens or limits.CONTEXT_TOKENS
    return llamacpp.LlamaCppOptions(
        model_path=weights,
        model=known.name if known else Path(wanted).stem,
        lineage=known.lineage if known else UNKNOWN_LINEAGE,
        context_tokens=min(context_tokens, known.context_tokens) if known else context_tokens,
        slots=spec.concurrency or limits.PARALLEL_SLOTS,
        threads=llamacpp.threads_for(spec.nodes_on_machine),
    )


def _embedded(reasons: tuple[str, ...], model: str | None) -> EngineChoice:
    missing = llamacpp.missing_package()
    found: str
    try:
        found = f"the model {model or DEFAULT_MODEL} is here"
        models.path(model or DEFAULT_MODEL)
        here = True
    except ModelError as error:
        found, here = str(error), False
    said = (*reasons, missing or "llama.cpp is installed", found)
    return EngineChoice("llamacpp", usable=missing is None and here, reasons=said)


def _gpu_reasons() -> tuple[str, ...]:
    gpu = vllm.gpu()
    if gpu is None:
        return ("no CUDA or ROCm GPU was found",)
    if not vllm.installed():
        return (f"a {gpu} GPU is here, but not vLLM",)
    return (
        f"a {gpu} GPU and vLLM are here: run `vllm serve MODEL` and set engine.url to use them",
    )


def _needs_url(kind: str) -> str:
    return f"the engine kind {kind} needs the URL of a running server"
