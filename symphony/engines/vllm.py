"""vLLM, attached by its URL: the engine for GPUs.

It speaks OpenAI's protocol, with fields of its own for constraints (`structured_outputs`), a
`/health` that fails when its engine process died, and `/v1/models` that tells the context.
Nothing is probed: these are documented and were tried against vLLM 0.32. Sampling with a seed
crashes vLLM on CPUs when a prompt is prefilled in chunks; start it with
`--no-enable-chunked-prefill` there.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from symphony.engines import limits
from symphony.engines.dialect import VLLM
from symphony.engines.openai import OpenAIEngine

KIND = "vllm"


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
        api_key=api_key,
    )


def installed() -> bool:
    """Whether vLLM is in this environment."""
    return importlib.util.find_spec("vllm") is not None


def gpu() -> str | None:
    """The kind of GPU whose driver is loaded here: "CUDA", "ROCm" or None."""
    if Path("/proc/driver/nvidia/version").exists():
        return "CUDA"
    return "ROCm" if Path("/dev/kfd").exists() else None
