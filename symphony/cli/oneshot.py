"""A node for the time of one task: the very node that `symphony join` runs, in this process.

The node gets the main thread, because signals arrive there; the command that waits for an
answer talks to it over its gateway, from a worker thread, like any other client. When the
command is done, or fails, the node is shut down in order.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from symphony.cli.home import ensure_node
from symphony.cli.show import note
from symphony.errors import ConnectionError as Unreachable

if TYPE_CHECKING:
    from symphony.cli.door import Door

T = TypeVar("T")


def with_node(home: Path, work: Callable[[Door], T]) -> T:
    """Run `work` against a node that lives only meanwhile. Raises what either of them raises."""
    import trio

    from symphony.cli.door import find, opened
    from symphony.config import load_settings
    from symphony.node import run_node

    ensure_node(home)
    # Any free port: the configured one is for the node that stays.
    flags = {"gateway.enabled": True, "gateway.port": 0, "log.level": "warning"}
    settings = load_settings(flags, home=home).settings
    note("no node runs here; starting one for this task")
    results: list[T] = []

    def in_thread() -> None:
        address = find(home)
        if address is None:
            raise Unreachable("the node opened no gateway", hint="symphony doctor")
        with opened(address) as door:
            results.append(work(door))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            ready = trio.Event()
            nursery.start_soon(run_node, settings, lambda _: ready.set())
            await ready.wait()
            await trio.to_thread.run_sync(in_thread, abandon_on_cancel=True)
            nursery.cancel_scope.cancel()

    trio.run(main)
    return results[0]
