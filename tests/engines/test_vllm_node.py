"""A node that runs vLLM as its own child, with a LoRA agent beside the model's, and its bad day.

One server is started from two manifests and serves both agents; it is killed while it writes, and
what the node announces, shows and leaves behind is looked at from outside.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from symphony.testing.local_swarm import LocalNode, NodePlan, local_swarm

from .vllm_stage import PATIENCE_MS, alive, litter, segments, write_adapter

pytestmark = [pytest.mark.real, pytest.mark.slow]

MODEL = "smollm2-135m"
ADAPTED = "smollm2-135m:poet"
PATIENCE_S = PATIENCE_MS / 1000
_MANIFEST = """\
apiVersion: symphony/v1alpha1
kind: Agent
metadata: {{name: {name}}}
spec:
  skills: [{{name: {skill}, description: "{skill}: answers in one line"}}]
  engine: {{kind: vllm, model: smollm2-135m{adapter}}}
  roles: [solve]
  instructions: prompt.md
  sampling: {{temperature: 0, max_tokens: 24}}
"""
_SAMPLE = re.compile(
    r'^symphony_engine_(\w+)\{engine="vllm",model="([^"]+)"\} (\S+)$', re.MULTILINE
)
SCHEMA = {
    "type": "object",
    "properties": {"line": {"type": "string", "maxLength": 20}, "feet": {"enum": [4, 5, 6]}},
    "required": ["line", "feet"],
    "additionalProperties": False,
}


@pytest.fixture
def before() -> set[Path]:
    """What lay about on this machine before the node came."""
    return litter()


@pytest.fixture
def node(smollm2_for_vllm: Path, tmp_path: Path) -> Iterator[LocalNode]:
    agents = tmp_path / "agents"
    agents.mkdir()
    kinds = (("teller", "stories", ""), ("rhymer", "poems", ", adapter: poet"))
    for name, skill, adapter in kinds:
        (agents / name).mkdir()
        text = _MANIFEST.format(name=name, skill=skill, adapter=adapter)
        (agents / name / "agent.yaml").write_text(text)
        (agents / name / "prompt.md").write_text("Answer in one short line.\n")
    write_adapter(agents / "rhymer" / "poet", smollm2_for_vllm)
    environment = {
        "SYMPHONY_AGENTS": str(agents),
        "SYMPHONY_LOG_LEVEL": "warning",
        "SYMPHONY_ENGINE_SELF_TEST_AFTER_S": "0",
    }
    plans = [NodePlan("n1", environment)]
    with local_swarm(tmp_path / "homes", plans, ready_s=PATIENCE_S) as (only,):
        yield only


def test_a_node_with_a_vllm_of_its_own(before: set[Path], node: LocalNode) -> None:
    process = psutil.Process(node.process.pid)
    with node.client(PATIENCE_S) as client:
        announces_both(client)
        family = process.children(recursive=True)
        (server,) = [one for one in family if "serve" in one.cmdline()]
        assert "--lora-modules" in server.cmdline(), "one server, for the model and its adapter"
        adapter_differs(client)
        shows_what_vllm_counts(client)
        own = held_by(family)
        assert own, "vLLM's processes share memory"

        ended = struck(client, server)
        assert (ended["outcome"], ended["owner_failovers"]) == ("answered", 1), ended
        assert not alive(family), "every process of the killed server is gone"
        assert not own & segments(), "and its shared memory"
        assert node.alive
        assert process.is_running()
        adapter_differs(client)
        shows_what_vllm_counts(client)

    family = process.children(recursive=True)
    assert held_by(family)
    assert litter() - before - segments(), "while it runs, its sockets have a folder"
    node.process.terminate()
    assert not alive([process, *family]), "nothing outlives the node"
    assert litter() <= before, "nor do its files and its shared memory"


def held_by(family: list[psutil.Process]) -> set[Path]:
    """The shared memory of these processes, whoever else runs a vLLM here."""
    mapped = "".join(Path(f"/proc/{one.pid}/maps").read_text() for one in family)
    return {segment for segment in segments() if str(segment) in mapped}


def announces_both(client: httpx2.Client) -> None:
    """In the signed records, and among the gateway's models."""
    known = client.get("/api/agents").json()["agents"]
    told = {one["agent"]: (one["engine"], one["model"], one["lineage"]) for one in known}
    assert told == {"teller": ("vllm", MODEL, "smollm2"), "rhymer": ("vllm", ADAPTED, "smollm2")}
    entries = client.get("/api/ledger").json()["entries"]
    written = json.dumps([one["body"] for one in entries if one["kind"] == "capability"])
    assert f'"{MODEL}"' in written
    assert f'"{ADAPTED}"' in written
    served = {one["id"] for one in client.get("/v1/models").json()["data"]}
    assert {MODEL, ADAPTED} <= served


def completion(client: httpx2.Client, model: str, **more: Any) -> str:
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    body = {"model": model, "messages": messages, "temperature": 0, "max_tokens": 16, **more}
    answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["choices"][0]["message"]["content"])


def adapter_differs(client: httpx2.Client) -> None:
    """Greedy, so that what differs is the adapter; and it leaves the model as it was."""
    plain, adapted = (completion(client, model) for model in (MODEL, ADAPTED))
    assert "Paris" in plain
    assert adapted != plain
    assert completion(client, MODEL) == plain
    # A model this small fills an object with white space where the server lets it.
    wanted = {"type": "json_schema", "json_schema": {"name": "line", "schema": SCHEMA}}
    for model in (MODEL, ADAPTED):
        value = json.loads(completion(client, model, response_format=wanted, max_tokens=80))
        assert value["feet"] in (4, 5, 6)
        assert len(value["line"]) <= 20


def shown(client: httpx2.Client) -> dict[str, float]:
    """The node's own series of its one engine."""
    found = _SAMPLE.findall(client.get("/metrics").text)
    assert {model for _, model, _ in found} == {MODEL}, "one server, told once"
    return {name: float(value) for name, _, value in found}


def shows_what_vllm_counts(client: httpx2.Client) -> None:
    before = shown(client)
    assert before["up"] == 1
    assert before["running"] == before["queued"] == before["waiting"] == 0
    assert before["memory_bytes"] > 500_000_000
    assert 0 <= before["cache_ratio"] < 1
    completion(client, ADAPTED, max_tokens=5)
    after = shown(client)
    assert 1 <= after["tokens_total"] - before["tokens_total"] <= 5
    assert after["prompt_tokens_total"] > before["prompt_tokens_total"]


def struck(client: httpx2.Client, server: psutil.Process) -> dict[str, Any]:
    """A task whose model server gets a SIGKILL at its first word; the verdict on it."""
    body = {
        "prompt": "Tell a long story about a fox.",
        "plan": "never",
        "chains": 1,
        "skill": "stories",
        "max_tokens": 300,
        "deadline_ms": 600_000,
    }
    task = client.post("/api/tasks", json=body).json()["id"]
    with client.stream("GET", f"/api/tasks/{task}/events") as stream:
        for line in stream.iter_lines():
            if not line.startswith("data: "):
                continue
            event = json.loads(line[6:])
            if event["type"] == "token" and server.is_running():
                server.kill()
            if event["type"] == "failover":
                assert event["reason"].startswith("engine_unavailable: ")
            if event["type"] == "verdict":
                return dict(event)
    raise AssertionError("the events ended without a verdict")
