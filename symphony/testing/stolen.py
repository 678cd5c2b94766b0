"""What was stolen from this machine: time in which a core had work and its hypervisor ran another.

Linux counts it per core (`steal` of /proc/stat); elsewhere, and on bare metal, it is 0. A benchmark
that gives it beside its numbers says how far these are about the program.
"""

from __future__ import annotations

import time

import psutil  # type: ignore[import-untyped]


class StolenTime:
    """Watches from its making on."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._stolen_s = _stolen_s()

    def share(self) -> float:
        """Of the time of all cores since then, 0 to 1."""
        passed = (time.perf_counter() - self._began) * (psutil.cpu_count() or 1)
        return min(1.0, max(0.0, (_stolen_s() - self._stolen_s) / max(passed, 1e-9)))


def _stolen_s() -> float:
    """Since the start of the machine, over all cores."""
    return float(getattr(psutil.cpu_times(), "steal", 0.0))
