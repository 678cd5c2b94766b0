"""What was found out about other people's model servers, kept in the home for a day.

To know what a server honours costs it seven short texts, and its owner perhaps money. A node that
is started again within the day asks for none of them. No longer than a day: another program may
serve the same name at the same port tomorrow.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from symphony.engines.base import Feature
from symphony.engines.dialect import Dialect
from symphony.engines.limits import CONCURRENCY
from symphony.node import limits
from symphony.node.keepsake import read_keepsake, write_keepsake

FILE = "servers.json"


class ServerNotes:
    """The notes of one home, by server (without a password of its address) and model."""

    def __init__(
        self, home: Path, now_s: Callable[[], float] = time.time, at_once: int = CONCURRENCY
    ) -> None:
        self.at_once = at_once
        self._home = home
        self._file = home / FILE
        self._now_s = now_s

    def bounded(self, at_once: int | None) -> ServerNotes:
        """The same notes, for a server of which no more texts may be asked at once."""
        return ServerNotes(self._home, self._now_s, at_once or CONCURRENCY)

    def find(self, server: str) -> Dialect | None:
        """What was learnt, unless it is too old or can't be read."""
        try:
            row = self._rows()[server]
            age_s = self._now_s() - float(row["at_s"])
            features = frozenset(map(Feature, row["features"]))
            found = Dialect(features, row["llama_grammar"] is True, row["vllm_fields"] is True)
        except (ValueError, TypeError, KeyError):
            return None
        return found if 0 <= age_s < limits.SERVER_NOTE_S else None

    def keep(self, server: str, learnt: Dialect) -> None:
        rows = self._rows()
        rows.pop(server, None)
        rows[server] = {
            "at_s": int(self._now_s()),
            "features": sorted(learnt.features),
            "llama_grammar": learnt.llama_grammar,
            "vllm_fields": learnt.vllm_fields,
        }
        while len(rows) > limits.SERVER_NOTES_KEPT:
            del rows[next(iter(rows))]
        write_keepsake(self._file, json.dumps(rows).encode(), limits.SERVER_NOTES_BYTES)

    def _rows(self) -> dict[str, Any]:
        try:
            rows = json.loads(read_keepsake(self._file, limits.SERVER_NOTES_BYTES))
        except (ValueError, RecursionError):
            return {}
        return rows if isinstance(rows, dict) else {}
