"""vLLM in a child process of the node: which command, with which flags, and why.

The command comes from vLLM's own environment (`symphony engine install vllm`) or from this one,
whichever has it. On a machine without a GPU the flags work around what was met with vLLM 0.32:
sampling with a seed crashes the server when a prompt is prefilled in pieces, so a whole prompt
must fit into one batch; compiling takes longer there than it ever gives back; and the memory of
the key-value cache has to be named. Cores are left to vLLM, which is three times slower when it
is bound to all of them.

JSON under a schema comes without white space between its parts. Where that is free, as vLLM leaves
it, a small model writes line ends until its tokens are over: SmolLM2 did so in six of six trials
with an object of two values, and in none with this. vLLM takes the option only with a backend that
is named; `guidance` is the one that it falls back to by itself.

LoRA adapters are named at the start and served beside the model under names of their own
(`adapters`): one server for a model and all its adapters.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from symphony.engines import limits, vllm
from symphony.engines.adapters import AdaptedEngine, largest_rank
from symphony.engines.audit import Scored, score
from symphony.engines.base import Description, Message
from symphony.engines.dialect import VLLM
from symphony.engines.openai import OpenAIEngine
from symphony.engines.supervised import ServerPlan, SupervisedEngine
from symphony.errors import EngineUnavailable

_SCRIPT = Path(__file__).with_name("vllm_child.py")
_COMPACT_JSON = json.dumps({"backend": "guidance", "disable_any_whitespace": True})


@dataclass(frozen=True, slots=True)
class VllmOptions:
    """How the server is run. `weights` is a folder in Hugging Face's format, or the name of a
    repository of the hub. `adapters` maps names to LoRA folders.
    """

    weights: str
    model: str
    lineage: str
    context_tokens: int = limits.CONTEXT_TOKENS
    concurrency: int = limits.VLLM_CONCURRENCY
    adapters: dict[str, Path] = field(default_factory=dict)
    cpu: bool = False


class VllmEngine(SupervisedEngine):
    """A vLLM server with one model, owned by this process, and the adapters that it serves."""

    def __init__(self, options: VllmOptions) -> None:
        description = Description(
            engine=vllm.KIND,
            model=options.model,
            lineage=options.lineage,
            context_tokens=options.context_tokens,
            concurrency=options.concurrency,
            features=VLLM.features,
        )
        super().__init__(
            ServerPlan(
                description,
                _SCRIPT,
                partial(_orders, options),
                partial(_connect, options),
                limits.VLLM_START_SECONDS,
                limits.VLLM_GRACE_SECONDS + limits.DYING_SECONDS,
                room=True,
            )
        )

        self._adapted = {
            folder: AdaptedEngine(self, name) for name, folder in options.adapters.items()
        }

    def adapted(self, folder: Path) -> AdaptedEngine:
        """The way to the adapter of that folder, which the options named."""
        return self._adapted[folder]

    async def score(
        self, messages: tuple[Message, ...], output: str, *, model: str | None = None
    ) -> Scored:
        """How likely the model, or an adapter of it by its name, finds an output that somebody
        claims it wrote.
        """
        return await score(await self._ensure(), messages, output, model=model)


def _orders(options: VllmOptions, key: str) -> dict[str, Any]:
    command = vllm.command()
    if command is None:
        raise EngineUnavailable("vLLM is not installed", hint="run: symphony engine install vllm")
    vllm.refuse_options(options.weights, options.model, *options.adapters)
    env = {"VLLM_API_KEY": key, "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    # What torch compiled has to outlive the server: it would be compiled at each start.
    compiled = vllm.environment() / "compiled"
    env["TORCHINDUCTOR_CACHE_DIR"] = os.environ.get("TORCHINDUCTOR_CACHE_DIR", str(compiled))
    if Path(options.weights).is_dir():
        env["HF_HUB_OFFLINE"] = "1"
    if options.cpu:
        env["VLLM_CPU_KVCACHE_SPACE"] = str(limits.VLLM_CPU_CACHE_GIB)
    return {
        "command": [command, "serve", options.weights, *_flags(options)],
        "env": env,
        "grace_s": limits.VLLM_GRACE_SECONDS,
    }


def _flags(options: VllmOptions) -> list[str]:
    flags = ["--served-model-name", options.model]
    flags += ["--max-model-len", str(options.context_tokens)]
    flags += ["--max-num-seqs", str(options.concurrency)]
    flags += ["--structured-outputs-config", _COMPACT_JSON]
    if options.cpu:
        whole = max(options.context_tokens, limits.VLLM_BATCHED_TOKENS)
        flags += ["--dtype", "bfloat16", "--enforce-eager"]
        flags += ["--no-enable-chunked-prefill", "--max-num-batched-tokens", str(whole)]
    if options.adapters:
        named = [f"{name}={path}" for name, path in sorted(options.adapters.items())]
        flags += ["--enable-lora", "--max-lora-rank", str(largest_rank(options.adapters.values()))]
        flags += ["--max-loras", str(min(len(named), limits.VLLM_ADAPTERS_AT_ONCE))]
        flags += ["--lora-modules", *named]
    return flags


def _connect(options: VllmOptions, url: str, key: str) -> OpenAIEngine:
    return vllm.attach(
        url,
        model=options.model,
        lineage=options.lineage,
        context_tokens=options.context_tokens,
        concurrency=options.concurrency,
        api_key=key,
    )
