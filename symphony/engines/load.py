"""How busy an engine is: what its server says of itself, and what waits for it here.

llama.cpp and vLLM publish their counters in Prometheus' text format under names of their own;
`read_counters` knows those of both and takes nothing else from the page. What a server does not
say is None, never a guess; nor is what no server can have counted.
"""

from __future__ import annotations

import re
from typing import Final, Protocol, runtime_checkable

from symphony.capacity import Load
from symphony.engines import limits


@runtime_checkable
class Loaded(Protocol):
    """An engine that says how busy it is."""

    async def load(self) -> Load: ...


_FIELDS: Final = {
    "llamacpp:requests_processing": ("running", 1),
    "llamacpp:requests_deferred": ("queued", 1),
    "llamacpp:prompt_tokens_total": ("prompt_tokens", 1),
    "llamacpp:tokens_predicted_total": ("completion_tokens", 1),
    "vllm:num_requests_running": ("running", 1),
    "vllm:num_requests_waiting": ("queued", 1),
    "vllm:kv_cache_usage_perc": ("cache_ppm", 1_000_000),
    "vllm:prompt_tokens_total": ("prompt_tokens", 1),
    "vllm:generation_tokens_total": ("completion_tokens", 1),
}
_SAMPLE: Final = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{[^}]*\})? (\S+)")


def read_counters(page: str, waiting: int) -> Load:
    """The counters on a metrics page. Samples of one name with several labels add up."""
    found: dict[str, int] = {}
    for line in page.splitlines()[: limits.METRICS_LINES]:
        sample = _SAMPLE.match(line)
        if sample is None or sample[1] not in _FIELDS:
            continue
        name, scale = _FIELDS[sample[1]]
        try:
            value = float(sample[2]) * scale
        except ValueError:
            continue
        if 0 <= value <= limits.COUNTED_MOST:  # which nan is not
            found[name] = found.get(name, 0) + round(value)
    return Load(waiting=waiting, **found)
