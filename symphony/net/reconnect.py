"""The task that keeps a node in its swarm: it dials whom it knows and is not connected to.

Bootstrap addresses are dialled for ever. Beyond them the node dials what it has heard of until it
has enough peers. It wakes when a peer comes or goes, and when an address is due again; it never
polls.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import trio

from symphony.errors import AdmissionDenied, ConnectionError, ProtocolMismatch  # noqa: A004
from symphony.net import limits
from symphony.net.address_book import AddressBook
from symphony.net.redial import Redial


class Wanted(Protocol):
    """Which peers are wanted: the network knows who is connected, banned, or itself."""

    def wants(self, peer: bytes, *, bootstrap: bool) -> bool: ...


class Reconnect:
    """Dials due addresses, a few at a time."""

    def __init__(
        self,
        wanted: Wanted,
        book: AddressBook,
        redial: Redial,
        bootstrap: dict[str, bytes],
        dial: Callable[[str], Awaitable[bytes]],
    ) -> None:
        self._wanted = wanted
        self._book = book
        self._redial = redial
        self._bootstrap = bootstrap
        self._dial = dial
        self.failures = 0
        """Dials that did not succeed, since the start."""
        self._dialling: set[bytes] = set()
        self._poked = trio.Event()

    def poke(self) -> None:
        """Something changed: look again."""
        self._poked.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                self._poked = trio.Event()
                now_s = trio.current_time()
                targets = self._targets()
                for address in self._redial.due(targets, now_s):
                    peer = targets[address]
                    if len(self._dialling) < limits.CONCURRENT_DIALS and peer not in self._dialling:
                        self._dialling.add(peer)
                        nursery.start_soon(self._try, address, peer)
                if self._book.changed:
                    await trio.to_thread.run_sync(self._book.save)
                await self._sleep(targets)

    def _targets(self) -> dict[str, bytes]:
        """Addresses to dial with the peer expected there, bootstrap first."""
        targets = {
            address: peer
            for address, peer in self._bootstrap.items()
            if self._wanted.wants(peer, bootstrap=True)
        }
        for peer, addresses in self._book.addresses().items():
            if self._wanted.wants(peer, bootstrap=False):
                targets.update({address: peer for address in addresses if address not in targets})
        return targets

    async def _sleep(self, targets: dict[str, bytes]) -> None:
        """Until a poke, or until the first address that is not being dialled is due."""
        idle = [address for address, peer in targets.items() if peer not in self._dialling]
        due_s = self._redial.next_due_s(idle)
        busy = len(self._dialling) >= limits.CONCURRENT_DIALS
        wait_s = float("inf") if due_s is None or busy else due_s - trio.current_time()
        with trio.move_on_after(max(0.0, wait_s)):
            await self._poked.wait()

    async def _try(self, address: str, peer: bytes) -> None:
        try:
            await self._dial(address)
        except (AdmissionDenied, ProtocolMismatch):
            self.failures += 1
            self._redial.rest(address, trio.current_time())
        except ConnectionError:
            self.failures += 1
            self._redial.failed(address, trio.current_time())
        else:
            self._redial.succeeded(address)
        finally:
            self._dialling.discard(peer)
            self.poke()
