"""A node whose model server is not there yet: it says so, and its agents move in when it is."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from symphony.cli.join import ready_text

from .conftest import Run

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def begin(*command: object) -> subprocess.Popen[str]:
            child = subprocess.Popen(
                [sys.executable, "-m", *map(str, command)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, "SYMPHONY_GATEWAY_PORT": "0"},
            )
            stack.enter_context(child)
            stack.callback(child.kill)
            return child

        yield begin


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_agents_move_in_when_their_server_answers(run: Run, start: Start) -> None:
    run("init")
    port = free_port()
    node = start(
        "symphony", "join", "--json", "--log-format", "json", "--engine-model", "echo",
        "--engine-url", f"http://127.0.0.1:{port}",
    )  # fmt: skip
    assert node.stdout is not None
    assert node.stderr is not None
    ready = json.loads(node.stdout.readline())
    assert ready["agents"] == []
    assert len(ready["not_hosted"]) == len(ready["warnings"]) > 1
    assert all("asked again" in reason for reason in ready["not_hosted"].values())
    assert "engine's url" in ready["warnings"][0], "the next step"
    text = ready_text(ready)
    first, *facts = text.splitlines()
    assert first == f"ready  node {ready['short']} of swarm home ({ready['swarm'][:8]})"
    assert facts[0] == f"  node: {ready['node']}"
    for address in ready["addresses"]:
        assert f"  address: {address}" in facts
    assert facts[-1] == f"  gateway: {ready['gateway']}"
    assert f"\n  agents: none ({len(ready['not_hosted'])} not hosted: no answer from" in text
    assert text.count("not hosted") == 1
    assert run("agents", "--json").json() == []

    server = start("symphony.testing.echo_server", "--port", port, "--until-stdin-closes")
    assert server.stdout is not None
    assert server.stdout.readline().startswith("ready ")
    told = next(line for line in node.stderr if "server_arrived" in line)
    assert "solver" in told
    hosted = {agent["agent"] for agent in run("agents", "--json").json()}
    assert hosted == set(ready["not_hosted"])
    assert not run("status", "--json").json()["warnings"]


def test_a_model_that_nobody_knows_is_a_mistake_of_the_command(run: Run) -> None:
    run("init")
    done = run("join", "--engine", "llamacpp", "--engine-model", "qwen2.5-koder", "--no-gateway")
    assert done.code == 2
    assert "no model is called 'qwen2.5-koder'" in done.err
