"""How far this node's own log was spoken: a number in a small file beside the database.

A torn database reopens cleanly, but shorter, and never tells. So each own entry leaves its
number here, synced to the disk, before anything is said about it; a start whose log ends before
this mark knows that something was lost. The file has two slots that are written in turns, each
with a check sum, so that a write that was cut off leaves the other slot.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ledger import StoreError

FILE_NAME = "own-log.mark"
_SLOT_BYTES = 64
_NUMBER_BYTES = 8
_LABEL = b"symphony own log mark 1"


class HighWater:
    """The mark of one data directory. Every method raises `StoreError` when the disk fails."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE_NAME
        try:
            fresh = not self._path.exists()
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if fresh:
                _sync_directory(home)
            raw = os.pread(self._file, 2 * _SLOT_BYTES, 0)
        except OSError as error:
            raise StoreError(f"cannot read {self._path}: {error}") from error
        slots = [_read(raw[:_SLOT_BYTES]), _read(raw[_SLOT_BYTES:])]
        if raw and not any(slots):
            text = f"{self._path} is damaged: nobody knows how far this node's log was spoken"
            raise StoreError(text, hint="move it away; the node then asks its peers")
        self.seq = max(slots)
        self._next = 0 if slots[0] <= slots[1] else 1

    def raise_to(self, seq: int) -> None:
        """Note that entries up to this number may be spoken; durable when it returns."""
        if seq <= self.seq:
            return
        number = seq.to_bytes(_NUMBER_BYTES, "big")
        slot = (number + _sum(number)).ljust(_SLOT_BYTES, b"\0")
        try:
            os.pwrite(self._file, slot, self._next * _SLOT_BYTES)
            os.fdatasync(self._file)
        except OSError as error:
            raise StoreError(f"cannot write {self._path}: {error}") from error
        self.seq = seq
        self._next = 1 - self._next

    def close(self) -> None:
        os.close(self._file)


def _read(slot: bytes) -> int:
    """The number in a slot; 0 if it was never written, or not to its end."""
    number = slot[:_NUMBER_BYTES]
    holds = slot[_NUMBER_BYTES : _NUMBER_BYTES + 32] == _sum(number)
    return int.from_bytes(number, "big") if holds else 0


def _sum(number: bytes) -> bytes:
    return hashlib.sha256(_LABEL + number).digest()


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
