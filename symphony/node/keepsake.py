"""A small file in a node's home that saves work at the next start and may be lost at any time.

Only its owner can read it, as everything in a home; it changes in one step, so a reader sees the
old one or the new one; and it is read no further than its bound. Nothing is synced: what a power
cut takes is made again.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from symphony.config import write_private


def read_keepsake(file: Path, bound_bytes: int) -> bytes:
    """What was kept; nothing where there is no such file, or one that is too large to be ours."""
    try:
        with file.open("rb") as opened:
            data = opened.read(bound_bytes + 1)
    except OSError:
        return b""
    return data if len(data) <= bound_bytes else b""


def write_keepsake(file: Path, data: bytes, bound_bytes: int) -> None:
    """Replace what is kept. Too much, or a home that can't be written to: the old one stays."""
    if len(data) > bound_bytes:
        return
    with contextlib.suppress(OSError):
        write_private(file, data, synced=False)
