"""Files of recorded outputs, read line by line: gzipped JSON lines, bounded before they are parsed.

What is not of the format is refused with the number of its line. Half a file that looks like a
whole one would make an evaluation of something else.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from symphony.engines import limits
from symphony.errors import UsageError

LAYOUT = "docs/evaluation.md has the layout of a folder of recordings"


def rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a `.jsonl.gz` file, each with the number of its line. Raises `UsageError`."""
    try:
        if path.stat().st_size > limits.RECORDED_FILE_BYTES:
            raise malformed(path, f"larger than {limits.RECORDED_FILE_BYTES} bytes")
        with gzip.open(path, "rb") as file:
            for number in range(1, limits.RECORDED_LINES + 1):
                line = file.readline(limits.RECORDED_LINE_BYTES + 1)
                if not line:
                    return
                row = json.loads(line) if len(line) <= limits.RECORDED_LINE_BYTES else None
                if not isinstance(row, dict):
                    raise malformed(path, f"line {number} is no record")
                yield number, row
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise malformed(path, f"it can't be read: {error}") from error
    raise malformed(path, f"more than {limits.RECORDED_LINES} lines")


def malformed(path: Path, why: str) -> UsageError:
    """The error for a file that is no recording."""
    return UsageError(f"{path.name}: {why}", hint=LAYOUT)


def replies(path: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(model, question id, record) of the first sample of each model to each question."""
    for number, row in rows(path):
        model, question = row.get("model"), row.get("question_id")
        answer, right = row.get("extracted_answer", False), row.get("correct")
        whole = isinstance(model, str) and isinstance(question, str) and isinstance(right, bool)
        if not whole or not (answer is None or isinstance(answer, str)):
            raise malformed(path, f"line {number} is no record of a reply")
        if row.get("sample_index", 0) == 0:
            yield str(model), str(question), row


def tokens(row: dict[str, Any]) -> int | None:
    """The tokens of a recorded output: as counted, or a quarter of its characters; None without."""
    counted = row.get("completion_tokens")
    if isinstance(counted, int) and not isinstance(counted, bool) and counted >= 0:
        return counted
    text = row.get("output_text")
    if isinstance(text, str) and text:
        return max(1, len(text) // limits.CHARS_PER_TOKEN)
    return None
