"""The end that somebody asks for: Ctrl-C, a supervisor's SIGTERM, a terminal that closes.

By default SIGTERM and SIGHUP end a process on the spot: the peers would have to find out by
themselves, and `gateway.json` would point to nobody. Here the first signal is only told; what to
undo is undone by the one who waits. The handlers are gone after it, so a second signal ends the
process the hard way.
"""

from __future__ import annotations

import signal

import trio

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def first_signal() -> signal.Signals:
    """Wait for the first signal that asks this process to end. In the main thread only."""
    with trio.open_signal_receiver(*ENDING) as signals:
        return signal.Signals(await anext(signals))
