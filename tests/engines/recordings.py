"""A tiny recording, as the engine `replay` wants it: three questions, and what a model said."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

QUESTIONS = {"q/1": "How many legs\nhas a crab?", "q/2": "How many legs", "q/3": "Is it so?"}
OUTPUTS = {"q/1": ("Ten of them.", "10"), "q/2": ("Four?", "4"), "q/3": ("Who knows.", None)}
MODEL = "crab-7b"


def recorded(folder: Path) -> Path:
    """The file of the outputs; the questions lie beside it."""
    asked = [{"id": name, "question": text} for name, text in QUESTIONS.items()]
    _write(folder / "toy_test.jsonl.gz", asked)
    said = [
        {"model": MODEL, "question_id": name, "sample_index": 0, "output_text": text}
        | {"extracted_answer": answer, "correct": True}
        for name, (text, answer) in OUTPUTS.items()
    ]
    _write(folder / "recorded_toy.jsonl.gz", said)
    return folder / "recorded_toy.jsonl.gz"


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
