"""An event as lines of the log: what happened at info, what was said at debug only.

The rule kept: above debug no line holds a text of a question or an answer, only how many
characters it had. Ids, names, counts and durations are what an operator needs; a log is copied into
reports and kept by machines that no prompt was meant for. Reasons of failures stay: they are words
of this program, of a node that failed, or of a model server about itself.
"""

from __future__ import annotations

from typing import Any, Final

import structlog

from symphony.core.events import AgentSeen, Event, TokensSeen, as_json

_log = structlog.get_logger("symphony.events")

TEXTS: Final = frozenset({"answer", "output", "steps", "text"})
"""Fields of events that hold what somebody asked or a model wrote."""


def log_event(event: Event) -> None:
    """One line for every event; tokens make none, their unit's result has them all. Agents that
    become known are for debug: `symphony agents` lists those that are here.
    """
    if isinstance(event, TokensSeen):
        return
    plain = as_json(event)
    kind = plain.pop("type")
    facts = measured(plain)
    if isinstance(event, AgentSeen):  # a node that joins reads the records of years at once
        _log.debug(kind, **facts)
        return
    _log.info(kind, **facts)
    if facts != plain:
        _log.debug("said", about=kind, **plain)


def measured(value: Any) -> Any:
    """The same JSON value with the sizes of texts in place of the texts."""
    match value:
        case dict():
            return dict(_measured_field(key, item) for key, item in value.items())
        case list():
            return [measured(item) for item in value]
        case _:
            return value


def _measured_field(key: str, value: Any) -> tuple[str, Any]:
    """Of fields with such names only texts are measured: the phases of a task are numbers."""
    match value:
        case str() if key in TEXTS:
            return f"{key}_chars", len(value)
        case [str(), *_] if key in TEXTS:
            return f"{key}_chars", [len(text) for text in value]
        case _:
            return key, measured(value)
