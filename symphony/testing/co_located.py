"""What engines cost one another on one machine.

Five embedded engines run at once, each with the threads that a node would give it, and the slowest
is compared with a fifth of what one engine alone does with all cores. Engines that each took all
cores would wait for one another's threads and fall far behind that fifth.
"""

from __future__ import annotations

from typing import Any, Final

import trio

from symphony.engines import models
from symphony.engines.llamacpp import LlamaCppEngine, LlamaCppOptions, threads_for
from symphony.engines.measuring import measure
from symphony.testing.engine_bench import MODEL
from symphony.testing.stolen import StolenTime

NODES: Final = 5


def measure_co_located() -> dict[str, Any]:
    """Five embedded engines at once beside one alone."""
    watch = StolenTime()
    alone = trio.run(_rates, 1)[0]
    together = trio.run(_rates, NODES)
    fair = alone / NODES
    return {
        "alone_tokens_per_s": round(alone, 1),
        "each_tokens_per_s": [round(rate, 1) for rate in together],
        "share_ratio": round(min(together) / fair, 3),
        "stolen": round(watch.share(), 3),
    }


async def _rates(nodes: int) -> list[float]:
    weights = models.path(MODEL)
    threads = threads_for(nodes)
    options = LlamaCppOptions(weights, MODEL, "smollm2", slots=2, threads=threads)
    engines = [LlamaCppEngine(options) for _ in range(nodes)]
    rates: list[float] = []

    async def one(engine: LlamaCppEngine) -> None:
        rates.append((await measure(engine)).one_tokens_per_s)

    try:
        async with trio.open_nursery() as nursery:
            for engine in engines:
                nursery.start_soon(engine.start)
        async with trio.open_nursery() as nursery:
            for engine in engines:
                nursery.start_soon(one, engine)
    finally:
        for engine in engines:
            await engine.aclose()
    return rates
