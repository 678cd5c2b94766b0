"""A node from its first moment to its last: begins, opens, and closes in the other order.

    lock → key → ledger ─┬─ the model servers start, in processes of their own ──┬─→ `opening`
                         └─ core, network and gateway are imported, in a thread ─┘

The imports take two seconds of a core, and a small model not much longer to load. One after the
other they would add up; so `opening` and all below it are imported here, late, while `starting`
waits for the engines. A node without engines waits for its imports alone. The encoder comes last,
when the node is up: what the start needs of it was kept (`skill_vectors`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

import trio

from ledger.sqlite import SqliteStore, lock_directory
from symphony.config import make_home
from symphony.engines.embedding import find_encoder
from symphony.errors import SymphonyError
from symphony.node.hosting import Household
from symphony.node.starting import Beginnings, begin, prepare_home
from symphony.settings import NodeSettings

if TYPE_CHECKING:
    from symphony.node.opening import Ready

_REST = "symphony.node.opening"


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
                household, encoder = Household.of(settings), find_encoder()
                begun = Beginnings(key, swarm_file, store, household, encoder)
                await begin(begun, settings, stack, partial(import_module, _REST))
                from symphony.node.opening import open_node  # noqa: PLC0415 - it has just been loaded

                await open_node(settings, begun, stack, on_ready, insist=insist)
        except BaseExceptionGroup as group:
            raise _single(group) from group
        finally:
            store.close()


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
