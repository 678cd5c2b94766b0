"""The model servers' own counters and the machine's memory, as series of the node's metrics.

They are read when somebody looks, not kept: a collector hands over what was read for this page.
What a server does not say makes no sample. Labels are the engines and models that this node hosts,
a set that its operator chose; no stranger can make it grow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from symphony.capacity import Load
from symphony.gateway.port import LoadView

_LABELS: Final = ("engine", "model")
_GAUGES: Final[tuple[tuple[str, str, Callable[[Load], float | None]], ...]] = (
    ("running", "Generations under way in the server", lambda load: load.running),
    ("queued", "Generations that wait in the server", lambda load: load.queued),
    ("waiting", "Generations that wait in this node", lambda load: load.waiting),
    ("memory_bytes", "Memory of the server's processes", lambda load: load.memory_bytes),
    (
        "cache_ratio",
        "How full the server's key-value cache is",
        lambda load: None if load.cache_ppm is None else load.cache_ppm / 1_000_000,
    ),
)
_COUNTERS: Final[tuple[tuple[str, str, Callable[[Load], float | None]], ...]] = (
    ("prompt_tokens", "Tokens of prompts, as the server counts", lambda load: load.prompt_tokens),
    ("tokens", "Tokens generated, as the server counts", lambda load: load.completion_tokens),
)


class EngineMetrics(Collector):
    """The latest load, for the page that is made now."""

    def __init__(self) -> None:
        self.load: LoadView | None = None

    def collect(self) -> Iterator[Metric]:
        load = self.load
        if load is None:
            return
        up = GaugeMetricFamily("symphony_engine_up", "Whether the engine answers", labels=_LABELS)
        for view in load.engines:
            up.add_metric([view.engine, view.model], float(view.load is not None))
        yield up
        for name, words, value_of in _GAUGES:
            gauge = GaugeMetricFamily(f"symphony_engine_{name}", words, labels=_LABELS)
            yield _filled(gauge, load, value_of)
        for name, words, value_of in _COUNTERS:
            counter = CounterMetricFamily(f"symphony_engine_{name}", words, labels=_LABELS)
            yield _filled(counter, load, value_of)
        free = "Free memory of this machine"
        yield GaugeMetricFamily("symphony_memory_free_bytes", free, value=load.memory.free_bytes)
        vram = GaugeMetricFamily("symphony_gpu_used_bytes", "Used memory of a GPU", labels=["gpu"])
        for number, gpu in enumerate(load.memory.gpus):
            vram.add_metric([str(number)], gpu.used_bytes)
        yield vram


def _filled(
    family: GaugeMetricFamily | CounterMetricFamily,
    load: LoadView,
    value_of: Callable[[Load], float | None],
) -> Metric:
    for view in load.engines:
        value = None if view.load is None else value_of(view.load)
        if value is not None:
            family.add_metric([view.engine, view.model], value)
    return family
