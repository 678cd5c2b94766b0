"""Work that came ahead: an owner goes on with a chain without being told to.

A step that needs one more output, and is awarded to the very owner who is making that output, need
not wait for the conductor. Its order comes early, with a hole: the quote whose text is still
empty. As soon as the owner has the output it fills the hole and begins, and the result that it
hands over names what it went on with (`Done.begun`). So a chain that stays with one node costs no
round trip between its steps, be the conductor next door or an ocean away.

Nothing rests on it. What is held is forgotten together with the job that it waits for, and a
conductor that isn't told that it was begun sends the work again, in full. The input digest of
its result is checked as ever: whoever fills the hole with anything else than the output that it
handed over has made junk.

The word to stop may come ahead, too: it overtakes the work that it is about, and is remembered
until that comes. A conductor never hands out an epoch that it has stopped.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace

from symphony.core import limits
from symphony.core.ids import Epoch, NodeId, UnitId
from symphony.core.owner.jobs import Job


class Held:
    """The jobs that wait for another job of this node, by the unit of that other one."""

    def __init__(self) -> None:
        self._after: dict[UnitId, list[Job]] = {}
        self._stopped: OrderedDict[tuple[NodeId, UnitId, Epoch], None] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._after.values()))

    def put(self, job: Job, after: UnitId) -> bool:
        """Keep it; False if there are too many, or if it doesn't lack exactly one output."""
        holes = sum(not quote.text for quote in job.order.quotes)
        waiting = len(self._after.get(after, ()))
        if holes != 1 or waiting >= limits.MAX_STEPS or len(self) >= limits.MAX_WORK_HELD:
            return False
        self._after.setdefault(after, []).append(job)
        return True

    def take(self, after: UnitId, output: str) -> Iterator[Job]:
        """The jobs that waited for this unit, with its output where it was missing."""
        text = output[: limits.MAX_INPUT_CHARS]
        for job in self._after.pop(after, ()):
            quotes = (q if q.text else replace(q, text=text) for q in job.order.quotes)
            job.order = replace(job.order, quotes=tuple(quotes))
            yield job

    def forget(self, after: UnitId) -> None:
        """That unit will have no output here."""
        self._after.pop(after, None)

    def drop(self, conductor: NodeId, unit: UnitId, epoch: Epoch) -> None:
        """Don't begin it: it was stopped, or it came again in full."""
        for after, jobs in list(self._after.items()):
            same = [j for j in jobs if (j.conductor, j.unit, j.epoch) == (conductor, unit, epoch)]
            for job in same:
                jobs.remove(job)
            if not jobs:
                del self._after[after]

    def stop(self, conductor: NodeId, unit: UnitId, epoch: Epoch) -> None:
        """Work that has not come yet is not to be begun when it does."""
        self._stopped[conductor, unit, epoch] = None
        while len(self._stopped) > limits.MAX_EARLY_STOPS:
            self._stopped.popitem(last=False)

    def stopped(self, conductor: NodeId, unit: UnitId, epoch: Epoch) -> bool:
        """Was this work stopped before it came?"""
        return (conductor, unit, epoch) in self._stopped

    def clear(self) -> None:
        self._after.clear()
