"""The cast of these tests: five real nodes on loopback, and two model servers without a model.

`n1` founds the swarm, plans, and is where most tests ask. What an agent is for is said by its
skill, and a task chooses by it:

    QUICK   n1 … n5   answers at once
    SLOW    n2 … n4   takes `SLOW_MS`, word by word: time enough to kill its node
    NEVER   n2, n3    says half a word and then no more: only an abort ends it

No embedder: skills are compared by their words, and the nodes open in half the time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from ledger import parse_did_key
from ledger.sqlite import SqliteStore
from symphony.identity import read_swarm
from symphony.testing.local_swarm import LocalNode, NodePlan, await_ready, spawn_node
from symphony.testing.overhead import echo_server
from symphony.testing.template import forked

FAST_MS, SLOW_MS = 20, 1500
QUICK, SLOW, NEVER = "quick answers", "sleepy poetry", "endless meditation"
WORDS = "ANSWER: one two three four five six seven eight"
RUN_S = 60.0
POLL_S = 0.02

_MANIFEST = """\
apiVersion: symphony/v1alpha1
kind: Agent
metadata: {{name: {name}}}
spec:
  skills: [{{name: {name}, description: "{skill}"}}]
  engine: {{kind: openai, model: {model}, url: "{url}"}}
  roles: [{role}]
  instructions: prompt.md
  limits: {{concurrency: 8, privacy: [{privacy}]}}
"""

_HOSTED = {
    "n1": ("planner", "quick"),
    "n2": ("planner", "quick", "slow", "never"),
    "n3": ("quick", "slow", "never"),
    "n4": ("quick", "slow"),
    "n5": ("quick",),
}

Event = dict[str, Any]


@dataclass(slots=True)
class Stage:
    """The running swarm. `engines` are the base URLs of the fast and the slow server."""

    root: Path
    fast: str
    slow: str
    nodes: list[LocalNode] = field(default_factory=list)

    def __getitem__(self, name: str) -> LocalNode:
        return next(node for node in self.nodes if node.name == name)

    def plans(self) -> list[NodePlan]:
        """The settings of the five nodes; writes their manifests."""
        agents = self.root / "agents"
        url_of = {"slow": self.slow, "never": self.slow}
        skill_of = {"quick": QUICK, "slow": SLOW, "never": NEVER, "planner": "planning"}
        for name, skill in skill_of.items():
            (agents / name).mkdir(parents=True)
            (agents / name / "prompt.md").write_text("Repeat.\n")
            manifest = _MANIFEST.format(
                name=name,
                skill=skill,
                model="echo-stall" if name == "never" else "echo",
                url=url_of.get(name, self.fast),
                role="plan" if name == "planner" else "solve",
                # Nobody may see an open task, and no planner a local one.
                privacy="swarm" if name == "planner" else "local, swarm",
            )
            (agents / name / "agent.yaml").write_text(manifest)
        return [
            NodePlan(name, bare(agents=[agents / agent for agent in hosted], root=self.root))
            for name, hosted in _HOSTED.items()
        ]

    def restart(self, name: str) -> LocalNode:
        """Start a node again in its home; whom it dials, it knows by itself."""
        place = next(i for i, node in enumerate(self.nodes) if node.name == name)
        hosted = [self.root / "agents" / agent for agent in _HOSTED[name]]
        plan = NodePlan(name, bare(agents=hosted, root=self.root))
        node = spawn_node(plan, self.nodes[place].home, start=forked)
        self.nodes[place] = node
        await_ready(node)
        return node

    def owner(self, event: Event) -> LocalNode:
        """The node that an event names as the owner."""
        return next(n for n in self.nodes if parse_did_key(n.node).hex() == event["owner"])


def bare(*, agents: Sequence[Path], root: Path) -> dict[str, str]:
    """The environment of a node: these agents, no models, little to say."""
    return {
        "SYMPHONY_AGENTS": ",".join(str(folder) for folder in agents),
        "SYMPHONY_MODELS": str(root / "no-models"),
        "SYMPHONY_LOG_LEVEL": "warning",
        "SYMPHONY_GATEWAY_PORT": "0",
    }


@contextmanager
def servers(root: Path) -> Iterator[Stage]:
    with echo_server(FAST_MS) as fast, echo_server(SLOW_MS) as slow:
        yield Stage(root, fast, slow)


def ask(node: LocalNode, prompt: str = "ANSWER: 42", **options: Any) -> Event:
    """One task at one node, to its verdict; a quick one unless the options say otherwise."""
    body = {"prompt": prompt, "skill": QUICK, **options}
    with node.client(RUN_S) as client:
        response = client.post("/api/tasks?wait=true", json=body)
        assert response.status_code == 200, response.text
        verdict: Event = response.json()
        return verdict


def watch(node: LocalNode, prompt: str, **options: Any) -> Iterator[Event]:
    """Submit a task and yield its events as they come, the verdict last."""
    with node.client(RUN_S) as client:
        task = client.post("/api/tasks", json={"prompt": prompt, **options}).json()["id"]
        with client.stream("GET", f"/api/tasks/{task}/events") as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line[6:])


def receipt_of(node: LocalNode, verdict: Event) -> bytes:
    with node.client(RUN_S) as client:
        return client.get(f"/api/receipts/{verdict['receipt']}").raise_for_status().content


def stats(url: str) -> dict[str, int]:
    """The counters of an echo server."""
    counted: dict[str, int] = httpx2.get(f"{url}/stats", timeout=RUN_S, trust_env=False).json()
    return counted


def heads(node: LocalNode) -> dict[bytes, tuple[int, bytes]]:
    """The end of every log in a node's ledger, read beside the node."""
    swarm = read_swarm(node.home)
    assert swarm is not None
    store = SqliteStore.open_readonly(node.home / "ledger.sqlite", swarm.swarm_id)
    try:
        return {head.author: (head.seq, head.id) for head in store.heads()}
    finally:
        store.close()


def until(holds: Callable[[], bool], within_s: float, what: str) -> float:
    """Look at another process until it is so; the seconds that took. Fails after `within_s`."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within_s, f"not within {within_s} s: {what}"
        time.sleep(POLL_S)
    return time.monotonic() - began


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def spawn(home: Path, *words: str, **more: str) -> subprocess.Popen[str]:
    """A `symphony` command in a home of its own, by somebody who has set nothing else."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SYMPHONY_")}
    return subprocess.Popen(
        [sys.executable, "-m", "symphony", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, "SYMPHONY_HOME": str(home), **more},
    )


def symphony(home: Path, *words: str, **more: str) -> Ran:
    """Run a command to its end."""
    with spawn(home, *words, **more) as process:
        try:
            out, err = process.communicate(timeout=RUN_S)
        finally:
            process.kill()
    assert "Traceback" not in err, err
    return Ran(process.returncode, out, err)
