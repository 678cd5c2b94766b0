"""The leash of a vLLM server: whoever is killed, its files are gone with its processes.

vLLM is a small program here that leaves a file among the temporary ones, as the real one does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
import trio

from symphony.engines import EngineSpec, open_engine, vllm_server
from symphony.engines.supervised import SupervisedEngine
from symphony.engines.vllm_server import VllmOptions

from .conftest import ask, run, until


@pytest.fixture
def rooms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, starts: Path) -> Path:
    """Where this process and its children put temporary files."""
    del starts
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def left_in(rooms: Path) -> Iterator[str]:
    yield from (str(path.relative_to(rooms)) for path in rooms.rglob("*") if not path.is_dir())


def shared_by(server: psutil.Process) -> list[Path]:
    named = [Path(f"/dev/shm/{kind}{server.pid}") for kind in ("psm_", "sem.mp-")]
    return [path for path in named if path.exists()]


async def over(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def in_all(rooms: Path) -> list[Path]:
    return list(rooms.iterdir())


@pytest.mark.parametrize("victim", ["server", "leash", "nobody"])
async def test_files_go_with_the_server(tmp_path: Path, rooms: Path, victim: str):
    async with open_engine(EngineSpec("vllm", model=str(tmp_path / "weights"))) as engine:
        assert isinstance(engine, SupervisedEngine)
        (first,) = left_in(rooms)
        assert first.endswith("/a socket of vLLM")
        assert engine.pid is not None
        leash = psutil.Process(engine.pid)
        (server,) = leash.children()
        if victim != "nobody":
            {"server": server, "leash": leash}[victim].kill()
            await until(partial(over, server))
        assert (await run(engine, ask()))[0] == "weights"
        (second,) = left_in(rooms)
        assert (second == first) == (victim == "nobody"), "each server has a room of its own"
    assert not in_all(rooms)


def test_files_go_when_the_node_is_killed(tmp_path: Path, rooms: Path):
    """Its end closes the leash's standard input, and nobody is there to clear up behind it."""
    room = rooms / "vllm-x"
    room.mkdir()
    options = VllmOptions(str(tmp_path / "weights"), "m", "m")
    orders = {**vllm_server._orders(options, "key"), "room": str(room)}
    orders["env"]["FAKE_VLLM_SHARES"] = "1"
    command = [sys.executable, "-P", str(vllm_server._SCRIPT)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as leash:
        assert leash.stdin is not None
        assert leash.stdout is not None
        leash.stdin.write(json.dumps(orders).encode() + b"\n")
        leash.stdin.flush()
        assert b"url" in leash.stdout.readline()
        assert list(left_in(rooms))
        (server,) = psutil.Process(leash.pid).children()
        assert len(shared_by(server)) == 2
        leash.stdin.close()
        leash.wait(20)
    assert not in_all(rooms)
    assert not shared_by(server)
    assert trio.run(over, server)


async def test_shared_memory_goes_with_the_server(
    tmp_path: Path, rooms: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FAKE_VLLM_SHARES", "1")
    async with open_engine(EngineSpec("vllm", model=str(tmp_path / "weights"))) as engine:
        assert isinstance(engine, SupervisedEngine)
        assert engine.pid is not None
        (server,) = psutil.Process(engine.pid).children()
        assert len(shared_by(server)) == 2
    assert not shared_by(server)
    assert not in_all(rooms)


async def test_a_leash_that_is_killed_takes_its_server_along(tmp_path: Path, rooms: Path):
    async with open_engine(EngineSpec("vllm", model=str(tmp_path / "weights"))) as engine:
        assert isinstance(engine, SupervisedEngine)
        assert engine.pid is not None
        (server,) = psutil.Process(engine.pid).children()
        os.kill(engine.pid, signal.SIGKILL)
        await until(partial(over, server))
    assert not in_all(rooms)
