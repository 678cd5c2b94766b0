"""Which engine, and why: from a specification to an open engine.

`auto` takes the first that can be had: a server whose URL is configured, else vLLM where a GPU,
vLLM and a form of the model that it serves are here, else the embedded llama.cpp. The choice is
made from the specification and from what is installed, never from a network answer, so
`explain_choice` tells exactly what `open_engine` will do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, assert_never

from symphony.engines import (
    adapters,
    converting,
    limits,
    llamacpp,
    models,
    replay,
    vllm,
    vllm_install,
)
from symphony.engines.address import key_headers, read_address, shown_address
from symphony.engines.base import Engine
from symphony.engines.catalog import UNKNOWN_LINEAGE, lookup_model
from symphony.engines.openai import OpenAIEngine
from symphony.engines.supervised import SupervisedEngine
from symphony.engines.vllm_server import VllmEngine, VllmOptions
from symphony.errors import ConfigError, EngineUnavailable, ModelError

Kind = Literal["auto", "vllm", "llamacpp", "openai", "replay"]
Chosen = Literal["vllm", "llamacpp", "openai", "replay"]

DEFAULT_MODEL = "smollm2-135m"
_NEEDS_URL = "the engine kind openai needs the URL of a running server"


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What is asked for. `model` is a catalogue name, a `.gguf` path, the server's own name, or
    `FILE#MODEL` for recorded outputs.

    `concurrency` None takes the engine's default; for llama.cpp it is the number of slots.
    `adapter` is the folder of a LoRA adapter of the model; only a vLLM of ours serves one. `beside`
    are adapters that the same server shall serve for others.
    `nodes_on_machine` divides the cores. `api_key` is the key of the server at `url`, given by
    whoever gave that; it is never taken from an argument list or shown.
    """

    kind: Kind = "auto"
    model: str | None = None
    url: str | None = None
    context_tokens: int | None = None
    concurrency: int | None = None
    nodes_on_machine: int = 1
    adapter: Path | None = None
    beside: tuple[Path, ...] = ()
    api_key: str | None = field(default=None, repr=False)

    @property
    def adapters(self) -> tuple[Path, ...]:
        """All that the server shall serve."""
        return (*self.beside, self.adapter) if self.adapter is not None else self.beside


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The engine that a specification leads to, whether it can be opened, and why."""

    kind: Chosen
    usable: bool
    reasons: tuple[str, ...]


def explain_choice(spec: EngineSpec) -> EngineChoice:
    """Decide without opening anything; for `open_engine`, and for `symphony doctor`."""
    if spec.adapters:
        return _adapted(spec)
    match spec.kind:
        case "vllm" | "openai" if spec.url is not None:
            return _elsewhere(spec.kind, "asked for, at", spec.url, spec.api_key)
        case "openai":
            return EngineChoice("openai", usable=False, reasons=(_NEEDS_URL,))
        case "vllm":
            return _own_vllm(("asked for",), spec.model)
        case "llamacpp":
            return _embedded(("asked for",), spec.model)
        case "replay":
            return _replayed(spec.model)
        case "auto" if spec.url is not None:
            return _elsewhere("openai", "a URL is set:", spec.url, spec.api_key)
        case "auto":
            gpu = vllm.gpu()
            if gpu is None:
                return _embedded(("no CUDA or ROCm GPU was found", "no URL is set"), spec.model)
            served = _own_vllm((f"a {gpu} GPU is here",), spec.model)
            return served if served.usable else _embedded(served.reasons, spec.model)
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
        if isinstance(engine, SupervisedEngine):
            await engine.start()
        if spec.adapter is not None and isinstance(engine, VllmEngine):
            yield engine.adapted(spec.adapter)
        else:
            yield engine
    finally:
        await engine.aclose()


def _make(spec: EngineSpec) -> OpenAIEngine | SupervisedEngine | replay.ReplayEngine:
    choice = explain_choice(spec)
    if spec.adapters and not choice.usable:
        raise ConfigError(choice.reasons[-1], hint="see docs/engines.md about adapters")
    if choice.kind == "replay":
        return replay.open_recording(spec.model or "")
    if choice.kind == "llamacpp":
        return llamacpp.LlamaCppEngine(_llamacpp_options(spec))
    if choice.kind == "vllm" and spec.url is None:
        if not vllm.installed():
            raise EngineUnavailable(choice.reasons[-1], hint="run: symphony engine install vllm")
        return VllmEngine(_vllm_options(spec))
    if spec.url is None:
        raise ConfigError(choice.reasons[0], hint="set engine.url")
    known = lookup_model(spec.model) if spec.model else None
    opened = vllm.attach if choice.kind == "vllm" else OpenAIEngine
    return opened(
        spec.url,
        model=spec.model,
        lineage=known.lineage if known else None,
        context_tokens=spec.context_tokens,
        concurrency=spec.concurrency
        or (limits.VLLM_CONCURRENCY if choice.kind == "vllm" else limits.CONCURRENCY),
        api_key=spec.api_key,
    )


def _vllm_options(spec: EngineSpec) -> VllmOptions:
    wanted = spec.model or DEFAULT_MODEL
    known = lookup_model(wanted)
    context_tokens = spec.context_tokens or limits.CONTEXT_TOKENS
    model = known.name if known else Path(wanted).name
    return VllmOptions(
        weights=converting.weights_for_vllm(wanted),
        model=model,
        lineage=known.lineage if known else UNKNOWN_LINEAGE,
        context_tokens=min(context_tokens, known.context_tokens) if known else context_tokens,
        concurrency=spec.concurrency or limits.VLLM_CONCURRENCY,
        adapters=adapters.named(model, spec.adapters),
        cpu=vllm_install.on_cpu(),
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


def _elsewhere(kind: Chosen, why: str, url: str, api_key: str | None) -> EngineChoice:
    """A server at a URL: are its address and its key such that it can be asked?"""
    try:
        read_address(url)
        key_headers(api_key)
    except ConfigError as error:
        return EngineChoice(kind, usable=False, reasons=(str(error),))
    return EngineChoice(kind, usable=True, reasons=(f"{why} {shown_address(url)}",))


def _own_vllm(reasons: tuple[str, ...], model: str | None) -> EngineChoice:
    """A vLLM of ours: is it installed, and can it serve the model?"""
    if not vllm.installed():
        missing = "vLLM is not installed (symphony engine install vllm)"
        return EngineChoice("vllm", usable=False, reasons=(*reasons, missing))
    wanted = model or DEFAULT_MODEL
    try:
        weights = converting.weights_for_vllm(wanted)
    except ModelError as error:
        return EngineChoice("vllm", usable=False, reasons=(*reasons, str(error)))
    said = (*reasons, "vLLM is installed", f"it serves {wanted} from {weights}")
    return EngineChoice("vllm", usable=True, reasons=said)


def _adapted(spec: EngineSpec) -> EngineChoice:
    """A model with adapters."""
    if spec.url is not None or spec.kind not in ("auto", "vllm"):
        why = "a vLLM of the node serves adapters; a server at a URL names its own as models"
        return EngineChoice("vllm", usable=False, reasons=(why,))
    for adapter in spec.adapters:
        if refused := adapters.refusal_of(adapter):
            return EngineChoice("vllm", usable=False, reasons=(refused,))
    names = ", ".join(sorted(adapter.name for adapter in spec.adapters))
    return _own_vllm((f"adapters need vLLM: {names}",), spec.model)


def _replayed(model: str | None) -> EngineChoice:
    try:
        path, name = replay.split_name(model or "")
    except ConfigError as error:
        return EngineChoice("replay", usable=False, reasons=(str(error),))
    found = f"what {name} said is in {path}" if path.is_file() else f"there is no file {path}"
    return EngineChoice("replay", usable=path.is_file(), reasons=("asked for", found))
