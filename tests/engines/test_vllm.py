"""vLLM for real: the contract, audits, a swarm on top of it, and nothing left behind.

`make test-vllm` installs it, converts the models and runs this and its two neighbours: a node with
a vLLM of its own (`test_vllm_node`), and the larger model (`test_vllm_qwen`). A server takes half a
minute to start on two idle cores, so one serves every check of a file, and is killed by the last.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import trio

from symphony.engines import vllm_install
from symphony.engines.base import Feature, Message
from symphony.engines.vllm_server import VllmEngine, VllmOptions
from symphony.testing.engine_contract import CHECKS, said
from symphony.testing.local_swarm import NodePlan, local_swarm

from .subjects import kill_9, of_ours
from .vllm_stage import PATIENCE_MS, alive, litter, segments

pytestmark = [pytest.mark.real, pytest.mark.slow]

MODEL = "smollm2-135m"
_MANIFEST = """\
apiVersion: symphony/v1alpha1
kind: Agent
metadata: {{name: solver}}
spec:
  skills: [{{name: facts, description: "answers short questions about the world"}}]
  engine: {{kind: {kind}, model: smollm2-135m{url}}}
  roles: [solve]
  instructions: prompt.md
  sampling: {{max_tokens: 24}}
"""


async def test_all_that_vllm_promises(smollm2_for_vllm: Path, tmp_path: Path) -> None:
    weights = str(smollm2_for_vllm)
    options = VllmOptions(weights, MODEL, "smollm2", concurrency=4, cpu=vllm_install.on_cpu())
    engine = VllmEngine(options)
    before = litter()
    with trio.fail_after(PATIENCE_MS / 1000):
        await engine.start()

    async def kill() -> None:
        (server,) = psutil.Process(engine.pid).children()
        server.kill()

    subject = replace(of_ours(engine, slots=4), patience_ms=PATIENCE_MS, kill=kill)
    *checks, death = CHECKS
    try:
        assert {Feature.REGEX, Feature.PROMPT_LOGPROBS} <= (await engine.describe()).features
        for check in checks:
            try:
                await check(subject)
            except Exception as error:
                error.add_note(f"in {check.__name__}")
                raise
        await audits(engine)
        await loads(engine)
        assert engine._client is not None
        url, key = str(engine._client._client.base_url), engine._key
        await trio.to_thread.run_sync(swarm_of_three, tmp_path, url, key)
        family = psutil.Process(engine.pid).children(recursive=True)
        assert len(family) > 1, "vLLM runs several processes"
        first = segments() - before
        assert first
        await death(subject)
        assert not await trio.to_thread.run_sync(alive, family), "the killed server's are gone"
        assert not first & segments(), "its shared memory, too"
        family = psutil.Process(engine.pid).children(recursive=True)
        await kill_9(engine)  # the leash itself: the next use, or the end, clears up behind it
    finally:
        await engine.aclose()
    assert not await trio.to_thread.run_sync(alive, family)
    assert litter() <= before, "no shared memory, no sockets"


async def audits(engine: VllmEngine) -> None:
    """The model knows its own words from those of a stranger."""
    messages = (Message("user", "What is the capital of France?"),)
    subject = of_ours(engine, slots=4)
    own = await said(engine, replace(subject.ask(max_tokens=12), messages=messages))
    honest = await engine.score(messages, own)
    forged = await engine.score(messages, "zebra seven violin quickly under")
    assert honest.first_ppm > 700_000
    assert forged.first_ppm < 300_000
    assert honest.mean_logprob > forged.mean_logprob + 1


async def loads(engine: VllmEngine) -> None:
    found = await engine.load()
    assert (found.running, found.queued, found.waiting) == (0, 0, 0)
    assert found.completion_tokens is not None
    assert found.completion_tokens > 0
    assert found.memory_bytes is not None
    assert found.memory_bytes > 500_000_000


def swarm_of_three(root: Path, url: str, key: str) -> None:
    """Two nodes behind vLLM, one behind llama.cpp; each owns a chain of one task."""
    plans = []
    for name, kind in (("n1", "llamacpp"), ("n2", "vllm"), ("n3", "vllm")):
        folder = root / "agents" / name
        folder.mkdir(parents=True)
        where = f', url: "{url}", api_key: "${{env:SERVER_KEY}}"' if kind == "vllm" else ""
        (folder / "agent.yaml").write_text(_MANIFEST.format(kind=kind, url=where))
        (folder / "prompt.md").write_text("Answer in one short line.\n")
        environment = {"SYMPHONY_AGENTS": str(folder), "SYMPHONY_LOG_LEVEL": "warning"}
        plans.append(NodePlan(name, {**environment, "SERVER_KEY": key}))
    with local_swarm(root / "homes", plans) as nodes, nodes[0].client(300) as client:
        known = client.get("/api/agents").json()["agents"]
        assert sorted(agent["engine"] for agent in known) == ["llamacpp", "vllm", "vllm"]
        owners: set[str] = set()
        for question in ("Name a colour.", "Name an animal.", "Name a river."):
            body = {"prompt": question, "plan": "never", "chains": 3, "deadline_ms": 240_000}
            answer = client.post("/api/tasks?wait=true", content=json.dumps(body))
            ended = answer.json()
            assert ended["outcome"] in ("answered", "not_certified"), ended
            owners |= {ballot["owner"] for ballot in ended["ballots"]}
        assert len(owners) >= 2, "the work was spread"
