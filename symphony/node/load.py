"""How busy this node's engines are, and what memory is left: what an operator looks at first.

Each server is asked once, however many agents and adapters share it, and for a moment only: one
that does not answer is shown without numbers, because that is when somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterable

import trio

from symphony.capacity import Load
from symphony.engines.adapters import AdaptedEngine
from symphony.engines.base import Description, Engine
from symphony.engines.load import Loaded
from symphony.engines.machine import memory
from symphony.errors import EngineError
from symphony.gateway.port import EngineView, LoadView
from symphony.node import limits
from symphony.node.workshop import HostedAgent


async def look(agents: Iterable[HostedAgent]) -> LoadView:
    """Ask all engines at once, and the machine beside them."""
    sharing: dict[int, tuple[Engine, Description]] = {}
    for agent in agents:
        if isinstance(agent.engine, AdaptedEngine):
            server = agent.engine.server
            sharing[id(server)] = server, await server.describe()
        else:
            sharing[id(agent.engine)] = agent.engine, agent.description
    found: dict[int, EngineView] = {}

    async def ask(key: int, engine: Engine, described: Description) -> None:
        found[key] = EngineView(described.engine, described.model, await _load(engine))

    async with trio.open_nursery() as nursery:
        for key, shared in sharing.items():
            nursery.start_soon(ask, key, *shared)
        machine = await trio.to_thread.run_sync(memory)
    return LoadView(tuple(found[key] for key in sharing), machine)


async def _load(engine: Engine) -> Load | None:
    if not isinstance(engine, Loaded):
        return None
    try:
        with trio.fail_after(limits.LOAD_S):
            return await engine.load()
    except (trio.TooSlowError, EngineError):
        return None
