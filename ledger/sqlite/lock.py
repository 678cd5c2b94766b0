"""One process per data directory: an exclusive lock, released when the process ends.

Two processes with one key would both append to its log and fork it, which can't be mended. The
lock is `flock(2)` on a file that names its holder for the error message. It belongs to the open
file, so the kernel drops it when the holder dies, however it dies.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from ledger.errors import DirectoryLocked, StoreError

LOCK_NAME = "lock"


class DirectoryLock:
    """The right to use a data directory; released by `release`, `with`, or the process's end."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def release(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def lock_directory(path: str | os.PathLike[str]) -> DirectoryLock:
    """Lock an existing data directory. Raises `DirectoryLocked` at once when another has it,
    `StoreError` when there is no such directory or it can't be written.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        handle = os.open(Path(path) / LOCK_NAME, flags, 0o600)
    except OSError as error:
        raise StoreError(f"cannot lock {os.fspath(path)}: {error}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(handle, 32).strip()
        os.close(handle)
        pid = int(holder) if holder.isdigit() else 0
        text = f"{os.fspath(path)} is in use by process {pid or 'unknown'}"
        raise DirectoryLocked(text, pid=pid) from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    return DirectoryLock(handle)
