"""The log of a node: a line per event, whatever other nodes write into the texts."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from typing import Any, get_args, get_type_hints

import pytest
from structlog.testing import capture_logs

from symphony.core.events import BallotView, Event
from symphony.core.ids import NodeId
from symphony.node.telling import TEXTS, log_event

ODD_TEXTS = ["\x1b[2J", "\x1b]0;mine\x07", "two\nlines", "a\u202eb", "\rover", "plain"]

_PROGRAM = """
import structlog
from symphony.node.logs import configure_logging
from symphony.settings import LogSettings

configure_logging(LogSettings(level="info", format={format!r}))
for text in {texts!r}:
    structlog.get_logger("test").info("ballot", answer=text)
"""

SECRET = "what was asked or said"


def events() -> list[Event]:
    """One event of each type, with a secret in every field that may hold a text."""
    return [_filled(kind) for kind in get_args(Event)]


def _filled(kind: type[Any]) -> Any:
    hints = get_type_hints(kind)
    return kind(**{one.name: _value(one.name, hints[one.name]) for one in fields(kind)[:-1]})


def _value(name: str, hint: Any) -> Any:
    if hint == tuple[BallotView, ...]:
        return (BallotView(0, NodeId(bytes(32)), "m", SECRET, 1),)
    text = SECRET if name in TEXTS else name
    plain = {str: text, int: 7, bool: True, bytes: b"", tuple[str, ...]: (text,)}
    phases_ms = {"plan": 3, "steps": 5, "answer": 8}
    return plain.get(hint, phases_ms if name == "phases_ms" else bytes(32))


def test_what_was_asked_and_said_is_in_the_log_at_debug_only() -> None:
    with capture_logs() as lines:
        for event in events():
            log_event(event)
    told = [line for line in lines if line["log_level"] != "debug"]
    assert len(told) == len(get_args(Event)) - 2, "one for each, but tokens and agents"
    assert not [line for line in told if SECRET in str(line)]
    said = {line["about"] for line in lines if SECRET in str(line)}
    assert said == {"plan", "result", "ballot", "verdict"}


def test_every_text_of_an_event_is_known_for_what_it_is() -> None:
    # A new field of an event has to be put here or into `TEXTS`: is it somebody's words?
    facts = {
        *("agent", "agents", "error", "fallback", "message", "model", "outcome", "planning"),
        *("reason", "rule", "settled", "skill", "stop", "type", "unit", "units"),
    }
    found = {
        one.name
        for kind in (*get_args(Event), BallotView)
        for one in fields(kind)
        if "str" in str(one.type) or "Literal" in str(one.type) or one.name == "rule"
    }
    assert found - {"phases_ms"} <= facts | TEXTS


@pytest.mark.parametrize("format", ["human", "json"])
def test_texts_of_others_stay_within_their_line(format: str) -> None:  # noqa: A002
    program = _PROGRAM.format(format=format, texts=ODD_TEXTS)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, timeout=60
    )
    lines = done.stderr.decode().removesuffix("\n").split("\n")
    assert len(lines) == len(ODD_TEXTS)
    for line in lines:
        assert line.isprintable(), line
        assert "ballot" in line


_FOREIGN = """
import logging
from symphony.node.logs import configure_logging
from symphony.settings import LogSettings

configure_logging(LogSettings(level="info", format={format!r}))
logging.getLogger("symphony.gateway").info("Running on %s", "http://127.0.0.1:1")
logging.getLogger("elsewhere").info("not heard")
logging.getLogger("elsewhere").warning("two\\nlines")
try:
    raise LookupError("lost")
except LookupError:
    logging.getLogger("elsewhere").exception("failed")
"""


def test_what_libraries_log_has_our_form() -> None:
    json_lines, human = (
        subprocess.run(
            [sys.executable, "-c", _FOREIGN.format(format=form)],
            capture_output=True,
            check=True,
            timeout=60,
        ).stderr.decode()
        for form in ("json", "human")
    )
    rows = [json.loads(line) for line in json_lines.splitlines()]
    assert [(row["level"], row["logger"], row["event"]) for row in rows] == [
        ("info", "symphony.gateway", "Running on http://127.0.0.1:1"),
        ("warning", "elsewhere", repr("two\nlines")),
        ("error", "elsewhere", "failed"),
    ]
    assert "LookupError: lost" in rows[2]["exception"]
    first = human.splitlines()[0]
    assert "[info" in first
    assert "INFO:" not in human
    assert "not heard" not in human
