"""How much time Symphony adds to a model's own: the whole path over real processes and libp2p.

An echo server answers every call after exactly `latency_ms`. A task of 3 chains, each of one
plan and three sequential steps, then needs at least 4 calls one after the other. What the task
takes beyond 4 x `latency_ms` is ours: beacons, bids, awards on disk, frames, results, the vote.

The agents' skill is nothing like what the plan asks for, so no ballot weighs a half, and the
exact stop can't end a task before all three chains have voted.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from symphony.testing.echo_server import bare_calls_ms
from symphony.testing.local_swarm import LocalNode, NodePlan, local_swarm
from symphony.testing.stolen import StolenTime

CHAINS = 3
CALLS_IN_A_ROW = 4
_LOOP = 100_000
_BARE_CALLS = 9  # that the model is neither slower nor faster than it claims: the ratio's ground

_MANIFEST = """\
apiVersion: symphony/v1alpha1
kind: Agent
metadata: {{name: {name}, description: "Repeats what the benchmark tells it."}}
spec:
  skills: [{{name: {skill}, description: "{text}"}}]
  engine: {{kind: openai, model: echo}}
  roles: [{role}]
  instructions: prompt.md
  limits: {{concurrency: 8}}
"""


def measure_overhead(root: Path, *, tasks: int, nodes: int, latency_ms: int) -> dict[str, Any]:
    """Run the tasks one after the other on one node of the swarm; times in ms."""
    agents = _write_agents(root / "agents")
    with echo_server(latency_ms) as url:
        environment = {"SYMPHONY_ENGINE_URL": url, "SYMPHONY_AGENTS": str(agents)}
        environment["SYMPHONY_LOG_LEVEL"] = "warning"
        plans = [NodePlan(f"n{number}", environment) for number in range(1, nodes + 1)]
        with local_swarm(root, plans) as swarm, closing(_Client(swarm[0])) as client:
            _run_task(client)  # embeds the skills, opens the connections to the echo server
            model_ms = statistics.median(bare_calls_ms(url, _BARE_CALLS))
            loops_ms, runs, watch = [], [], StolenTime()
            for _ in range(tasks):
                loops_ms.append(_loop_ms())
                runs.append(_run_task(client))
            stolen = watch.share()
    walls = [wall_ms for wall_ms, _ in runs]
    ideal_ms = CALLS_IN_A_ROW * latency_ms
    return {
        "bench": "overhead",
        "nodes": nodes,
        "tasks": tasks,
        "latency_ms": latency_ms,
        "model_ms": model_ms,
        "ideal_ms": ideal_ms,
        "median_ms": statistics.median(walls),
        "min_ms": min(walls),
        "max_ms": max(walls),
        "ratio": statistics.median(walls) / ideal_ms,
        "ballots": sorted({len(ended["ballots"]) for _, ended in runs}),
        "owners": sorted({len({b["owner"] for b in ended["ballots"]}) for _, ended in runs}),
        "conductor_median_ms": statistics.median(ended["at_ms"] for _, ended in runs),
        "plan_median_ms": statistics.median(e["phases_ms"]["plan"] for _, e in runs),
        "loop_ms": statistics.median(loops_ms),
        "stolen": stolen,
    }


def _loop_ms() -> float:
    """A fixed piece of Python, while nothing else works: how fast this machine is just now."""
    began = time.perf_counter()
    total = 0
    for number in range(_LOOP):
        total += number * number
    return (time.perf_counter() - began) * 1000


class _Client:
    """One kept connection to a node's gateway. The plainest client there is: a comfortable one
    takes 2 ms of each task for itself.
    """

    def __init__(self, node: LocalNode) -> None:
        parts = urlsplit(node.url)
        self._connection = HTTPConnection(parts.hostname or "", parts.port, timeout=120)
        self._headers = {
            "Authorization": f"Bearer {node.api_key}",
            "Content-Type": "application/json",
        }

    def post(self, path: str, body: bytes) -> bytes:
        """The body of the answer. Raises `RuntimeError` unless it went well."""
        self._connection.request("POST", path, body, self._headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status != HTTPStatus.OK:
            raise RuntimeError(f"HTTP {response.status}: {answer[:300]!r}")
        return answer

    def close(self) -> None:
        self._connection.close()


def _run_task(client: _Client) -> tuple[float, dict[str, Any]]:
    body = {
        "prompt": "ANSWER: 42",
        "chains": CHAINS,
        "plan": "always",
        "answer_type": "number",
        "rule": "match",  # see above: all three chains have to vote
    }
    raw = json.dumps(body).encode()
    began = time.perf_counter()
    answer = client.post("/api/tasks?wait=true", raw)
    wall_ms = (time.perf_counter() - began) * 1000
    ended: dict[str, Any] = json.loads(answer)
    return wall_ms, ended


def _write_agents(folder: Path) -> Path:
    for name, role, skill, text in (
        ("planner", "plan", "planning", "split a question into steps"),
        ("echoer", "solve", "echo", "birds with green feathers live in warm forests"),
    ):
        home = folder / name
        home.mkdir(parents=True)
        manifest = _MANIFEST.format(name=name, role=role, skill=skill, text=text)
        (home / "agent.yaml").write_text(manifest)
        (home / "prompt.md").write_text("Repeat.\n")
    return folder


@contextmanager
def echo_server(latency_ms: int, host: str = "127.0.0.1") -> Iterator[str]:
    """The echo server as a process of its own; yields its base URL."""
    options = ["--port", "0", "--latency-ms", str(latency_ms), "--until-stdin-closes"]
    with server_process("symphony.testing.echo_server", *options, "--host", host) as url:
        yield url


@contextmanager
def server_process(module: str, *options: str) -> Iterator[str]:
    """A test server in a process of its own, until its standard input is closed; its base URL."""
    command = [sys.executable, "-m", module, *options]
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        yield line.split()[-1]
    finally:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()
