"""How a node begins: what takes long elsewhere is under way before our own parts are loaded.

    lock → key → ledger ─┬─ the model servers start, in processes of their own ─┬─→ `opening`
                         ├─ the embedder is loaded, in a thread                 │
                         └─ core, network and gateway are imported, in another ─┘

The imports take two seconds of a core, and a small model not much longer to load. One after the
other they would add up; so this module imports no more than the engines need, and everything
else while it waits for them. A node without engines waits for its imports alone.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from ledger import PrivateKey
from ledger.sqlite import SqliteStore, lock_directory
from symphony.config import make_home
from symphony.core.peers.admission import parse_token
from symphony.engines.embedding import Encoder, open_encoder
from symphony.errors import SymphonyError
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

if TYPE_CHECKING:
    from symphony.node.opening import Ready

_REST = "symphony.node.opening"


@dataclass(slots=True)
class Beginnings:
    """What is there before the rest of the node is; no encoder where there is no model for one."""

    key: PrivateKey
    swarm_file: SwarmFile
    store: SqliteStore
    household: Household
    encoder: Encoder | None = None


async def run_node(
    settings: NodeSettings, on_ready: Callable[[Ready], None], *, insist: bool = True
) -> None:
    """Run a node until cancelled. Raises the errors of `symphony.errors`; with `insist` that
    none of the peers that the settings name could be reached is one of them.
    """
    make_home(settings.home)
    with lock_directory(settings.home):
        key, swarm_file = prepare_home(settings)
        store = SqliteStore.open(settings.home / "ledger.sqlite", swarm_file.swarm_id)
        try:
            async with AsyncExitStack() as stack:
                begun = Beginnings(key, swarm_file, store, Household.of(settings))
                await _begin(begun, settings, stack)
                from symphony.node.opening import open_node  # noqa: PLC0415 - loaded by `_begin`

                await open_node(settings, begun, stack, on_ready, insist=insist)
        except BaseExceptionGroup as group:
            raise _single(group) from group
        finally:
            store.close()


async def _begin(begun: Beginnings, settings: NodeSettings, stack: AsyncExitStack) -> None:
    """Engines and embedder, and the modules of `open_node`, all at once."""

    async def load_encoder() -> None:
        begun.encoder = await open_encoder()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(move_in, begun.household, settings, stack)
        nursery.start_soon(load_encoder)
        nursery.start_soon(trio.to_thread.run_sync, importlib.import_module, _REST)
    await begun.household.describe(begun.encoder)


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


def _single(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """One typed error out of a nursery's group; the group itself if it holds anything else."""
    matching = group.subgroup(SymphonyError)
    expected = SymphonyError | trio.Cancelled | BaseExceptionGroup  # groups: only leaves count
    rest = group.subgroup(lambda error: not isinstance(error, expected))
    if matching is None or (rest is not None and rest.exceptions):
        return group
    error: BaseException = matching
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
