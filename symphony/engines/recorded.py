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
                yield number, _parsed(line, path, number)
    except (OSError, EOFError, zlib.error) as error:
        raise malformed(path, f"it can't be read: {error}") from error
    raise malformed(path, f"more than {limits.RECORDED_LINES} lines")


def _parsed(line: bytes, path: Path, number: int) -> dict[str, Any]:
    """The JSON of a line. Halves of characters are refused, too: no text has them."""
    if len(line) > limits.RECORDED_LINE_BYTES:
        raise malformed(path, f"line {number} has more than {limits.RECORDED_LINE_BYTES} bytes")
    try:
        row = json.loads(line.decode("utf-8-sig"))
        if rb"\ud" in line or rb"\uD" in line:  # may be half of a pair, and mostly is not
            json.dumps(row, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise malformed(path, f"line {number} can't be read: {error}") from error
    if not isinstance(row, dict):
        raise malformed(path, f"line {number} is no record")
    return row


def malformed(path: Path, why: str) -> UsageError:
    """The error for a file that is no recording."""
    return UsageError(f"{path.name}: {why}", hint=LAYOUT)


def replies(path: Path) -> Iterator[tuple[int, str, str, dict[str, Any]]]:
    """(line, model, question id, record) of the first sample of each model to each question."""
    for number, row in rows(path):
        model, question = row.get("model"), row.get("question_id")
        answer, right = row.get("extracted_answer", False), row.get("correct")
        whole = isinstance(model, str) and isinstance(question, str) and isinstance(right, bool)
        if not whole or not (answer is None or isinstance(answer, str)):
            raise malformed(path, f"line {number} is no record of a reply")
        if not _is_count(row.get("sample_index", 0)):
            raise malformed(path, f"line {number}: `sample_index` is no number from 0")
        if row.get("completion_tokens") is not None and not _is_count(row["completion_tokens"]):
            raise malformed(path, f"line {number}: `completion_tokens` is no number of tokens")
        if row.get("sample_index", 0) == 0:
            yield number, str(model), str(question), row


def _is_count(value: object) -> bool:
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    return 0 <= value <= limits.RECORDED_TOKENS


def tokens(row: dict[str, Any]) -> int | None:
    """The tokens of a recorded output: as counted, or a quarter of its characters; None without."""
    counted = row.get("completion_tokens")
    if isinstance(counted, int):
        return counted
    text = row.get("output_text")
    if isinstance(text, str) and text:
        return max(1, len(text) // limits.CHARS_PER_TOKEN)
    return None
