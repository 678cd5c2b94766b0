"""Commands run through `symphony.cli.main`, as the console script does, in a home of their own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from gateway.live import Live, live_gateway

from symphony.cli import main


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left: its exit code and both outputs."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Ran]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("SYMPHONY_"):
            monkeypatch.delenv(name)
    place = tmp_path / "home"
    monkeypatch.setenv("SYMPHONY_HOME", str(place))
    monkeypatch.setenv("COLUMNS", "200")
    return place


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        seen = capsys.readouterr()
        return Ran(code, seen.out, seen.err)

    return call


@pytest.fixture
def live(home: Path) -> Iterator[Live]:
    """A gateway that this home says is running."""
    home.mkdir(mode=0o700)
    with live_gateway() as running:
        file = home / "gateway.json"
        facts = {"url": running.url, "api_key": running.key, "pid": os.getpid()}
        file.write_text(json.dumps(facts))
        file.chmod(0o600)
        yield running
