"""Times as people type them: `500ms`, `60s`, `5m`, `24h`, `7d`."""

from __future__ import annotations

import re

_FORM = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*(ms|s|m|min|h|d)?")
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def milliseconds(text: str) -> int:
    """Whole milliseconds, at least one. Raises `UsageError`, also without a unit: whoever writes
    24 for an invite means hours, and 3000 for a deadline milliseconds.
    """
    from symphony.errors import UsageError

    found = _FORM.fullmatch(text.strip().lower())
    if found and found[2] is None:
        number = found[1]
        hint = f"say which: {number}ms, {number}s, {number}m, {number}h or {number}d"
        raise UsageError(f"{text!r} has no unit", hint=hint)
    value = int(float(found[1]) * _UNIT_MS[found[2]]) if found else 0
    if value < 1:
        raise UsageError(f"{text!r} is no time", hint="write it like 500ms, 60s, 5m, 24h or 7d")
    return value
