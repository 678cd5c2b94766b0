"""A server process of ours: started, known to be ready, known to be dead, and gone with us.

The child gets its orders as one line on standard input, says one line when it is ready, and
lives as long as that pipe is open. The pipe is the leash: however this process ends, kill -9
included, the kernel closes it and the child leaves by itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

import trio

from symphony.engines import limits
from symphony.errors import EngineUnavailable

_Room = tempfile.TemporaryDirectory[str]


class Child:
    """One life of one server process. Made by `spawn`; usable when `ready` has returned."""

    def __init__(self, process: trio.Process, stderr: IO[bytes], room: _Room | None) -> None:
        self._process = process
        self._stderr = stderr
        self._room = room
        self._line = bytearray()
        self._url: str | None = None
        self.started_at = trio.current_time()

    @classmethod
    async def spawn(cls, script: Path, orders: dict[str, Any], *, room: bool = False) -> Child:
        """Start `script` with our interpreter and hand it its orders; with `room`, also a folder
        for what its processes need while they live, which goes with the child.
        """
        folder = (
            tempfile.TemporaryDirectory(prefix="vllm-", ignore_cleanup_errors=True)
            if room
            else None
        )
        if folder is not None:
            orders = {**orders, "room": folder.name}
        stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        process = await trio.lowlevel.open_process(
            [sys.executable, "-P", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,  # a Ctrl-C at the terminal is for the node to handle
        )
        child = cls(process, stderr, folder)
        assert process.stdin is not None
        # One that died at once breaks the pipe; `ready` will see its silence and tell.
        with contextlib.suppress(trio.BrokenResourceError):
            await process.stdin.send_all(json.dumps(orders).encode() + b"\n")
        return child

    async def ready(self, start_seconds: float = limits.START_SECONDS) -> str:
        """Wait for the ready line and return the server's URL.

        May be cancelled and called again: a start outlives the patience of the one who asked
        for it. Raises `EngineUnavailable` when the child died, or took too long.
        """
        try:
            with trio.fail_at(self.started_at + start_seconds):
                while self._url is None:
                    await self._read_line()
        except trio.TooSlowError as error:
            raise EngineUnavailable(
                f"the model server was not ready after {start_seconds:.0f} s",
                hint="a smaller model starts faster",
            ) from error
        return self._url

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    async def dies_within(self, seconds: float) -> bool:
        """Whether it is dead, or dies while we wait."""
        with trio.CancelScope(deadline=trio.current_time() + seconds):
            await self._process.wait()
        return not self.alive

    async def stop(self) -> None:
        """Let go of the leash, wait, and kill what does not leave."""
        await _end(self._process)
        self._stderr.close()
        if self._room is not None:
            self._room.cleanup()

    async def _read_line(self) -> None:
        assert self._process.stdout is not None
        block = await self._process.stdout.receive_some(limits.READY_LINE_BYTES)
        self._line += block
        if not block or len(self._line) > limits.READY_LINE_BYTES:
            raise EngineUnavailable(
                f"the model server died while it started: {self._last_words()}",
                hint="try: symphony model verify",
            )
        if self._line.endswith(b"\n"):
            answer = json.loads(self._line)
            if "url" not in answer:
                raise EngineUnavailable(
                    f"the model server could not start: {answer['error']} {self._last_words()}",
                    hint="try: symphony model verify; or give it fewer slots or less context",
                )
            self._url = str(answer["url"])

    def _last_words(self) -> str:
        size = self._stderr.seek(0, 2)
        self._stderr.seek(max(0, size - limits.STDERR_TAIL_BYTES))
        words = self._stderr.read().decode("utf-8", errors="replace").split()
        return " ".join(words)[-limits.ERROR_TEXT_CHARS :]


async def _end(process: trio.Process) -> None:
    deadline = trio.current_time() + limits.STOP_SECONDS
    with trio.CancelScope(shield=True):
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                await pipe.aclose()
        with trio.CancelScope(deadline=deadline):
            await process.wait()
        await _end_group(process.pid)
        await process.wait()


async def _end_group(leader: int) -> None:
    """End what is left of a group whose leader was our child: a leash that was killed leaves the
    processes of its server behind. They are asked first, so that they remove shared memory.
    """
    deadline = trio.current_time() + limits.STOP_SECONDS
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGTERM)
        while trio.current_time() < deadline:
            await trio.sleep(limits.GONE_POLL_SECONDS)
            os.killpg(leader, 0)  # raises once nobody is left
        os.killpg(leader, signal.SIGKILL)
