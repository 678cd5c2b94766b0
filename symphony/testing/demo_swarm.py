"""The cast of `symphony demo`: five nodes, two model lineages, and one of them dies on stage.

`n1` is the user's own node and conducts. Three nodes run Qwen2.5-Coder-1.5B (they can plan and
calculate), two run SmolLM2-135M (they can hardly do either, which the vote has to survive).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ledger import parse_did_key
from symphony.client.sealed import Patience
from symphony.manifests import shipped_agents
from symphony.testing.local_swarm import LocalNode, NodePlan

QWEN = "qwen2.5-coder-1.5b"
SMOL = "smollm2-135m"
MODELS = (SMOL, QWEN, "minilm-l6-int8")

SEAL_WAIT_S = 10.0
"""How long to wait for witnesses: they gather requests for a second, then answer at once."""

QUESTION = (
    "A library has 3 shelves with 24 books each. 15 books are lent out, and then 8 new books "
    "arrive. How many books stand on the shelves now?"
)

_CAST = (
    ("n1", ("solver-small",)),
    ("n2", ("planner", "solver")),
    ("n3", ("planner", "calculator")),
    ("n4", ("planner", "solver", "coder")),
    ("n5", ("solver-small",)),
)


def cast() -> list[NodePlan]:
    """The five nodes and their agents, as settings."""
    shipped = shipped_agents()
    plans = []
    for name, agents in _CAST:
        folders = ",".join(str(shipped / agent) for agent in agents)
        environment = {
            "SYMPHONY_AGENTS": folders,
            "SYMPHONY_ENGINE_NODES_ON_MACHINE": str(len(_CAST)),
            "SYMPHONY_LOG_LEVEL": "info",
        }
        plans.append(NodePlan(name, environment))
    return plans


class Assassin:
    """Kills the owner of the first running step, once, with SIGKILL, as soon as it speaks."""

    def __init__(self, nodes: list[LocalNode], *, armed: bool) -> None:
        self._by_key = {_key_hex(node): node for node in nodes[1:]}
        self._armed = armed
        self.victim: LocalNode | None = None
        self.unit = ""

    def watch(self, event: dict[str, Any]) -> bool:
        """Look at an event; True if somebody was killed because of it."""
        if not self._armed or event["type"] != "token" or not event["unit"].startswith("step/"):
            return False
        node = self._by_key.get(event["owner"])
        if node is None:
            return False
        self._armed = False
        self.victim, self.unit = node, event["unit"]
        node.kill()
        return True


def _key_hex(node: LocalNode) -> str:
    """The node's public key in hexadecimal, as events name it."""
    return parse_did_key(node.node).hex()


def task_events(node: LocalNode, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Submit a task at `node` and yield its events until the verdict."""
    with node.client() as client:
        response = client.post("/api/tasks", json=body)
        response.raise_for_status()
        task = response.json()["id"]
        with client.stream("GET", f"/api/tasks/{task}/events") as stream:
            for line in stream.iter_lines():
                if line.startswith("data:"):
                    event: dict[str, Any] = json.loads(line[5:])
                    yield event
                    if event["type"] == "verdict":
                        return


def fetch_receipt(node: LocalNode, task: str, target: Path) -> Path:
    """Write the receipt of an ended task to `target`, sealed by all who are left if they answer
    within some seconds.
    """
    with node.client() as client:
        patience = Patience(SEAL_WAIT_S, len(client.get("/api/peers").json()["peers"]))
        while True:
            response = client.get(f"/api/receipts/{task}")
            response.raise_for_status()
            pause_s = patience.pause_s(response.content)
            if pause_s is None:
                break
            time.sleep(pause_s)  # polling another process, with a bound
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(response.content)
    return target
