"""LoRA adapters: one vLLM serves a model and all of them, and a bad one costs only its agent.

vLLM is a small program here; `make test-vllm` shows the same with the real one.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import trio

from symphony.engines import EngineSpec, explain_choice, open_engine
from symphony.engines.adapters import CONFIG, WEIGHTS, largest_rank, named, refusal_of
from symphony.engines.vllm_server import VllmEngine
from symphony.node.hosting import Household, move_in
from symphony.node.load import look
from symphony.settings import NodeSettings

from .conftest import ask, run

AGENT = """\
apiVersion: symphony/v1alpha1
kind: Agent
metadata: {{name: {name}}}
spec:
  skills: [{{name: verse, description: "writes verse"}}]
  engine: {{kind: vllm, model: "{model}"{adapter}}}
  instructions: prompt.md
  limits: {{context_tokens: {context}}}
"""


def adapter(folder: Path, weights: bytes = b"real", rank: object = 8) -> Path:
    folder.mkdir(parents=True)
    (folder / CONFIG).write_text(json.dumps({"peft_type": "LORA", "r": rank}))
    (folder / WEIGHTS).write_bytes(weights)
    return folder


def commands(starts: Path) -> Iterator[list[str]]:
    yield from map(json.loads, starts.read_text().splitlines())


def write_agent(
    root: Path, name: str, adapter_name: str | None = None, context: int = 1024
) -> None:
    folder = root / "agents" / name
    folder.mkdir(parents=True)
    said = f", adapter: {adapter_name}" if adapter_name else ""
    model = root / "weights"
    text = AGENT.format(name=name, model=model, adapter=said, context=context)
    (folder / "agent.yaml").write_text(text)
    (folder / "prompt.md").write_text("Answer.\n")


@asynccontextmanager
async def household_in(root: Path) -> AsyncIterator[Household]:
    settings = NodeSettings(home=root, agents=(root / "agents",))
    household = Household.of(settings)
    async with AsyncExitStack() as stack:
        with trio.fail_after(60):
            await move_in(household, settings, stack)
        yield household


async def test_one_server_for_a_model_and_its_adapters(tmp_path: Path, starts: Path):
    write_agent(tmp_path, "plain")
    for name, folder, context in (
        ("ann", "poet", 2000),
        ("ben", "bard", 512),
        ("cid", "poet", 512),
    ):
        write_agent(tmp_path, name, folder, context)
        adapter(tmp_path / "agents" / name / folder, rank=24)
    async with household_in(tmp_path) as household:
        assert not household.warnings
        said = {}
        for name, agent in household.agents.items():
            said[name], end = await run(agent.engine, ask())
            assert end.model == said[name] == agent.description.model, "asked as it is announced"
        wanted = {"plain": "", "ann": ":poet", "ben": ":bard", "cid": ":poet-2"}
        assert said == {name: f"weights{more}" for name, more in wanted.items()}
        (command,) = commands(starts)
        flags = dict(pairwise(command))
        assert (flags["--max-lora-rank"], flags["--max-loras"]) == ("32", "3")
        assert flags["--max-model-len"] == "2000", "the widest that any of them asks for"
        assert len({agent.description.lineage for agent in household.agents.values()}) == 1
        (shown,) = (await look(household.agents.values())).engines
        assert (shown.model, shown.load and shown.load.completion_tokens) == ("weights", 7)


async def test_a_killed_server_comes_back_with_its_adapters(tmp_path: Path, starts: Path):
    poet = adapter(tmp_path / "poet")
    spec = EngineSpec(kind="vllm", model=str(tmp_path / "weights"), beside=(poet,))
    async with open_engine(spec) as engine:
        assert isinstance(engine, VllmEngine)
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)
        assert (await run(engine.adapted(poet), ask()))[0] == "weights:poet"
        assert (await run(engine, ask()))[0] == "weights"
    first, second = commands(starts)
    assert first[:-1] == second[:-1], "all but the port"


async def test_an_adapter_that_vllm_refuses_costs_only_its_agents(tmp_path: Path, starts: Path):
    for name, folder in (("plain", None), ("ann", "poet"), ("ben", "bard")):
        write_agent(tmp_path, name, folder)
    adapter(tmp_path / "agents" / "ann" / "poet", weights=b"broken")
    async with household_in(tmp_path) as household:
        assert set(household.agents) == {"plain"}
        assert (await run(household.agents["plain"].engine, ask()))[0] == "weights"
    told = "\n".join(household.warnings)
    assert "agent ann is not hosted: " in told
    assert "add_lora method failed: weights:poet" in told
    assert f"agent ben is not hosted: the adapter bard has no {CONFIG}" in told
    assert len(household.warnings) == 2
    assert ["--enable-lora" in command for command in commands(starts)] == [True, False]


async def test_alone_it_is_an_engine_too(tmp_path: Path, starts: Path):
    poet = adapter(tmp_path / "poet")
    spec = EngineSpec(kind="vllm", model=str(tmp_path / "weights"), adapter=poet)
    assert explain_choice(replace(spec, kind="auto")).usable
    async with open_engine(spec) as engine:
        assert (await engine.describe()).model == "weights:poet"
        assert (await engine.health()).ok
        assert (await run(engine, ask()))[0] == "weights:poet"
    assert len(list(commands(starts))) == 1


@pytest.mark.parametrize("rank", [0, -8, 513, True, "8", None, 8.0])
def test_a_rank_that_vllm_does_not_take(tmp_path: Path, rank: object):
    assert "no rank `r` from 1 to 512" in str(refusal_of(adapter(tmp_path / "poet", rank=rank)))


def test_what_an_adapter_needs(tmp_path: Path):
    poet = adapter(tmp_path / "poet", rank=17)
    assert refusal_of(poet) is None
    assert (largest_rank([poet]), largest_rank([adapter(tmp_path / "bard", rank=512)])) == (32, 512)
    (poet / CONFIG).write_text('{"r": 8, "rank_pattern": {"q_proj": 40}}')
    assert (refusal_of(poet), largest_rank([poet])) == (None, 64)
    for pattern in ('{"q_proj": 513}', '{"q_proj": true}', "[8]", '"8"'):
        (poet / CONFIG).write_text(f'{{"r": 8, "rank_pattern": {pattern}}}')
        assert "no rank" in str(refusal_of(poet)), pattern
    (poet / CONFIG).write_text("[" * 100_000)
    assert "no rank" in str(refusal_of(poet))
    (poet / CONFIG).unlink()
    assert CONFIG in str(refusal_of(poet))
    (poet / CONFIG).write_text('{"r": 8}')
    (poet / WEIGHTS).rename(poet / "adapter_model.bin")
    assert WEIGHTS in str(refusal_of(poet)), "a pickle is code"


def test_every_adapter_has_a_name_of_its_own(tmp_path: Path):
    a, b, c = (tmp_path / one for one in ("a/poet", "b/poet", "c/poet-2"))
    assert named("m", [c, b, a, b]) == {"m:poet": a, "m:poet-2": b, "m:poet-2-2": c}
