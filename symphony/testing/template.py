"""Node processes that are forked from one which has imported everything already.

Most of a node's start is imports: some two thousand modules, three seconds of a core, the same
for every node. A *template* process (the standard library's fork server) imports them once and
starts no thread; each node is a fork of it that then runs `symphony join`. It is a process of
its own all the same, with its own pid, environment, key, memory and signals: what it skips is
only to read the same modules again. Tests that are about many nodes and not about how one is
started use it: `local_swarm(root, plans, start=forked)`.

The template is made when it is first asked for a node, and ends with the process that asked.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

_PRELOADED = "symphony.testing.preloaded"


class ForkedProcess:
    """The part of `subprocess.Popen` that those need who run nodes. `stdout` is a text pipe."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([_PRELOADED])
        ours, theirs = context.Pipe(duplex=False)
        with ours, theirs:
            orders = tuple(arguments), dict(environment), str(log), theirs
            self._process = context.Process(target=_become_node, args=orders, daemon=True)
            self._process.start()
            self.stdout: IO[str] = os.fdopen(os.dup(ours.fileno()), encoding="utf-8")
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """The exit code, -n if signal n ended it; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises `subprocess.TimeoutExpired`."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("symphony join", timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Does nothing once the process has ended: its pid may be another's by then."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def forked(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> ForkedProcess:
    """Run `symphony` with these arguments in a fork of the template; stderr goes to `log`."""
    return ForkedProcess(arguments, environment, log)


def _become_node(
    arguments: Sequence[str], environment: Mapping[str, str], log: str, out: Connection
) -> None:
    """In the fork: be what `python -m symphony` would have become."""
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(out.fileno(), sys.stdout.fileno())
    with Path(log).open("w") as stderr:
        os.dup2(stderr.fileno(), sys.stderr.fileno())
    main = importlib.import_module("symphony.cli").main
    sys.exit(main(arguments))


def preload() -> None:
    """In the template: everything that a node imports. What is here stays, for all forks."""
    gc.disable()
    for name in ("symphony.cli.app", "symphony.cli.join", "symphony.node.opening"):
        importlib.import_module(name)
    gc.freeze()
    gc.enable()
