"""Two real nodes; one gets an old copy of its ledger back, and forks nothing."""

from __future__ import annotations

import shutil
import time

import pytest

from ledger import parse_did_key, verify
from ledger.sqlite import SqliteStore
from symphony.identity import MARK_NAME, read_swarm
from symphony.testing.local_swarm import (
    NodePlan,
    await_mesh,
    await_ready,
    local_swarm,
    spawn_node,
    stop_all,
)
from symphony.testing.overhead import _write_agents, echo_server
from symphony.testing.template import forked

FILES = ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", MARK_NAME)


def ask(node) -> str:
    """A task whose planner and owners are found in the swarm."""
    body = {"prompt": "ANSWER: 42", "chains": 3, "answer_type": "number"}
    with node.client() as client:
        return client.post("/api/tasks?wait=true", json=body).json()["outcome"]


def await_equal(nodes, author, timeout_s=30.0) -> None:
    """Until all nodes hold the same end of this log, and it does not move any more."""
    swarm = read_swarm(nodes[0].home)
    assert swarm is not None
    key, before = parse_did_key(author), None
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        ends = set()
        for node in nodes:
            store = SqliteStore.open_readonly(node.home / "ledger.sqlite", swarm.swarm_id)
            ends |= {head for head in store.heads() if head.author == key}
            store.close()
        if len(ends) == 1 and ends == before:
            return
        before = ends
        time.sleep(0.5)  # polling other processes, with a bound
    raise AssertionError(f"the ends of the log differ: {ends}")


@pytest.mark.real
def test_a_node_with_an_old_ledger_takes_the_rest_from_its_peer(tmp_path):
    agents = _write_agents(tmp_path / "agents")
    with echo_server(20) as url:
        settings = {"SYMPHONY_ENGINE_URL": url, "SYMPHONY_AGENTS": str(agents)}
        settings["SYMPHONY_MODELS"] = str(tmp_path / "no-models")  # nor an embedder
        plans = [NodePlan(name, settings) for name in ("founder", "restored")]
        with local_swarm(tmp_path, plans, forked) as nodes:
            founder, node = nodes
            dialled = founder.ready["addresses"]
            killed = [node]
            assert ask(node) == "answered"
            node.kill()
            backup = tmp_path / "backup"
            shutil.copytree(node.home, backup)
            nodes[1] = node = spawn_node(plans[1], node.home, dialled, start=forked)
            killed.append(node)
            await_ready(node)
            await_mesh(nodes)
            assert ask(node) == "answered"
            await_equal(nodes, node.node)
            node.kill()
            for name in FILES:
                (node.home / name).unlink(missing_ok=True)
                if (backup / name).exists():
                    shutil.copy(backup / name, node.home / name)
            nodes[1] = node = spawn_node(plans[1], node.home, dialled, start=forked)
            await_ready(node)
            await_mesh(nodes)
            assert ask(node) == "answered"
            me = parse_did_key(node.node)
            stop_all(killed)
            logs = [node.log.read_text(), founder.log.read_text()]
        assert "own_log_checked" in logs[0]
        assert not any("forked" in log for log in logs)
        swarm = read_swarm(node.home)
        assert swarm is not None
        for home in (node.home, founder.home):
            store = SqliteStore.open(home / "ledger.sqlite", swarm.swarm_id)
            assert list(store.verify_all(verify)) == []
            assert store.forks() == []
            assert any(head.author == me for head in store.heads())
            store.close()
