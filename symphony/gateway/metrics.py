"""Numbers for Prometheus, fed from the node's own events.

Every label has a closed set of values: no task, peer or name from elsewhere ever becomes a label,
since each new value is a time series that is kept for ever. Strangers can't make the set grow.
The engines' own counters are in `engine_metrics`.

The registry is our own, so that two nodes in one process (tests, the demo) do not mix, and so
that nothing another library registers leaves this machine by accident.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from symphony.core.events import (
    BallotCast,
    BidHeard,
    Event,
    FailedOver,
    TaskAccepted,
    TaskEnded,
    UnitAwarded,
)
from symphony.gateway.engine_metrics import EngineMetrics
from symphony.gateway.port import LoadView, NodePort

if TYPE_CHECKING:
    from trio_typing import TaskStatus

# From a cached one-step answer to a long plan on laptops.
_TASK_BUCKETS_S = (0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320)


class Metrics:
    """Counts what a node does. `observe` events, `render` on demand."""

    def __init__(self, port: NodePort) -> None:
        self._registry = registry = CollectorRegistry()
        self._started = Counter("symphony_tasks_started", "Tasks begun here", registry=registry)
        self._ended = Counter(
            "symphony_tasks_ended", "Tasks that ended here", ["outcome"], registry=registry
        )
        self._task_s = Histogram(
            "symphony_task_seconds",
            "From submit to verdict",
            buckets=_TASK_BUCKETS_S,
            registry=registry,
        )
        self._bids = Counter("symphony_bids", "Bids heard for our units", registry=registry)
        self._awards = Counter("symphony_awards", "Units awarded", registry=registry)
        self._failovers = Counter("symphony_failovers", "Owners replaced", registry=registry)
        self._ballots = Counter("symphony_ballots", "Ballots cast", registry=registry)
        self._tokens = Counter(
            "symphony_tokens", "Tokens of ended tasks, prompts included", registry=registry
        )
        self._rejects = Counter(
            "symphony_rejects", "Messages of peers that broke a rule", registry=registry
        )
        peers = Gauge("symphony_peers", "Connected peers", registry=registry)
        peers.set_function(lambda: port.status().peers)
        running = Gauge("symphony_tasks_running", "Tasks under way here", registry=registry)
        running.set_function(lambda: port.status().tasks_running)
        self._engines = EngineMetrics()
        registry.register(self._engines)

    def observe(self, event: Event) -> None:
        match event:
            case TaskAccepted():
                self._started.inc()
            case BidHeard():
                self._bids.inc()
            case UnitAwarded():
                self._awards.inc()
            case FailedOver():
                self._failovers.inc()
            case BallotCast():
                self._ballots.inc()
            case TaskEnded(outcome=outcome, at_ms=at_ms, tokens=tokens):
                self._tokens.inc(tokens)
                self._ended.labels(outcome).inc()
                self._task_s.observe(at_ms / 1000)
            case _:
                pass

    def reject(self) -> None:
        """A peer broke a rule. Not an event (strangers cause it), so the node calls this."""
        self._rejects.inc()

    def render(self, load: LoadView) -> bytes:
        """Everything in the text format of Prometheus; `load` is how busy the engines are now."""
        self._engines.load = load
        return generate_latest(self._registry)

    async def follow(
        self, port: NodePort, *, task_status: TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Observe every event of the node until it stops. Started once it misses none."""
        async with port.watch() as events:
            task_status.started()
            async for event in events:
                self.observe(event)
