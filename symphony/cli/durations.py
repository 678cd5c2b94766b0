"""Times as people type them: `500ms`, `60s`, `5m`, `24h`, `7d`."""

from __future__ import annotations

import re

_FORM = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*(ms|s|m|min|h|d)?")
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def milliseconds(text: str) -> int:
    """Whole milliseconds, at least one; a bare number counts seconds. Raises `UsageError`."""
    from symphony.errors import UsageError

    found = _FORM.fullmatch(text.strip().lower())
    value = int(float(found[1]) * _UNIT_MS[found[2] or "s"]) if found else 0
    if value < 1:
        raise UsageError(f"{text!r} is no time", hint="write it like 500ms, 60s, 5m, 24h or 7d")
    return value
