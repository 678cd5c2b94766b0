"""The embedded engine with a real model: SmolLM2, 135 M parameters."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import psutil
import pytest
import trio

from symphony.engines import limits
from symphony.engines.llamacpp import LlamaCppEngine, LlamaCppOptions, threads_for
from symphony.errors import EngineError, EngineUnavailable

from .conftest import ask, run, until

pytestmark = pytest.mark.real


async def test_a_prompt_beyond_the_context_is_refused(llama: LlamaCppEngine):
    with pytest.raises(EngineError, match="context"):
        await run(llama, ask("word " * 5000))
    assert (await llama.health()).ok


async def test_a_call_that_meets_a_dying_server_goes_to_the_next(llama: LlamaCppEngine):
    for _ in range(2):  # the second restart comes after a pause
        await llama.start()
        assert llama.pid is not None
        os.kill(llama.pid, signal.SIGKILL)
        assert (await run(llama, ask(max_tokens=2)))[1].completion_tokens == 2


async def test_health_brings_a_dead_server_back(llama: LlamaCppEngine):
    await llama.start()
    assert llama.pid is not None
    os.kill(llama.pid, signal.SIGKILL)

    async def well() -> bool:
        return (await llama.health()).ok

    await until(well, 30)


async def test_no_process_is_left_behind(smollm2: Path):
    engine = LlamaCppEngine(LlamaCppOptions(smollm2, "smollm2-135m", "smollm2", slots=1))
    await engine.start()
    pid = engine.pid
    assert pid is not None
    arguments = psutil.Process(pid).cmdline()
    assert engine._key not in " ".join(arguments), "the key is not for every user to read"
    assert engine._key not in str(psutil.Process(pid).environ())
    await engine.aclose()
    assert not psutil.pid_exists(pid)
    with pytest.raises(EngineUnavailable, match="closed"):
        await run(engine, ask())


async def test_a_stranger_without_the_key_is_refused(llama: LlamaCppEngine):
    await llama.start()
    assert llama._client is not None
    url = str(llama._client._client.base_url)
    async with httpx2.AsyncClient(base_url=url, trust_env=False) as stranger:
        assert (await stranger.get("/slots")).status_code == 401
        body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
        assert (await stranger.post("/v1/chat/completions", json=body)).status_code == 401


OWNER = """
import sys, trio
from pathlib import Path
from symphony.engines.llamacpp import LlamaCppEngine, LlamaCppOptions

async def main():
    engine = LlamaCppEngine(LlamaCppOptions(Path(sys.argv[1]), "m", "m", slots=1))
    await engine.start()
    print(engine.pid, flush=True)
    await trio.sleep_forever()

trio.run(main)
"""


def test_the_child_dies_with_a_parent_that_is_killed(smollm2: Path):
    command = [sys.executable, "-c", OWNER, str(smollm2)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        child = psutil.Process(int(owner.stdout.readline()))
        owner.kill()
    gone, alive = psutil.wait_procs([child], timeout=10)
    assert (gone, alive) == ([child], [])


async def test_a_file_that_is_no_model(tmp_path: Path):
    weights = tmp_path / "bad.gguf"
    weights.write_bytes(b"GGUF" + b"\x00" * 100)
    engine = LlamaCppEngine(LlamaCppOptions(weights, "bad", "bad"))
    with pytest.raises(EngineUnavailable) as caught:
        await engine.start()
    assert "verify" in caught.value.hint
    health = await engine.health()
    assert not health.ok
    assert engine._not_before > trio.current_time() - limits.HEALTH_SECONDS
    assert engine.pid is None
    await engine.aclose()


def test_threads_are_shared_among_the_nodes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert [threads_for(n) for n in (0, 1, 2, 3, 8, 9)] == [8, 8, 4, 2, 1, 1]
