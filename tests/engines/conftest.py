"""Engines to test with: a real HTTP server with scripted answers, and a real small model."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import trio

from symphony.engines import converting, models, vllm
from symphony.engines.base import (
    Chunk,
    Constraint,
    Engine,
    Event,
    Finished,
    Message,
    NoConstraint,
    Request,
)
from symphony.engines.llamacpp import LlamaCppEngine, LlamaCppOptions, missing_package
from symphony.engines.openai import OpenAIEngine
from symphony.errors import ModelError
from symphony.testing.echo_server import Echo, serve

MANIFEST = """\
apiVersion: symphony/v1alpha1
kind: Agent
metadata: {name: solver}
spec:
  skills: [{name: echo, description: "answers"}]
  engine: {kind: openai, model: echo}
  instructions: prompt.md
"""


def ask(
    text: str = "ANSWER: three blind mice",
    *,
    constraint: Constraint = NoConstraint(),  # noqa: B008 - a frozen value
    max_tokens: int = 64,
    deadline_ms: int = 20_000,
    temperature: float = 0.0,
    seed: int | None = None,
    stop: tuple[str, ...] = (),
    logprobs: bool = False,
) -> Request:
    return Request(
        messages=(Message("user", text),),
        max_tokens=max_tokens,
        temperature=temperature,
        deadline_ms=deadline_ms,
        seed=seed,
        stop=stop,
        constraint=constraint,
        logprobs=logprobs,
    )


def write_agent(folder: Path) -> Path:
    """An agent's folder, with as little in it as there may be."""
    (folder / "agent.yaml").write_text(MANIFEST)
    (folder / "prompt.md").write_text("Answer.\n")
    return folder


async def run(engine: Engine, request: Request) -> tuple[str, Finished]:
    """A whole generation: its text and its end, and nothing after the end."""
    async with engine.generate(request) as stream:
        events: list[Event] = [event async for event in stream]
    *chunks, last = events
    assert isinstance(last, Finished)
    assert all(isinstance(chunk, Chunk) for chunk in chunks)
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, Chunk)), last


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 10.0) -> None:
    """Ask again and again, each time with a real request, until it holds."""
    with trio.fail_after(seconds):
        while not await holds():
            await trio.lowlevel.checkpoint()


@dataclass
class EchoServer:
    echo: Echo
    url: str

    def engine(self, model: str = "echo", **options: object) -> OpenAIEngine:
        return OpenAIEngine(self.url, model=model, **options)  # type: ignore[arg-type]


@pytest.fixture
async def echo(nursery: trio.Nursery) -> AsyncIterator[EchoServer]:
    state = Echo(latency_ms=20)
    url = await nursery.start(partial(serve, state))
    yield EchoServer(state, url)
    nursery.cancel_scope.cancel()


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The real model's weights, fetched once into the user's cache."""
    if missing := missing_package():
        pytest.skip(missing)
    try:
        return models.pull("smollm2-135m")
    except ModelError as error:
        pytest.skip(f"SmolLM2 can't be fetched here: {error}")


def for_vllm(model: str) -> Path:
    """A model in the form that vLLM serves, converted if it is not yet."""
    if not vllm.installed():
        pytest.skip("vLLM is not installed here (make test-vllm installs it)")
    try:
        return converting.convert(model)
    except ModelError as error:
        pytest.skip(f"{model} is not here: {error}")


@pytest.fixture(scope="session")
def smollm2_for_vllm(smollm2: Path) -> Path:
    del smollm2
    return for_vllm("smollm2-135m")


@pytest.fixture(scope="session")
def qwen_for_vllm() -> Path:
    return for_vllm("qwen2.5-coder-1.5b")


@pytest.fixture(scope="session")
def minilm() -> Path:
    try:
        return models.pull("minilm-l6-int8")
    except ModelError as error:
        pytest.skip(f"MiniLM can't be fetched here: {error}")


@pytest.fixture
async def llama(smollm2: Path) -> AsyncIterator[LlamaCppEngine]:
    engine = LlamaCppEngine(LlamaCppOptions(smollm2, "smollm2-135m", "smollm2", slots=2))
    try:
        yield engine
    finally:
        await engine.aclose()


@pytest.fixture
def starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that lists the starts of vLLM; `weights` beside it is what it may serve."""
    program = tmp_path / "vllm"
    source = Path(__file__).with_name("fake_vllm.py").read_text()
    program.write_text(f"#!{sys.executable} -S\n{source}")
    program.chmod(0o755)
    log = tmp_path / "starts"
    (tmp_path / "weights").mkdir()
    monkeypatch.setenv("FAKE_VLLM_LOG", str(log))
    monkeypatch.setattr(vllm, "command", lambda: str(program))
    return log
