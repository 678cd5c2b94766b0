"""How far this node's own log was spoken: a number in a small file beside the database.

A torn database reopens cleanly, but shorter, and never tells. So each own entry leaves its
number here before anything is said about it; a start whose log ends before this mark knows that
something was lost. The file has two slots that are written in turns, each with a check sum, so
that a write that was cut off leaves the other slot.

The number is written after the entry itself was synced to the disk, and synced a moment later
(`sync`, within a second). Whoever copies the files, or kills the process, finds it already; a
power cut may take the last second of it back, but it leaves the synced entries, which are what
the mark speaks for. A disk that loses synced entries would lose a synced mark as well.

A slot also names the file that it was written into (its inode). A copy of the directory, which is
what a backup is, has another: so a node that was never copied may go on while its peers are away.
A backup that is written *over* the living files, or a snapshot of the whole disk, keeps the
inode and is not noticed this way; then only a peer that answers can tell.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ledger import StoreError
from symphony.identity import MARK_NAME

_SLOT_BYTES = 64
_NUMBER_BYTES = 8
_LABEL = b"symphony own log mark 1"


class HighWater:
    """The mark of one data directory. Every method raises `StoreError` when the disk fails."""

    def __init__(self, home: Path) -> None:
        self._path = home / MARK_NAME
        try:
            fresh = not self._path.exists()
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if fresh:
                _sync_directory(home)
            raw = os.pread(self._file, 2 * _SLOT_BYTES, 0)
        except OSError as error:
            raise StoreError(f"cannot read {self._path}: {error}") from error
        read = [_read(raw[:_SLOT_BYTES]), _read(raw[_SLOT_BYTES:])]
        slots = [seq for seq, _ in read]
        self._inode = os.fstat(self._file).st_ino
        self.in_place = max(read)[1] == self._inode
        """Whether this is the very file that the mark was written into, not a copy of it."""
        if raw and not any(slots):
            text = f"{self._path} is damaged: nobody knows how far this node's log was spoken"
            raise StoreError(text, hint="move it away; the node then asks its peers")
        self.seq = max(slots)
        self._next = 0 if slots[0] <= slots[1] else 1
        self.dirty = False
        """Whether something was written that `sync` would bring to the disk."""

    def raise_to(self, seq: int) -> None:
        """Note that entries up to this number may be spoken."""
        if seq <= self.seq:
            return
        number = seq.to_bytes(_NUMBER_BYTES, "big")
        place = self._inode.to_bytes(_NUMBER_BYTES, "big")
        slot = (number + place + _sum(number + place)).ljust(_SLOT_BYTES, b"\0")
        try:
            os.pwrite(self._file, slot, self._next * _SLOT_BYTES)
        except OSError as error:
            raise StoreError(f"cannot write {self._path}: {error}") from error
        self.seq = seq
        self._next = 1 - self._next
        self.dirty = True

    def sync(self) -> None:
        """Bring what was written to the disk."""
        if not self.dirty:
            return
        self.dirty = False
        try:
            os.fdatasync(self._file)
        except OSError as error:
            raise StoreError(f"cannot sync {self._path}: {error}") from error

    def close(self) -> None:
        """Sync and close."""
        try:
            self.sync()
        finally:
            os.close(self._file)


def _read(slot: bytes) -> tuple[int, int]:
    """The number in a slot and the inode; zeros if it was never written, or not to its end."""
    said, check = slot[: 2 * _NUMBER_BYTES], slot[2 * _NUMBER_BYTES : 2 * _NUMBER_BYTES + 32]
    if check != _sum(said):
        return 0, 0
    return int.from_bytes(said[:_NUMBER_BYTES], "big"), int.from_bytes(said[_NUMBER_BYTES:], "big")


def _sum(said: bytes) -> bytes:
    return hashlib.sha256(_LABEL + said).digest()


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
