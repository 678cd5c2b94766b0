"""The receipts of this node: one file for each task, completed with a seal as they go out.

The loop writes one file for each task that ended with a verdict. Whoever fetches it gets it with
the seal that the ledger gives by then; where there is none yet, or it lacks witnesses, the core is
told, so that there is a better one the next time. What was witnessed is kept with its seal: the
ledger may forget old headers, and then could not prove any more where they stood.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog
import trio

from ledger import DecodeError, InvalidEntry, Store, StoreError
from symphony.config import write_private
from symphony.core.ids import TASK_ID_BYTES
from symphony.core.inputs import SealWanted
from symphony.core.limits import WITNESSES
from symphony.core.receipts.bundle import receipt_digest
from symphony.core.receipts.sealing import Sealer
from symphony.node import limits
from symphony.node.hub import Hub
from symphony.node.loop import Loop

_log = structlog.get_logger("symphony.receipts")

T = TypeVar("T")


class Receipts:
    """What lies in the folder `receipts` of a home, found by task or by digest."""

    def __init__(self, folder: Path, loop: Loop, store: Store, hub: Hub) -> None:
        self._folder = folder
        self._loop = loop
        self._hub = hub
        self._searches = trio.CapacityLimiter(1)
        self._sealer = Sealer(store, self._disk)

    async def find(self, reference: bytes) -> bytes | None:
        """By task id (16 bytes) or digest (32 bytes), with the best seal there is by now."""
        path = await self._path(reference)
        kept = None if path is None else await self._in_thread(partial(_read, path))
        if path is None or kept is None:
            return None
        try:
            data, witnesses = await self._in_thread(partial(self._sealer.complete, kept))
        except (DecodeError, InvalidEntry) as error:  # whoever verifies the file will see it, too
            _log.warning("receipt_damaged", reason=error.message)
            return kept
        except StoreError as error:  # the receipt holds without a seal, and says that it has none
            _log.error("seal_not_readable", reason=error.message, next="symphony ledger verify")
            return kept
        if witnesses is None or witnesses < WITNESSES:
            await self._loop.feed(SealWanted())
        if witnesses and data != kept:
            await self._in_thread(partial(write_private, path, data))
        return data

    async def _path(self, reference: bytes) -> Path | None:
        """The file of a receipt; one that is looked for by its task need not exist."""
        if len(reference) == TASK_ID_BYTES:
            return self._folder / f"{reference.hex()}.receipt"
        for task, story in self._hub.stories():
            if story.ended is not None and story.ended.receipt == reference:
                return self._folder / f"{task.hex()}.receipt"
        return await self._in_thread(partial(self._search, reference))

    async def _in_thread(self, look: Callable[[], T]) -> T:
        """Off the loop, and not in the store's thread: a search through old receipts takes
        seconds, and the core must be able to append meanwhile.
        """
        return await trio.to_thread.run_sync(look, limiter=self._searches)

    def _disk(self, work: Callable[[], T]) -> T:
        """For such a thread: something with the store, done where all work with the store is."""
        done: T = trio.from_thread.run(self._loop.on_disk, work)
        return done

    def _search(self, digest: bytes) -> Path | None:
        """Older receipts are named by their tasks: look into each, newest first."""
        files = sorted(self._folder.glob("*.receipt"), key=lambda p: -p.stat().st_mtime)
        for path in files[: limits.RECEIPTS_SEARCHED]:
            if receipt_digest(path.read_bytes()) == digest:
                return path
        return None


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
