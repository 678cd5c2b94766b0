"""What an engine said and counted, brought within the bounds of a record.

A model and its server are guests of a node: what they say may hold text without bytes, run without
end, or count what can't be. It is made fit here before it is signed or asked for again. Imports
next to nothing, as engines use it before the rest of a node is loaded.
"""

from __future__ import annotations

from symphony.core import limits


def as_text(text: str) -> str:
    """What an engine wrote, with lone surrogates replaced: they have no bytes to be signed."""
    return text.encode(errors="replace").decode()


def as_name(text: str) -> str:
    """The same, as the name of a model or an engine."""
    return as_text(text)[: limits.MAX_NAME_CHARS] or "unknown"


def as_output(text: str) -> str:
    """The same, of at most `limits.MAX_OUTPUT_BYTES`."""
    return as_text(text).encode()[: limits.MAX_OUTPUT_BYTES].decode(errors="ignore")


def as_count(number: int) -> int:
    """What an engine counted, within the bounds of a record."""
    return min(max(number, 0), 2**32 - 1)


def as_logprob(milli: int | None) -> int | None:
    """A mean log-probability in thousandths, within the bounds of a record."""
    return None if milli is None else min(max(milli, -1_000_000), 0)
