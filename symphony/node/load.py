"""How busy this node's engines are, and what memory is left: what an operator looks at first.

Each engine is asked once, however many agents share it, and for a moment only: one that does not
answer is shown without numbers, because that is when somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterable

import trio

from symphony.capacity import Load
from symphony.engines.load import Loaded
from symphony.engines.machine import memory
from symphony.errors import EngineError
from symphony.gateway.port import EngineView, LoadView
from symphony.node import limits
from symphony.node.workshop import HostedAgent


async def look(agents: Iterable[HostedAgent]) -> LoadView:
    """Ask all engines at once, and the machine beside them."""
    sharing: dict[int, HostedAgent] = {id(agent.engine): agent for agent in agents}
    found: dict[int, EngineView] = {}

    async def ask(key: int, agent: HostedAgent) -> None:
        described = agent.description
        found[key] = EngineView(described.engine, described.model, await _load(agent))

    async with trio.open_nursery() as nursery:
        for key, agent in sharing.items():
            nursery.start_soon(ask, key, agent)
        machine = await trio.to_thread.run_sync(memory)
    return LoadView(tuple(found[key] for key in sharing), machine)


async def _load(agent: HostedAgent) -> Load | None:
    if not isinstance(agent.engine, Loaded):
        return None
    try:
        with trio.fail_after(limits.LOAD_S):
            return await agent.engine.load()
    except (trio.TooSlowError, EngineError):
        return None
