"""How busy this node's engines are, and what memory is left: what an operator looks at first.

Each engine is asked once, however many agents share it, and for a moment only: one that does not
answer is shown without numbers, because that is when somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterable

import trio

from symphony.engines.load import Load, Loaded
from symphony.engines.machine import memory
from symphony.errors import EngineError
from symphony.gateway.port import EngineView, GpuView, LoadView
from symphony.node import limits
from symphony.node.workshop import HostedAgent


async def look(agents: Iterable[HostedAgent]) -> LoadView:
    """Ask all engines at once, and the machine beside them."""
    sharing: dict[int, HostedAgent] = {id(agent.engine): agent for agent in agents}
    found: dict[int, EngineView] = {}

    async def ask(key: int, agent: HostedAgent) -> None:
        found[key] = _view(agent, await _load(agent))

    async with trio.open_nursery() as nursery:
        for key, agent in sharing.items():
            nursery.start_soon(ask, key, agent)
        machine = await trio.to_thread.run_sync(memory)
    return LoadView(
        engines=tuple(found[key] for key in sharing),
        memory_free_bytes=machine.free_bytes,
        memory_total_bytes=machine.total_bytes,
        gpus=tuple(GpuView(gpu.name, gpu.used_bytes, gpu.total_bytes) for gpu in machine.gpus),
    )


async def _load(agent: HostedAgent) -> Load | None:
    if not isinstance(agent.engine, Loaded):
        return None
    try:
        with trio.fail_after(limits.LOAD_S):
            return await agent.engine.load()
    except (trio.TooSlowError, EngineError):
        return None


def _view(agent: HostedAgent, load: Load | None) -> EngineView:
    described = agent.description
    if load is None:
        return EngineView(described.engine, described.model, answers=False)
    return EngineView(
        engine=described.engine,
        model=described.model,
        answers=True,
        waiting=load.waiting,
        running=load.running,
        queued=load.queued,
        cache_ppm=load.cache_ppm,
        prompt_tokens=load.prompt_tokens,
        completion_tokens=load.completion_tokens,
        memory_bytes=load.memory_bytes,
    )
