"""Servers of somebody else that do not serve their agents yet: asked again until they do.

A server by URL comes and goes as it likes. One that is down when the node starts, or that takes
long to say what it can do, holds nobody up: the node starts without its agents, says so, and asks
again after a growing pause. Once it answers, its agents move in, as if they had been here from the
beginning. A server of ours is no such case: it is started by the node, and what keeps it from
starting does not go away by itself.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
import trio

from symphony.engines.base import Description, Engine
from symphony.engines.probe import noting
from symphony.errors import EngineUnavailable, SymphonyError
from symphony.manifests import AgentManifest
from symphony.node import limits
from symphony.node.server_notes import ServerNotes

_log = structlog.get_logger("symphony.hosting")


@dataclass(frozen=True, slots=True)
class Awaited:
    """A server that is asked again, and the agents that it would serve."""

    engine: Engine
    manifests: tuple[AgentManifest, ...]
    notes: ServerNotes

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.manifests)

    async def described(self, within_s: float) -> Description:
        """What the server is. Raises `SymphonyError`."""
        with trio.move_on_after(within_s), noting(self.notes):
            return await self.engine.describe()
        raise EngineUnavailable(
            f"the model server did not say in {within_s:.0f} s what it can do",
            hint="see whether it answers a chat, or correct the engine's url",
        )


async def ask_again(
    servers: Sequence[Awaited],
    arrived: Callable[[Awaited, Description], Awaitable[None]],
    failed: Callable[[Awaited, str], None],
) -> None:
    """Ask each of them until it has arrived; `failed` hears why not yet."""
    one_by_one = trio.Lock()  # records are written from all the agents that are here

    async def ask(server: Awaited) -> None:
        pause_s = limits.SERVER_PAUSE_S
        while True:
            await trio.sleep(pause_s * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
            pause_s = min(limits.SERVER_PAUSE_MOST_S, pause_s * 2)
            try:
                described = await server.described(limits.SERVER_LATER_S)
            except SymphonyError as error:
                failed(server, str(error))
                continue
            async with one_by_one:
                await arrived(server, described)
            _log.info("server_arrived", agents=server.names, model=described.model)
            return

    async with trio.open_nursery() as nursery:
        for server in servers:
            nursery.start_soon(ask, server)
