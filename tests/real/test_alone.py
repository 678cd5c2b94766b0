"""One node by itself: asked where none runs, told to end, and found out after tampering."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from symphony.core.receipts.receipt import verify_receipt
from symphony.engines import models
from symphony.errors import ModelError
from symphony.identity import load_identity
from symphony.manifests import shipped_agents
from symphony.testing.local_swarm import LocalNode, NodePlan, await_ready, spawn_node, stop_all

from .stage import NEVER, RUN_S, WORDS, Stage, ask, bare, spawn, stats, symphony, until

pytestmark = pytest.mark.real

ENDS_S = 5.0
SMOL = "smollm2-135m"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "alone"
    assert symphony(place, "init").code == 0
    return place


@contextmanager
def running(home: Path, environment: dict[str, str]) -> Iterator[LocalNode]:
    node = spawn_node(NodePlan("alone", environment), home)
    try:
        await_ready(node)
        yield node
    finally:
        stop_all([node])


def hosted(stage: Stage, *agents: str) -> dict[str, str]:
    return bare(agents=[stage.root / "agents" / agent for agent in agents], root=stage.root)


def test_a_submit_becomes_the_node(whole: Stage, home: Path, tmp_path: Path) -> None:
    receipt = tmp_path / "seven.receipt"
    words = ("submit", "ANSWER: 7", "--plan", "never", "--receipt", str(receipt))
    done = symphony(home, *words, **hosted(whole, "quick"))
    assert (done.code, done.out) == (0, "7\n"), done.err
    assert "starting one for this task" in done.err
    assert verify_receipt(receipt.read_bytes()).answer == "7"
    assert not (home / "gateway.json").exists()
    done = symphony(home, "ledger", "verify", "--json")
    assert done.code == 0
    assert json.loads(done.out)["entries"] >= 5, "agent, task, award, result and verdict"
    a_tampered_row_is_named(home)


def a_tampered_row_is_named(home: Path) -> None:
    with sqlite3.connect(home / "ledger.sqlite") as db:
        (body,) = db.execute("SELECT body FROM entry WHERE seq = 3").fetchone()
        bad = body[:20] + bytes([body[20] ^ 1]) + body[21:]
        db.execute("UPDATE entry SET body = ? WHERE seq = 3", (bad,))
    db.close()
    done = symphony(home, "ledger", "verify", "--json")
    assert done.code == 7
    (problem,) = json.loads(done.out)["problems"]
    author = load_identity(home).public
    assert (bytes.fromhex(problem["author"]), problem["seq"]) == (author, 3)
    assert f"entry 3 of {author.hex()[:8]}: " in done.err
    assert "\nnext:  " in done.err


def test_a_submit_whose_peers_are_away_becomes_the_node(whole: Stage, home: Path) -> None:
    gone = "/ip4/127.0.0.1/tcp/9/p2p/" + whole["n1"].ready["peer_id"]
    settings = hosted(whole, "quick") | {
        "SYMPHONY_PEERS": gone,
        "SYMPHONY_APPEND_UNASKED": "true",  # nobody is there to confirm where the own log ends
    }
    done = symphony(home, "submit", "ANSWER: 8", "--plan", "never", **settings)
    assert (done.code, done.out) == (0, "8\n"), done.err


def test_an_interrupted_submit_aborts_the_generation(whole: Stage, home: Path) -> None:
    before = stats(whole.slow)
    words = ("submit", WORDS, "--plan", "never", "--chains", "1", "--skill", NEVER)
    with spawn(home, *words, **hosted(whole, "never")) as process:
        until(lambda: stats(whole.slow)["active"] == 1, RUN_S, "the model is at work")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=ENDS_S)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    until(lambda: stats(whole.slow)["aborted"] == before["aborted"] + 1, 1, "it is aborted")
    assert not (home / "gateway.json").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_node_in_order(whole: Stage, home: Path, number: signal.Signals) -> None:
    with running(home, hosted(whole, "quick")) as node:
        assert (home / "gateway.json").stat().st_mode & 0o077 == 0
        began = time.monotonic()
        node.process.send_signal(number)
        code = node.process.wait(ENDS_S)
    assert time.monotonic() - began < ENDS_S
    assert code == (130 if number == signal.SIGINT else 0), node.log_tail()
    assert not (home / "gateway.json").exists()
    assert "Traceback" not in node.log.read_text()


def test_no_model_server_outlives_its_node(home: Path) -> None:
    try:
        models.path(SMOL)
    except ModelError:
        pytest.skip(f"{SMOL} is not here: symphony model pull {SMOL}")
    pytest.importorskip("xllamacpp")
    settings = {
        "SYMPHONY_AGENTS": str(shipped_agents() / "solver-small"),
        "SYMPHONY_GATEWAY_PORT": "0",
        "SYMPHONY_LOG_LEVEL": "warning",
    }
    with running(home, settings) as node:
        verdict = ask(node, "Say hello.", plan="never", chains=1, max_tokens=8)
        assert verdict["outcome"] == "answered", verdict
        children = psutil.Process(node.process.pid).children(recursive=True)
        assert children, "llama.cpp has a process of its own"
        node.process.terminate()
        assert node.process.wait(ENDS_S) == 0, node.log_tail()
    gone, left = psutil.wait_procs(children, timeout=1)
    assert left == [], gone
