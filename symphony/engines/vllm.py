"""vLLM: where it is on this machine, and the way to a running one.

It speaks OpenAI's protocol, with fields of its own for constraints (`structured_outputs`), a
`/health` that fails when its engine process died, and `/v1/models` that tells the context.
Nothing is probed: these are documented and were tried against vLLM 0.32.

It may lie in an environment of its own, because its pins are heavy (`vllm_install`), or in the
one that Symphony runs in; its own comes first.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import platformdirs

from symphony.engines import limits
from symphony.engines.dialect import VLLM
from symphony.engines.openai import OpenAIEngine
from symphony.errors import ModelError

KIND = "vllm"
ENV_ENGINES = "SYMPHONY_ENGINES"
MARKER = "installed.json"


def attach(
    url: str,
    *,
    model: str | None = None,
    lineage: str | None = None,
    context_tokens: int | None = None,
    concurrency: int = limits.CONCURRENCY,
    api_key: str | None = None,
) -> OpenAIEngine:
    """An engine for the vLLM server at `url`. Nothing is sent before its first use."""
    return OpenAIEngine(
        url,
        model=model,
        kind=KIND,
        lineage=lineage,
        context_tokens=context_tokens,
        concurrency=concurrency,
        dialect=VLLM,
        health_path="/health",
        metrics_path="/metrics",
        api_key=api_key,
    )


def environment() -> Path:
    """The folder of vLLM's own environment: in `SYMPHONY_ENGINES`, or in the user's cache."""
    named = os.environ.get(ENV_ENGINES)
    root = Path(named) if named else Path(platformdirs.user_cache_dir("symphony")) / "engines"
    return root / KIND


def command() -> str | None:
    """The program `vllm`; None where it is not installed."""
    own = environment()
    if (own / MARKER).exists():
        return str(own / "bin" / "vllm")
    return shutil.which("vllm", path=str(Path(sys.executable).parent))


def installed() -> bool:
    """Whether vLLM is on this machine, where Symphony looks for it."""
    return command() is not None


def refuse_options(*words: str) -> None:
    """Raise `ModelError` for a name that vLLM's command line would take for an option: some make
    it import a file.
    """
    for word in words:
        if word.startswith("-"):
            raise ModelError(
                f"{word[:80]!r} would be an option of vLLM's command line, not a model",
                hint="name a model of `symphony model list`, one of the hub, or a folder's path",
            )


def gpu() -> str | None:
    """The kind of GPU whose driver is loaded here: "CUDA", "ROCm" or None."""
    if Path("/proc/driver/nvidia/version").exists():
        return "CUDA"
    return "ROCm" if Path("/dev/kfd").exists() else None
