"""The log of a node: a line per event, whatever other nodes write into the texts."""

from __future__ import annotations

import subprocess
import sys

import pytest

TEXTS = ["\x1b[2J", "\x1b]0;mine\x07", "two\nlines", "a\u202eb", "\rover", "plain"]

_PROGRAM = """
import structlog
from symphony.node.logs import configure_logging
from symphony.settings import LogSettings

configure_logging(LogSettings(level="info", format={format!r}))
for text in {texts!r}:
    structlog.get_logger("test").info("ballot", answer=text)
"""


@pytest.mark.parametrize("format", ["human", "json"])
def test_texts_of_others_stay_within_their_line(format: str) -> None:  # noqa: A002
    program = _PROGRAM.format(format=format, texts=TEXTS)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, timeout=60
    )
    lines = done.stderr.decode().removesuffix("\n").split("\n")
    assert len(lines) == len(TEXTS)
    for line in lines:
        assert line.isprintable(), line
        assert "ballot" in line
