"""A folder of made-up recordings, in the layout of the real ones."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

RATES = {"strong": 0.9, "good": 0.7, **{f"weak{at}-7b": 0.4 for at in range(8)}}
QUESTIONS = 160


def records(bench: str, seed: int = 1) -> list[dict[str, object]]:
    """Every model answers every question; wrong answers are one of three."""
    chance = random.Random(seed)
    rows: list[dict[str, object]] = []
    for number in range(QUESTIONS):
        for model, rate in RATES.items():
            right = chance.random() < rate
            said = "gold" if right else chance.choice(["x", "y", "z", None])
            rows.append(
                {
                    "benchmark": bench,
                    "question_id": f"{bench}/{number}",
                    "model": model,
                    "sample_index": 0,
                    "extracted_answer": said,
                    "correct": right,
                    "output_text": "words " * 20,
                }
            )
    return rows


def write(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_bytes(
        gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode(), mtime=0)
    )


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    def make(*benches: str) -> Path:
        for bench in benches:
            write(tmp_path / f"recorded_{bench}.jsonl.gz", records(bench))
        return tmp_path

    return make
