"""Hybrid logical clock: readable like time, growing like a counter.

After Kulkarni, Demirbas et al., "Logical Physical Clocks" (2014). A stamp is one integer:
48 bits of milliseconds since 1970, then 16 bits that count events inside a millisecond. An
overflowing counter carries into the milliseconds, so that `+ 1` is always the next stamp.

What it is for: ordering hints and expiry. What it is not for: safety (sequence numbers and
epochs) and timeouts (a monotonic clock). So peers may pull it forward only a little: stamps
more than 5 minutes ahead are held back altogether, and nobody moves it further than 60 seconds
ahead of our own time.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.limits import MAX_FUTURE_MS, MAX_PUSH_MS

COUNTER_BITS = 16


def pack(ms: int, counter: int = 0) -> int:
    """The stamp of the `counter`-th event in millisecond `ms`."""
    assert 0 <= ms < 1 << 47
    assert 0 <= counter < 1 << COUNTER_BITS
    return ms << COUNTER_BITS | counter


def physical_ms(hlc: int) -> int:
    """The milliseconds since 1970 in a stamp."""
    return hlc >> COUNTER_BITS


def held_until_ms(hlc: int, now_ms: int) -> int | None:
    """When a stamp too far in the future may be looked at again; None when it may be now."""
    until_ms = physical_ms(hlc) - MAX_FUTURE_MS
    return until_ms if until_ms > now_ms else None


@dataclass(frozen=True, slots=True)
class Observed:
    """What became of a peer's stamp."""

    held_until_ms: int | None = None
    """Set: too far in the future; our clock did not move. Look again then."""

    capped: bool = False
    """The stamp was followed only part of the way."""


class HybridClock:
    """One node's clock. `last` is the latest stamp given out or followed."""

    __slots__ = ("last",)

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def tick(self, now_ms: int) -> int:
        """A stamp for an event of ours: larger than every one before, near `now_ms`."""
        self.last = max(self.last + 1, pack(now_ms))
        return self.last

    def observe(self, hlc: int, now_ms: int) -> Observed:
        """Follow the stamp of a peer, so that our next one is larger."""
        until_ms = held_until_ms(hlc, now_ms)
        if until_ms is not None:
            return Observed(held_until_ms=until_ms)
        ceiling = pack(now_ms + MAX_PUSH_MS)
        self.last = max(self.last, min(hlc, ceiling))
        return Observed(capped=hlc > ceiling)
