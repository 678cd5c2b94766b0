"""A fork of the template is a process like any other: its own words, environment and end."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from symphony.testing.template import forked
from symphony.version import __version__

pytestmark = pytest.mark.real

ENDS_S = 30.0


def test_it_says_and_returns_what_the_command_does(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with (done := forked(["version"], {}, log)).stdout as out:
        assert out.read() == f"symphony {__version__}\n"
        assert (done.wait(ENDS_S), log.read_text()) == (0, "")

    with (done := forked(["peers"], {"SYMPHONY_HOME": str(tmp_path / "own")}, log)).stdout as out:
        assert (done.wait(ENDS_S), out.read()) == (3, "")
    assert log.read_text().startswith("error: ")
    assert str(tmp_path / "own") in log.read_text()


def test_it_ends_by_the_signals_that_it_is_sent(tmp_path: Path) -> None:
    for_hours = ["sim", "--seeds", "100000"]
    process = forked(for_hours, {"SYMPHONY_HOME": str(tmp_path)}, tmp_path / "log")
    with process.stdout:
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05)
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        assert process.wait(ENDS_S) == -signal.SIGKILL
        assert process.poll() == -signal.SIGKILL
        process.terminate()  # it is gone: nobody is sent anything
