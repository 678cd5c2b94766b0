"""The README's walk through two machines, word for word, with two homes on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from symphony.manifests import shipped_agents
from symphony.testing.overhead import echo_server

START_S = 90.0
RUN_S = 60.0

pytestmark = pytest.mark.real


class Machine:
    """One home, and the environment of somebody who sits before it."""

    def __init__(self, home: Path, engine_url: str) -> None:
        self._env = {k: v for k, v in os.environ.items() if not k.startswith("SYMPHONY_")}
        self._env.pop("PYTHONUNBUFFERED", None)  # few have it set, and it hides what is not flushed
        self._env |= {
            "SYMPHONY_HOME": str(home),
            "SYMPHONY_ENGINE_URL": engine_url,
            "SYMPHONY_ENGINE_MODEL": "echo",
            "SYMPHONY_GATEWAY_PORT": "0",
            "SYMPHONY_AGENTS": str(shipped_agents() / "solver"),  # one is enough, and opens sooner
        }
        self._cwd = home.parent

    def run(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "symphony", *words],
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
            env=self._env,
            cwd=self._cwd,
        )
        assert done.returncode == code, done.stderr
        return done.stdout

    @contextmanager
    def joined(self, *words: str) -> Iterator[str]:
        """`symphony join` as long as the block runs; yields what it says when it is ready."""
        process = subprocess.Popen(
            [sys.executable, "-m", "symphony", "join", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=self._env,
            cwd=self._cwd,
        )
        assert process.stdout is not None
        text: Future[str] = Future()
        reader = Thread(
            target=lambda out: text.set_result(_up_to_the_last(out)), args=[process.stdout]
        )
        reader.start()
        try:
            yield text.result(START_S)
        finally:
            process.terminate()
            process.wait(30)
            reader.join(30)
            process.stdout.close()


def _up_to_the_last(lines: Iterable[str]) -> str:
    """The lines up to the gateway's, with which it ends; all, if the node ends before."""
    told = []
    for line in lines:
        told.append(line)
        if line.startswith("  gateway: "):
            break
    return "".join(told)


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    with echo_server(latency_ms=5) as url:
        yield Machine(tmp_path / "first", url), Machine(tmp_path / "second", url)


def test_two_machines(machines: tuple[Machine, Machine], tmp_path: Path) -> None:
    first, second = machines
    invite = tmp_path / "invite.txt"
    assert "did:key:z6Mk" in first.run("init", "--name", "home")
    with first.joined() as ready:
        assert ready.startswith("ready  node ")
        assert "\n  node: did:key:z6Mk" in ready
        invite.write_text(first.run("invite", "create", "--expires", "24h"))
        with second.joined("--token-file", str(invite)) as other:
            assert "of swarm home (" in other
            assert "peers: 1" in other
            said = second.run(
                "submit", "ANSWER: 72", "--answer-type", "number", "--receipt", "answer.receipt"
            )
            assert said == "72\n"
            assert second.run("peers").count("12D3KooW") >= 1
    # Both nodes are gone; the receipt needs neither.
    shown = second.run("receipt", "verify", "answer.receipt")
    assert shown.startswith("valid: answer.receipt")
    assert shown.rstrip().endswith("answer: 72")
    receipt = tmp_path / "answer.receipt"
    data = bytearray(receipt.read_bytes())
    data[-100] ^= 1
    receipt.write_bytes(bytes(data))
    assert second.run("receipt", "verify", "answer.receipt", code=7) == ""


def test_a_node_of_another_swarm_is_refused(machines: tuple[Machine, Machine]) -> None:
    first, second = machines
    first.run("init")
    second.run("init")
    with first.joined() as ready:
        address = next(word for word in ready.split() if word.startswith("/ip4/"))
        refused = second.run("join", "--peer", address, code=3)
        assert refused == ""
