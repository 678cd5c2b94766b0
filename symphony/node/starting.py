"""How a node begins: its key and swarm, and its engines, which take long elsewhere.

This module imports no more than that needs, so that `running` can import everything else while the
engines start.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

import trio

from ledger import PrivateKey
from ledger.sqlite import SqliteStore
from symphony.config import make_home
from symphony.core.peers.invite import parse_token
from symphony.engines.embedding import LateEncoder
from symphony.errors import EngineError
from symphony.identity import (
    SwarmFile,
    accept_invite,
    create_identity,
    has_identity,
    load_identity,
    new_genesis,
    read_swarm,
    successor_commitment,
    write_swarm,
)
from symphony.node.hosting import Household, move_in
from symphony.settings import NodeSettings


@dataclass(slots=True)
class Beginnings:
    """What is there before the rest of the node is; no encoder where there is no model for one."""

    key: PrivateKey
    swarm_file: SwarmFile
    store: SqliteStore
    household: Household
    encoder: LateEncoder | None = None


async def begin(
    begun: Beginnings, settings: NodeSettings, stack: AsyncExitStack, beside: Callable[[], object]
) -> None:
    """Engines, and in a thread whatever is to be done `beside`, at once; then the records."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(move_in, begun.household, settings, stack)
        nursery.start_soon(_warm, begun)
        nursery.start_soon(trio.to_thread.run_sync, beside)
    await begun.household.describe(begun.encoder)


async def _warm(begun: Beginnings) -> None:
    """Load the encoder early where it will be needed: at a first start."""
    if begun.encoder is not None and not begun.household.vectors.kept:
        with suppress(EngineError):  # said when it is needed
            await begun.encoder.load()


def prepare_home(settings: NodeSettings) -> tuple[PrivateKey, SwarmFile]:
    """The key and the swarm of this home; made on first use. An invite is accepted here."""
    make_home(settings.home)
    key = load_identity(settings.home) if has_identity(settings.home) else None
    key = key or create_identity(settings.home)
    if settings.invite is not None:
        invite = parse_token(settings.invite.get_secret_value())
        return key, accept_invite(settings.home, key, invite)
    swarm = read_swarm(settings.home)
    if swarm is None:
        successor = successor_commitment(settings.home)
        swarm = SwarmFile(new_genesis("home", "invite", key, successor))
        write_swarm(settings.home, swarm)
    return key, swarm
