"""How a program on this machine finds the gateway: `gateway.json` in the node's home.

The file holds the URL, the key and the process id, is readable by its owner only, appears in one
step (write beside it, rename) and is removed at the end. After a crash it is stale: a client
that finds nobody at the URL says so.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from symphony.gateway.serve import Serving

FILE_NAME = "gateway.json"


@contextmanager
def advertised(home: Path, serving: Serving) -> Iterator[Path]:
    """Keep `gateway.json` in `home` while the block runs."""
    path = home / FILE_NAME
    fresh = home / f".{FILE_NAME}.{os.getpid()}"
    facts = {"url": serving.url, "api_key": serving.api_key, "pid": os.getpid()}
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    # O_EXCL and the mode at creation: at no moment can anybody else open it.
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(facts, file)
    fresh.replace(path)
    try:
        yield path
    finally:
        if _is_ours(path):
            path.unlink(missing_ok=True)


def _is_ours(path: Path) -> bool:
    """Whether the file is still the one of this process, and not of a successor."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("pid") == os.getpid()
