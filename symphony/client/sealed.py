"""Waiting for the seal of a receipt: how long, how often, and when it is as good as it gets.

Right after a verdict a receipt has no seal. Asking for it has one made, which takes other nodes
a second or two; so whoever wants to show the receipt asks again until it names three witnesses,
or all other nodes of a smaller swarm.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from symphony.client import limits
from symphony.errors import ReceiptInvalid


class Patience:
    """How much longer one receipt is worth asking for; `peers` are connected to its node."""

    def __init__(
        self, wait_s: float, peers: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        from symphony.core.limits import WITNESSES  # noqa: PLC0415 - only for who waits

        self._clock = clock
        self._until = clock() + wait_s
        self._wanted = min(WITNESSES, peers)

    def pause_s(self, receipt: bytes) -> float | None:
        """Seconds until the next try; None if this one is to be taken."""
        count = witnesses(receipt)
        enough = count is not None and count >= self._wanted
        late = self._clock() + limits.SEAL_POLL_S > self._until
        return None if enough or late else limits.SEAL_POLL_S


def witnesses(receipt: bytes) -> int | None:
    """How many nodes a receipt names as its witnesses, unchecked; None without a seal.

    Raises `ReceiptInvalid` for bytes that are no receipt.
    """
    from ledger.errors import DecodeError  # noqa: PLC0415 - 0.2 s of imports, only for who waits
    from symphony.core.receipts.receipt import RECEIPT  # noqa: PLC0415 - as above

    try:
        seal = RECEIPT.decode(receipt).seal
    except DecodeError as error:
        text = f"the node's receipt is none: {error.message}"
        raise ReceiptInvalid(text, hint="its file was changed") from None
    return None if seal is None else len(seal.cosigns)
