"""The registry of entry kinds.

The ledger interprets none of the numbers below 16: they are reserved here so that two
applications on one ledger never take the same one. A kind that a node doesn't know is stored
and relayed like any other, so that old nodes carry what new ones say.
"""

from __future__ import annotations

from enum import IntEnum


class Kind(IntEnum):
    """Numbers are part of the format: never reused, never renumbered."""

    CAPABILITY = 1
    TASK = 2
    AWARD = 3
    RESULT = 4
    VERDICT = 5
    PROBE = 6
    CHECKPOINT = 16
    COSIGN = 17
    HORIZON = 18
    FORK = 19
    RETIRE = 20
    ADOPT = 21
    REVOKE = 22
    PLEDGE = 23
