"""The way to the running node: the SDK, pointed at the gateway of this home.

`gateway.json` lies in the home while a node runs. `SYMPHONY_URL` and `SYMPHONY_API_KEY` point to
another node's gateway instead, unless `--home` names a place of its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from symphony.client import Symphony

GATEWAY_NAME = "gateway.json"
MAX_BYTES = 4096  # a URL, a key, a process id


@contextmanager
def connected(home: Path) -> Iterator[Symphony]:
    """The SDK on the node of `home`. Raises `ConnectionError` (exit 3) where none runs."""
    from symphony.client import Symphony

    with Symphony() if _elsewhere(home) else Symphony(home=home) as swarm:
        yield swarm


def is_running(home: Path) -> bool:
    """Whether a node runs in `home`, or the environment names one. What a crashed node left
    behind does not count: its process is gone.
    """
    if _elsewhere(home):
        return True
    try:
        with (home / GATEWAY_NAME).open("rb") as file:
            os.kill(int(json.loads(file.read(MAX_BYTES))["pid"]), 0)
    except PermissionError:
        return True  # it is there, and somebody else's
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return False
    return True


def _elsewhere(home: Path) -> bool:
    from symphony.config import resolve_home

    return bool(os.environ.get("SYMPHONY_URL")) and home == resolve_home()
