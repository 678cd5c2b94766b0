"""A newcomer's first minute with real processes: ask, get an answer, check its receipt offline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.real


@pytest.fixture
def server() -> Iterator[str]:
    """A model server with scripted answers; it ends when its standard input closes."""
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "symphony.testing.echo_server", "--latency-ms", "10"),
            "--until-stdin-closes",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        word, _, url = child.stdout.readline().partition(" ")
        assert word == "ready"
        yield url.strip()
        child.stdin.close()
        child.wait(timeout=20)


def _symphony(home: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    clean = {name: v for name, v in os.environ.items() if not name.startswith("SYMPHONY_")}
    return subprocess.run(
        [sys.executable, "-m", "symphony", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=90,
        env={**clean, "SYMPHONY_HOME": str(home)},
        check=False,
    )


def test_ask_without_a_node_and_check_the_receipt(home: Path, tmp_path: Path, server: str) -> None:
    file = tmp_path / "answer.receipt"
    assert _symphony(home, "init").returncode == 0
    (home / "config.toml").write_text(f'[engine]\nurl = "{server}"\nmodel = "echo"\n')
    asked = _symphony(
        home,
        *("submit", "6 x 7? ANSWER: 42", "--answer-type", "number", "--plan", "never"),
        *("--watch", "--receipt", file),
    )
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout == "42\n"
    for word in ("no node runs here", "owner ", "ballot ", "verdict ", "answered"):
        assert word in asked.stderr
    assert not (home / "gateway.json").exists(), "the node shut down in order"

    checked = _symphony(tmp_path / "nobody", "receipt", "verify", file)
    assert checked.returncode == 0, checked.stderr
    assert "proven:" in checked.stdout
    assert "  - that the answer is true" in checked.stdout
    assert checked.stdout.endswith("answer: 42\n")
    told = json.loads(_symphony(tmp_path / "nobody", "receipt", "verify", file, "--json").stdout)
    assert (told["ok"], told["report"]["answer"]) == (True, "42")
    assert not (tmp_path / "nobody").exists()

    forged = bytearray(file.read_bytes())
    forged[forged.index(b"6 x 7?")] ^= 1
    file.write_bytes(forged)
    refused = _symphony(home, "receipt", "verify", file)
    assert refused.returncode == 7
    assert "the question is not the one that the task entry commits to" in refused.stderr

    ledger = _symphony(home, "ledger", "verify")
    assert ledger.returncode == 0
    assert ledger.stdout.startswith("ok: ")
    rows = [
        json.loads(row) for row in _symphony(home, "ledger", "log", "--json").stdout.splitlines()
    ]
    kinds = [row["kind"] for row in rows]
    # The receipt that was fetched asked for a checkpoint; the node may end before it is hashed.
    if kinds[-1] == "checkpoint":
        kinds.pop()
    assert kinds[-2:] == ["result", "verdict"]
