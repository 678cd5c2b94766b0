"""A model server that is killed under a node at work: the step goes on elsewhere, or here with a
new server; the node stays, and nothing of the dead one is left.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from ledger import parse_did_key
from symphony.testing.local_swarm import LocalNode, NodePlan, local_swarm
from symphony.testing.template import forked

pytestmark = pytest.mark.real

_MANIFEST = """\
apiVersion: symphony/v1alpha1
kind: Agent
metadata: {name: teller}
spec:
  skills: [{name: stories, description: "tells stories"}]
  engine: {kind: llamacpp, model: smollm2-135m}
  roles: [solve]
  instructions: prompt.md
  limits: {privacy: [local, swarm]}
"""
TASK = {"prompt": "Tell a story about a fox.", "plan": "never", "chains": 1, "max_tokens": 4}
LONG = 60  # tokens: about a second
WAIT_S = 60.0
SOON_S = 5.0


@dataclass(frozen=True)
class Held:
    """What a node holds of its machine: its model server, files and pipes, and the ports that the
    two listen on. `joined` are the ports at the other ends of the node's connections.
    """

    pid: int
    files: int
    listening: frozenset[int]
    joined: frozenset[int]


def server_of(node: LocalNode) -> psutil.Process:
    """The one child of a node: the model server."""
    (server,) = psutil.Process(node.process.pid).children(recursive=True)
    assert isinstance(server, psutil.Process)
    return server


def held(node: LocalNode) -> Held:
    process, server = psutil.Process(node.process.pid), server_of(node)
    lines = [*process.net_connections("tcp"), *server.net_connections("tcp")]
    listening = {line.laddr.port for line in lines if line.status == psutil.CONN_LISTEN}
    joined = {line.raddr.port for line in process.net_connections("tcp") if line.raddr}
    files = [file.readlink() for file in Path(f"/proc/{process.pid}/fd").iterdir()]
    kept = sum(not str(file).startswith("socket:") for file in files)
    return Held(server.pid, kept, frozenset(listening), frozenset(joined))


def events(node: LocalNode, **more: Any) -> Iterator[dict[str, Any]]:
    """One task, from its first event to its verdict."""
    with node.client(WAIT_S) as client:
        task = client.post("/api/tasks", json={**TASK, **more}).json()["id"]
        with client.stream("GET", f"/api/tasks/{task}/events") as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line[6:])


def struck(node: LocalNode, owner: Callable[[str], LocalNode], **more: Any) -> list[dict[str, Any]]:
    """Kill the owner's model server at its first word; the failovers, and the verdict."""
    dead: psutil.Process | None = None
    told = []
    for event in events(node, max_tokens=LONG, **more):
        if event["type"] == "token" and dead is None:
            dead = server_of(owner(event["owner"]))
            dead.kill()
        if event["type"] in ("failover", "verdict"):
            told.append(event)
    assert dead is not None, "the story was over before it began"
    psutil.wait_procs([dead], timeout=SOON_S)
    assert not dead.is_running(), "the node has buried it"
    return told


@pytest.fixture
def pair(smollm2: Path, tmp_path: Path) -> Iterator[list[LocalNode]]:
    del smollm2
    folder = tmp_path / "teller"
    folder.mkdir()
    (folder / "agent.yaml").write_text(_MANIFEST)
    (folder / "prompt.md").write_text("Answer.\n")
    environment = {
        "SYMPHONY_AGENTS": str(folder),
        "SYMPHONY_LOG_LEVEL": "warning",
        "SYMPHONY_ENGINE_NODES_ON_MACHINE": "2",
    }
    plans = [NodePlan(name, environment) for name in ("n1", "n2")]
    with local_swarm(tmp_path, plans, forked) as nodes:
        yield nodes


def test_a_model_server_is_killed_under_its_node(pair: list[LocalNode]) -> None:
    by_owner = {parse_did_key(node.node).hex(): node for node in pair}
    list(events(pair[0], privacy="local"))  # opens what a node keeps open
    list(events(pair[1], privacy="local"))
    before = [held(node) for node in pair]

    failover, verdict = struck(pair[0], by_owner.__getitem__)
    assert failover["reason"].startswith("engine_unavailable: ")
    assert (verdict["outcome"], verdict["owner_failovers"]) == ("answered", 1)
    assert verdict["ballots"][0]["owner"] != failover["owner"], "the next bidder has done it"

    failover, verdict = struck(pair[0], lambda _: pair[0], privacy="local")
    assert (verdict["outcome"], verdict["owner_failovers"]) == ("answered", 1)
    assert verdict["ballots"][0]["owner"] == failover["owner"], "there was nobody else to ask"

    for node, was in zip(pair, before, strict=True):
        for server in psutil.Process(node.process.pid).children():  # none, after the last blow
            server.kill()
        *_, verdict = events(node, privacy="local")
        assert (verdict["outcome"], verdict["owner_failovers"]) == ("answered", 0)
        now = held(node)
        dead = was.listening - now.listening
        assert (len(dead), len(now.listening)) == (1, len(was.listening))
        assert not dead & now.joined, "nothing is connected to where it was"
        assert now.files == was.files, "its pipes and its last words are closed"
    with pair[0].client(WAIT_S) as client:
        counted = client.get("/metrics").text
    for name in ("up", "tokens_total", "memory_bytes", "running"):
        assert f'symphony_engine_{name}{{engine="llamacpp",model="smollm2-135m"}}' in counted
    servers = [server_of(node) for node in pair]
    for node in pair:
        node.process.terminate()
    gone, left = psutil.wait_procs(servers, timeout=10)
    assert (len(gone), left) == (2, [])
