"""How long a node takes to be ready, and a model to say its first token.

A first start makes and encodes what later ones find in the home, so both are measured, with a small
local model and with a model elsewhere. CPU seconds stand beside those of the clock, because they
change least with what else is at work.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from symphony.testing.engine_bench import CLIENT_S, MANIFEST, MODEL, cpu_ms
from symphony.testing.local_swarm import NodePlan, await_ready, local_swarm, spawn_node, stop_all
from symphony.testing.overhead import server_process


def measure_start() -> dict[str, Any]:
    """A node with a local model until it is ready, and one whose model is elsewhere, for the first
    time and once more; and from nothing to a first token. `cpu_s` is the node's own process: others
    at work don't change it.
    """
    with (
        tempfile.TemporaryDirectory(prefix="symphony-bench-") as scratch,
        server_process("symphony.testing.paced_server") as url,
    ):
        root = Path(scratch)
        local = _until_ready(root / "local", "llamacpp", MODEL, "")
        elsewhere = _until_ready(root / "elsewhere", "openai", "paced", url)
        command = [sys.executable, "-c", _FROM_NOTHING, str(root / "models")]
        began = time.perf_counter()
        subprocess.run(command, check=True, timeout=CLIENT_S)  # noqa: S603 - our own interpreter
        first_s = time.perf_counter() - began
    return {
        **{f"node_ready_{name}": value for name, value in local.items()},
        **{f"echo_node_ready_{name}": value for name, value in elsewhere.items()},
        "first_token_from_nothing_s": round(first_s, 2),
    }


def _until_ready(root: Path, kind: str, model: str, url: str) -> dict[str, float]:
    """Seconds from the start of a node to its ready line, and the CPU seconds that it used; of its
    first start and of its second.
    """
    folder = root / "agent"
    folder.mkdir(parents=True)
    text = MANIFEST.format(kind=kind, model=model, url=url).replace(', url: ""', "")
    (folder / "agent.yaml").write_text(text)
    (folder / "prompt.md").write_text("Answer.\n")
    environment = {"SYMPHONY_AGENTS": str(folder), "SYMPHONY_LOG_LEVEL": "warning"}
    plan = NodePlan("n1", environment)
    began = time.perf_counter()
    with local_swarm(root / "homes", [plan]) as (node,):
        first_s, first_cpu_s = time.perf_counter() - began, cpu_ms(node.process.pid) / 1000
    began = time.perf_counter()
    node = spawn_node(plan, node.home)
    try:
        await_ready(node)
        again_s, again_cpu_s = time.perf_counter() - began, cpu_ms(node.process.pid) / 1000
    finally:
        stop_all([node])
    return {
        "s": round(first_s, 2),
        "cpu_s": round(first_cpu_s, 2),
        "again_s": round(again_s, 2),
        "again_cpu_s": round(again_cpu_s, 2),
    }


_FROM_NOTHING: Final = """
import os, sys
os.environ["SYMPHONY_MODELS"] = sys.argv[1]
import trio
from symphony.engines import EngineSpec, Message, Request, models, open_engine
models.pull("smollm2-135m")
async def main():
    async with open_engine(EngineSpec("llamacpp", model="smollm2-135m")) as engine:
        async with engine.generate(Request((Message("user", "Hi"),), 4, 0.0, 60_000)) as stream:
            await anext(stream)
trio.run(main)
"""
