"""A node for the time of one task: the very node that `symphony join` runs, in this process.

The node gets the main thread, because signals arrive there; the command that waits for an
answer talks to it over its gateway, from a worker thread, like any other client. When the
command is done, or fails, the node is shut down in order. A signal cancels the task everywhere
first: its owners would otherwise go on until their leases end.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from symphony.cli.home import ensure_node
from symphony.cli.show import note

if TYPE_CHECKING:
    from symphony.client import Symphony

T = TypeVar("T")


def with_node(home: Path, work: Callable[[Symphony], T]) -> T:
    """Run `work` against a node that lives only meanwhile. Raises what either of them raises."""
    from symphony.node import garbage

    garbage.hold()  # before the imports
    import trio

    from symphony.cli.door import connected
    from symphony.config import load_settings
    from symphony.node import run_node
    from symphony.node.logs import configure_logging
    from symphony.node.signals import first_signal

    ensure_node(home)
    # Any free port: the configured one is for the node that stays.
    flags = {"gateway.enabled": True, "gateway.port": 0, "log.level": "warning"}
    settings = load_settings(flags, home=home).settings
    configure_logging(settings.log)
    note("no node runs here; starting one for this task")
    results: list[T] = []

    def in_thread() -> None:
        with connected(home) as swarm:
            results.append(work(swarm))

    def cancel_all() -> None:
        with connected(home) as swarm:
            for row in swarm.tasks.list():
                swarm.tasks.get(row["id"]).cancel()

    async def cancel_when_told() -> None:
        await first_signal()
        await trio.to_thread.run_sync(cancel_all, **abandon)  # `work` then gets its verdict

    # As a dictionary, because type stubs that another package brings know an older trio.
    abandon: dict[str, Any] = {"abandon_on_cancel": True}

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            ready = trio.Event()
            # Peers that are away are no reason to leave the question unanswered.
            node = partial(run_node, settings, lambda _: ready.set(), insist=False)
            nursery.start_soon(node)
            await ready.wait()
            nursery.start_soon(cancel_when_told)
            await trio.to_thread.run_sync(in_thread, **abandon)
            nursery.cancel_scope.cancel()

    trio.run(main)
    return results[0]
