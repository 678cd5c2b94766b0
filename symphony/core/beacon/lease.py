"""The arithmetic of leases: who may act until when, without clocks that agree.

The owner stops at 0.9 lease after it *sent* its last acknowledged renewal; the conductor gives
the unit away not before 1.1 lease after it *answered* one. The owner's interval starts earlier
and is shorter, so the two never overlap as long as the clocks' rates differ by less than 10 %.
Only a fencing number (`epoch`) makes a paused owner harmless: results of an old epoch are
ignored where they would take effect. Theory: Gray & Cheriton's leases, with fencing tokens.
"""

from __future__ import annotations

from symphony.core import limits


def owner_until_ms(sent_ms: int, lease_ms: int) -> int:
    """The owner may act until then, given when it sent its last acknowledged renewal."""
    return sent_ms + lease_ms * limits.OWNER_STOPS_PPM // 1_000_000


def conductor_until_ms(answered_ms: int, lease_ms: int) -> int:
    """The conductor waits until then, given when it last answered a renewal (or awarded)."""
    return answered_ms + lease_ms * limits.CONDUCTOR_WAITS_PPM // 1_000_000


def renew_every_ms(lease_ms: int) -> int:
    """Three renewals per lease: two may get lost."""
    return max(1, lease_ms // 3)
