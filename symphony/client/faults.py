"""From the word on the wire back to the class: `symphony.errors` on the client's side.

The gateway sends `{"error": {"code", "message", "hint"}}`. The code picks the class, so that a
caller catches `NoBids` whether the task ran in this process or behind HTTP.
"""

from __future__ import annotations

import json
from typing import Any

from symphony import errors
from symphony.errors import EngineOverloaded, SymphonyError


def _tree(root: type[SymphonyError]) -> dict[str, type[SymphonyError]]:
    found = {root.code: root}
    for kind in root.__subclasses__():
        # Only the documented tree: a subclass of somebody else shares its parent's code.
        if kind.__module__ == errors.__name__:
            found |= _tree(kind)
    return found


BY_CODE = _tree(SymphonyError)


def error_of(code: str, message: str, *, hint: str = "") -> SymphonyError:
    """The error that `code` names; `SymphonyError` for a code of a later version."""
    return BY_CODE.get(code, SymphonyError)(message, hint=hint)


def error_in(status: int, body: bytes, retry_after_s: float | None = None) -> SymphonyError:
    """The error in an HTTP answer, whoever sent it."""
    try:
        told: Any = json.loads(body)
    except ValueError:
        told = None
    match told:
        case {"error": {"code": str(code), "message": str(message), **rest}}:
            hint = rest.get("hint")
            error = error_of(code, message, hint=hint if isinstance(hint, str) else "")
        case _:
            error = SymphonyError(
                f"HTTP status {status} without one of our errors",
                hint="is that URL a Symphony gateway?",
            )
    if isinstance(error, EngineOverloaded) and retry_after_s is not None:
        error.retry_after_ms = int(retry_after_s * 1000)
    return error
