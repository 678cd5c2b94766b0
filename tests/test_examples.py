"""Every example runs for real: two node processes, libp2p, the gateway, an echo for a model."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from symphony.cli import main as symphony
from symphony.manifests import shipped_agents
from symphony.testing.local_swarm import LocalNode, NodePlan, local_swarm
from symphony.testing.overhead import echo_server
from symphony.testing.template import forked

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("[0-9]*.py")) + sorted(EXAMPLES.glob("*/run.py"))
MAX_LINES = 60
RUN_S = 60.0

pytestmark = pytest.mark.real


@dataclass(frozen=True, slots=True)
class Stage:
    """A swarm of two, and what a script needs to find it."""

    nodes: list[LocalNode]
    engine: dict[str, str]

    def run(self, script: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        bare = {k: v for k, v in os.environ.items() if not k.startswith("SYMPHONY_")}
        return subprocess.run(
            [sys.executable, str(EXAMPLES / script), *arguments],
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
            env={**bare, "SYMPHONY_HOME": str(self.nodes[0].home), **more},
        )


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with echo_server(latency_ms=5) as url:
        engine = {"SYMPHONY_ENGINE_URL": url, "SYMPHONY_ENGINE_MODEL": "echo"}
        quiet = {**engine, "SYMPHONY_LOG_LEVEL": "warning"}
        solver = {"SYMPHONY_AGENTS": str(shipped_agents() / "solver")}
        planner = {"SYMPHONY_AGENTS": str(shipped_agents() / "planner")}
        plans = [NodePlan("n1", quiet | planner), NodePlan("n2", quiet | solver)]
        with local_swarm(tmp_path_factory.mktemp("swarm"), plans, forked) as nodes:
            yield Stage(nodes, engine)


def check(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout.splitlines()


def test_submit(stage: Stage) -> None:
    lines = check(stage.run("01_submit.py", "ANSWER: 17"))
    assert lines[0] == "17"
    ballots = [line for line in lines if line.startswith("  chain ")]
    assert ballots
    assert all("'17'" in line and "by echo" in line for line in ballots)
    assert lines[-2].startswith("stopped because: ")
    assert Path(lines[-1].removeprefix("receipt: ")).is_file()


def test_custom_agent(stage: Stage) -> None:
    assert symphony(["validate", str(EXAMPLES / "02_custom_agent")]) == 0
    lines = check(stage.run("02_custom_agent/run.py", "ANSWER: 240", **stage.engine))
    assert lines[0] == "240"
    assert len(lines) > 1


def test_verify_receipt(stage: Stage, tmp_path: Path) -> None:
    receipt = Path(check(stage.run("01_submit.py", "ANSWER: 5"))[-1].removeprefix("receipt: "))
    copy = tmp_path / "five.receipt"
    copy.write_bytes(receipt.read_bytes())
    lines = check(stage.run("03_verify_receipt.py", str(copy), SYMPHONY_HOME=str(tmp_path)))
    assert lines[:2] == ["question: ANSWER: 5", "answer:   5   (answered, by majority)"]
    assert any(line.startswith("  not proven: ") for line in lines)

    data = bytearray(copy.read_bytes())
    data[len(data) // 2] ^= 1
    copy.write_bytes(bytes(data))
    done = stage.run("03_verify_receipt.py", str(copy), SYMPHONY_HOME=str(tmp_path))
    assert done.returncode == 7
    assert done.stdout == ""
    assert done.stderr.startswith("does not hold: ")


def test_embedded_node(stage: Stage) -> None:
    done = stage.run("04_embedded_node.py", "ANSWER: 99", **stage.engine)
    lines = check(done)
    assert lines[0].startswith("did:key:z6Mk")
    assert "solver" in lines[0]
    assert lines[1] == "99"


def test_embedded_node_says_why_it_does_not_start(stage: Stage) -> None:
    done = stage.run("04_embedded_node.py", **stage.engine, SYMPHONY_PEERS="/ip4/127.0.0.1/tcp/9")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("symphony.errors.UsageError: not the full addr")


def test_openai_client(stage: Stage) -> None:
    lines = check(stage.run("05_openai_client.py", "ANSWER: thirty"))
    assert lines[0].startswith("models: symphony/auto, ")
    assert lines[1] == "thirty"
    digest = lines[2].removeprefix("receipt: ")
    assert len(bytes.fromhex(digest)) == 32

    lines = check(stage.run("05_openai_client.py", "--model", "echo", "ANSWER: alone"))
    assert lines[1:] == ["alone", "receipt: none: a single model answered, nobody voted"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.relative_to(EXAMPLES).as_posix())
def test_short_and_explains_itself(
    script: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(script.read_text().splitlines()) <= MAX_LINES
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    with pytest.raises(SystemExit, match="0"):
        runpy.run_path(str(script), run_name="__main__")
    said = capsys.readouterr().out
    assert said.startswith("usage: ")
    assert "show this help message" in said


def test_every_example_is_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    for script in SCRIPTS:
        assert f"({script.relative_to(EXAMPLES).as_posix()})" in listed
