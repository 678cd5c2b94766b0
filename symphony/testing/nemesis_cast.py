"""The nodes of the nemesis, and what can be done to them and be mended again."""

from __future__ import annotations

import errno
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ledger import parse_did_key
from symphony.gateway.limits import MAX_LEDGER_PAGE
from symphony.testing.chambers import Chambers
from symphony.testing.local_swarm import (
    LocalNode,
    NodePlan,
    await_mesh,
    await_ready,
    spawn_node,
    stop_all,
)

NODES, CONDUCTORS = 7, 2
SKILL = "sleepy poetry"
PROMPT = "ANSWER: one two three four five six seven eight"
BALLAST = "ballast"
PAGE_S = 30.0
_MANIFEST = """\
apiVersion: symphony/v1alpha1
kind: Agent
metadata: {{name: {name}}}
spec:
  skills: [{{name: {name}, description: "{skill}"}}]
  engine: {{kind: openai, model: echo, url: "{url}"}}
  roles: [{role}]
  instructions: prompt.md
  limits: {{concurrency: 8}}
"""


def plans(
    root: Path, url: str, rooms: Chambers | None, mounted: Callable[[Path], None]
) -> list[NodePlan]:
    """Two conductors that plan, five owners that are slow. `mounted` makes the disk of a home."""
    made = []
    for number in range(NODES):
        role, skill = ("plan", "planning") if number < CONDUCTORS else ("solve", SKILL)
        folder = root / "agents" / role
        folder.mkdir(parents=True, exist_ok=True)
        manifest = _MANIFEST.format(name=f"{role}r", skill=skill, url=url, role=role)
        (folder / "agent.yaml").write_text(manifest)
        (folder / "prompt.md").write_text("Repeat.\n")
        environment = {
            "SYMPHONY_AGENTS": str(folder),
            "SYMPHONY_MODELS": str(root / "no-models"),
            "SYMPHONY_LOG_LEVEL": "warning",
        }
        plan = NodePlan(f"n{number + 1}", environment)
        if rooms is not None:
            mounted(root / plan.name)
            chamber = rooms.open()
            where = {
                "SYMPHONY_LISTEN": f"/ip4/{chamber.address}/tcp/0",
                "SYMPHONY_GATEWAY_HOST": chamber.address,
                "SYMPHONY_PRESET": "lan",
            }
            plan = replace(plan, environment=environment | where, prefix=chamber.prefix)
        made.append(plan)
    return made


@dataclass(slots=True)
class Cast:
    """The swarm. `faults` counts what was done to it."""

    nodes: list[LocalNode]
    rooms: Chambers | None
    faults: Counter[str] = field(default_factory=Counter)
    _frozen: set[int] = field(default_factory=set)
    _full: set[int] = field(default_factory=set)

    def conductor(self, number: int) -> LocalNode:
        return self.nodes[number]

    def owners(self) -> list[LocalNode]:
        return self.nodes[CONDUCTORS:]

    def owner(self, key: str) -> LocalNode:
        """The node with this public key, in hex."""
        return next(node for node in self.nodes if parse_did_key(node.node).hex() == key)

    def kill(self, node: LocalNode) -> None:
        self.faults["kill"] += 1
        node.kill()

    def freeze(self, node: LocalNode) -> None:
        self.faults["stop"] += 1
        self._frozen.add(self.nodes.index(node))
        node.process.send_signal(signal.SIGSTOP)

    def part(self, node: LocalNode) -> None:
        """Part a node and the next owner from all others; the two still reach each other."""
        assert self.rooms is not None
        self.faults["partition"] += 1
        number = self.nodes.index(node)
        other = number + 1 if number + 1 < NODES else CONDUCTORS
        self.rooms.cut((number, other))

    def fill_disk(self, node: LocalNode) -> None:
        """Nothing more can be written in its home, and nothing that was is written over: files that
        are long enough already would else take an hour's entries.
        """
        self.faults["full disk"] += 1
        self._full.add(self.nodes.index(node))
        pid = node.process.pid
        hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, hard))
        if self.rooms is None:
            return
        with (node.home / BALLAST).open("wb", buffering=0) as ballast:
            try:
                while ballast.write(bytes(1 << 16)):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def mend(self) -> None:
        """Undo it all: links, frozen processes, disks; start again whoever died of it."""
        if self.rooms is not None:
            self.rooms.heal()
        for number in sorted(self._frozen):
            self.nodes[number].process.send_signal(signal.SIGCONT)
        for number in sorted(self._full):
            node = self.nodes[number]
            (node.home / BALLAST).unlink(missing_ok=True)
            if node.alive:
                hard = resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE)[1]
                resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        self._frozen.clear()
        self._full.clear()
        for number, node in enumerate(self.nodes):
            if not node.alive:
                self.faults["restart"] += 1
                self.nodes[number] = spawn_node(node.plan, node.home)
                await_ready(self.nodes[number])
        await_mesh(self.nodes)

    def unequal(self, within_s: float) -> int:
        """Entries that some node has and another one lacks, once all are whole; waits for none."""
        deadline_s = time.monotonic() + within_s
        while True:
            held = [_entries(node) for node in self.nodes]
            found = len(held[0].union(*held) - held[0].intersection(*held))
            if not found or time.monotonic() > deadline_s:
                return found
            time.sleep(0.5)  # polling other processes, with a bound

    def stop(self) -> None:
        """End those that were started again, too."""
        stop_all(self.nodes)


def _entries(node: LocalNode) -> set[str]:
    """The digests of all that is in a node's ledger."""
    found: set[str] = set()
    after: int | None = 0
    with node.client(PAGE_S) as client:
        while after is not None:
            asked = {"after": after, "limit": MAX_LEDGER_PAGE}
            page = client.get("/api/ledger", params=asked).raise_for_status().json()
            found.update(entry["entry"] for entry in page["entries"])
            after = page["next"]
    return found
