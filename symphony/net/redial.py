"""Whom to dial next, and when. Pure: the caller brings the time and the dice.

Nothing in libp2p reconnects by itself. Every address that does not answer waits twice as long
as the last time, up to a limit, times a random part (full jitter: Brooker, "Exponential backoff
and jitter", 2015), so that a swarm whose bootstrap node restarts does not come back all at once.
An address that refused us by rule waits minutes: asking again soon changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from symphony.net import limits


@dataclass(slots=True)
class _Retry:
    failures: int = 0
    due_s: float = 0.0


class Redial:
    """The back-off of every address. `dice` gives floats in [0, 1)."""

    def __init__(self, dice: Callable[[], float]) -> None:
        self._dice = dice
        self._retries: dict[str, _Retry] = {}

    def due(self, addresses: Iterable[str], now_s: float) -> list[str]:
        """Those that may be dialled now, in the given order."""
        return [address for address in addresses if self._due_s(address) <= now_s]

    def next_due_s(self, addresses: Iterable[str]) -> float | None:
        """When the first of them may be dialled; None if there are none."""
        return min((self._due_s(address) for address in addresses), default=None)

    def failed(self, address: str, now_s: float) -> None:
        """It did not answer."""
        retry = self._retry(address)
        pause_s = min(limits.BACKOFF_FIRST_S * 2**retry.failures, limits.BACKOFF_LAST_S)
        retry.failures = min(retry.failures + 1, 16)
        retry.due_s = now_s + pause_s * (0.5 + 0.5 * self._dice())

    def rest(self, address: str, now_s: float) -> None:
        """It refused us by rule, or we do not want it: leave it alone for minutes."""
        self._retry(address).due_s = now_s + limits.BACKOFF_DENIED_S

    def succeeded(self, address: str) -> None:
        """It answered: if it is lost, it may be dialled again at once."""
        self._retries.pop(address, None)

    def _due_s(self, address: str) -> float:
        retry = self._retries.get(address)
        return retry.due_s if retry else 0.0

    def _retry(self, address: str) -> _Retry:
        if address not in self._retries:
            if len(self._retries) >= limits.KNOWN_PEERS * limits.KNOWN_ADDRESSES:
                oldest = min(self._retries, key=lambda known: self._retries[known].due_s)
                del self._retries[oldest]
            self._retries[address] = _Retry()
        return self._retries[address]
