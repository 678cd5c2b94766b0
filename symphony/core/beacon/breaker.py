"""The circuit breaker of one agent: ACTIVE → EXCLUDED → PROBE.

    ACTIVE ── 8 units in a row missed, in 3 incidents ──► EXCLUDED
    EXCLUDED ── 64 awards of ours later ──► PROBE
    PROBE ── a unit is delivered ──► ACTIVE;  one more is missed ──► EXCLUDED, twice as long

Units that were already given away when the first of them failed are one *incident*: a node that
was cut off, paused or restarted with a hand full of our work missed all of it for one reason, and
can't bid again before that reason is over. Who is merely broken or hostile takes new work and
misses that as well. So honest trouble alone doesn't open the breaker: it would have to come back
three times without a single delivery between.

Time is counted in awards of the conductor's own log, not in seconds: whoever reads the log gets
the same states, and no clock can hurry or delay a second chance.

After Nygard, "Release It!": closed, open, half open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from symphony.core import limits

BreakerState = Literal["active", "excluded", "probe"]


@dataclass(frozen=True, slots=True)
class Breaker:
    """What was missed since the last delivery. `now` is always the number of our last award."""

    misses: int = 0
    incidents: int = 0
    known_at: int = 0
    """The award at which the last incident was known; earlier ones belong to it."""
    times: int = 0
    """How often it was excluded since it last delivered something."""
    until: int = 0
    """Excluded until this award."""

    def state(self, now: int) -> BreakerState:
        if self.times == 0:
            return "active"
        return "excluded" if now < self.until else "probe"

    def kept(self) -> Breaker:
        """A unit was delivered: whatever it was is over."""
        return CLOSED

    def missed(self, award: int, now: int) -> Breaker:
        """Award number `award` was missed, as became known after award number `now`."""
        fresh = award > self.known_at or self.incidents == 0
        misses = self.misses + 1
        incidents = self.incidents + fresh
        known_at = now if fresh else self.known_at
        failed_again = self.state(award) == "probe"
        worn = misses >= limits.BREAKER_MISSES and incidents >= limits.BREAKER_INCIDENTS
        if not failed_again and (self.times or not worn):
            return Breaker(misses, incidents, known_at, self.times, self.until)
        pause = limits.BREAKER_PAUSE << min(self.times, limits.BREAKER_DOUBLINGS)
        return Breaker(misses, incidents, known_at, self.times + 1, now + pause)


CLOSED = Breaker()
