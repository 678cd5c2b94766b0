"""A swarm of real node processes on this machine's loopback: for the demo, benchmarks and tests.

Every node is its own `python -m symphony join` with its own home, key, ledger and gateway. The
first one founds an invite-only swarm; the others are let in by invites. Nodes are ended by their
own pid, and all of them when the context is left, whatever happened.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import IO, Any, Protocol

import httpx2

from symphony.config import make_home
from symphony.core.peers.invite import make_invite
from symphony.errors import ConnectionError as Unreachable
from symphony.identity import (
    SwarmFile,
    accept_invite,
    create_identity,
    new_genesis,
    write_swarm,
)

START_S = 90.0  # a cold start with a 1.1 GB model on two busy cores takes some 30 s
STOP_S = 10.0
INVITE_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class NodePlan:
    """What one node of the swarm is: its name, its settings as environment variables, and what
    stands before the command that starts it.
    """

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)
    prefix: Sequence[str] = ()


class NodeProcess(Protocol):
    """What a node process can be asked and told; `subprocess.Popen` in the first place."""

    @property
    def pid(self) -> int: ...
    @property
    def stdout(self) -> IO[str] | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, number: int, /) -> None: ...
    def terminate(self) -> None: ...


Start = Callable[[Sequence[str], Mapping[str, str], Path], NodeProcess]
"""Starts `symphony` with these arguments and this environment; its stderr goes to that file."""


@dataclass(slots=True)
class LocalNode:
    """One running node process."""

    plan: NodePlan
    home: Path
    process: NodeProcess
    log: Path
    ready: dict[str, Any] = field(default_factory=dict)
    reader: Thread | None = None
    url: str = ""
    api_key: str = ""

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def node(self) -> str:
        """Its `did:key`."""
        return str(self.ready["node"])

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def client(self, timeout_s: float = 600.0) -> httpx2.Client:
        """An HTTP client of this node's gateway."""
        headers = {"Authorization": f"Bearer {self.api_key}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=timeout_s)

    def kill(self) -> None:
        """SIGKILL: no goodbye, nothing flushed."""
        self.process.send_signal(signal.SIGKILL)
        self.wait(STOP_S)

    def wait(self, timeout_s: float) -> None:
        """Until the process is over and its pipe is closed. Raises `subprocess.TimeoutExpired`."""
        self.process.wait(timeout=timeout_s)
        if self.reader is not None:
            self.reader.join(timeout_s)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def log_tail(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def started(
    arguments: Sequence[str], environment: Mapping[str, str], log: Path, prefix: Sequence[str] = ()
) -> NodeProcess:
    """Start `symphony` as everybody does: a new interpreter, below `prefix`."""
    with log.open("w") as stderr:
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [*prefix, sys.executable, "-m", "symphony", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=dict(environment),
        )


@contextmanager
def local_swarm(
    root: Path,
    plans: Sequence[NodePlan],
    start: Start | None = None,
    ready_s: float = START_S,
) -> Iterator[list[LocalNode]]:
    """Start the nodes of `plans`; the first one is the founder. Yields them when each knows all
    others. Raises `symphony.errors.ConnectionError` with the log's end when one doesn't start.

    `start` makes their processes in another way than `started`, which knows their prefixes.
    `ready_s` is what each may take to be ready: a node waits for the model servers of its own.
    """
    nodes: list[LocalNode] = []
    try:
        founder_plan, *others = plans
        founder_home = root / founder_plan.name
        make_home(founder_home)
        founder_key = create_identity(founder_home)
        genesis = new_genesis("local", "invite", founder_key)
        write_swarm(founder_home, SwarmFile(genesis))
        nodes.append(spawn_node(founder_plan, founder_home, (), start))
        await_ready(nodes[0], ready_s)
        addresses = tuple(nodes[0].ready["addresses"])
        now_ms = time.time_ns() // 1_000_000
        for plan in others:
            home = root / plan.name
            make_home(home)
            key = create_identity(home)
            invite = make_invite(
                genesis,
                founder=founder_key,
                secret=os.urandom(32),
                issued_ms=now_ms,
                expires_ms=now_ms + INVITE_MS,
                bootstrap=addresses,
                node=key.public,
            )
            accept_invite(home, key, invite)
            nodes.append(spawn_node(plan, home, addresses, start))
        for node in nodes[1:]:
            await_ready(node, ready_s)
        await_mesh(nodes)
        yield nodes
    finally:
        stop_all(nodes)


def spawn_node(
    plan: NodePlan, home: Path, peers: Sequence[str] = (), start: Start | None = None
) -> LocalNode:
    """Start the process of a node whose home is made already; `await_ready` waits for it."""
    log = home / "node.log"
    environment = {
        **os.environ,
        "SYMPHONY_GATEWAY_PORT": "0",
        "SYMPHONY_PEERS": ",".join(peers),
        **plan.environment,
    }
    start = start or partial(started, prefix=plan.prefix)
    process = start(["join", "--home", str(home), "--json"], environment, log)
    return LocalNode(plan, home, process, log)


def await_ready(node: LocalNode, timeout_s: float = START_S) -> None:
    """Read the ready line, then the gateway's key from the node's home."""
    assert node.process.stdout is not None
    lines: Queue[str] = Queue()
    node.reader = Thread(target=_first_line, args=(node.process.stdout, lines), daemon=True)
    node.reader.start()
    try:
        line = lines.get(timeout=timeout_s)
    except Empty:
        line = ""
    if not line:
        raise Unreachable(
            f"node {node.name} did not start:\n{node.log_tail()}", hint=f"see {node.log}"
        )
    node.ready = json.loads(line)
    door = json.loads((node.home / "gateway.json").read_text())
    node.url, node.api_key = door["url"], door["api_key"]


def _first_line(stream: IO[str], lines: Queue[str]) -> None:
    lines.put(stream.readline())
    for _ in stream:  # keep the pipe empty
        pass


def await_mesh(nodes: Sequence[LocalNode], timeout_s: float = 30.0) -> None:
    """Until every live node is connected to all others and knows all their agents."""
    alive = [node for node in nodes if node.alive]
    agents = sum(len(node.ready["agents"]) for node in alive)
    deadline = time.monotonic() + timeout_s
    for node in alive:
        with node.client(timeout_s) as client:
            while True:
                peers = len(client.get("/api/peers").json()["peers"])
                known = client.get("/api/agents").json()["agents"]
                if peers >= len(alive) - 1 and len(known) >= agents:
                    break
                if time.monotonic() > deadline:
                    raise Unreachable(
                        f"{node.name} sees {peers} peers and {len(known)} of {agents} agents",
                        hint=f"see {node.log}",
                    )
                time.sleep(0.05)  # polling another process, with a bound


def stop_all(nodes: Sequence[LocalNode]) -> None:
    """End every process that still runs: SIGTERM first, SIGKILL for those that don't listen."""
    for node in nodes:
        if node.alive:
            node.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    for node in nodes:
        try:
            node.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            node.kill()
