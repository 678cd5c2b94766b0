"""The live half of `symphony eval`: a node for each arm, asked through its gateway.

Each arm gets a fresh home with one agent per model, so nothing is known of anybody and no arm
learns from another. The node is the very one that `symphony join` runs.

Questions are asked in blocks, each of all arms in turn: on a machine whose load changes, no arm has
the good hours for itself, and when the time is up (`minutes`), all arms were asked the same ones.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symphony.cli.show import note
from symphony.errors import UsageError

if TYPE_CHECKING:
    from symphony.client import Symphony
    from symphony.evaluation.live import Arm, Outcome, Question

ENGINES = ("auto", "llamacpp", "replay")
DEADLINE_MS = 1_800_000  # for one question: a dozen calls of a 1.5B model on one core, shared
MAX_TOKENS = 256  # of one step: grade-school solutions take 100 to 200
BLOCK = 3  # questions asked of one arm before the next: a node's start costs as much as one call
INSTRUCTIONS = """\
You solve one problem at a time. Work in short lines and write every calculation out.
End with a last line: Answer: <the answer, nothing else>
"""


@dataclass(frozen=True, slots=True)
class LiveStudy:
    """What is asked, and of whom."""

    engine: str
    models: Sequence[str]
    data: Path
    benches: Sequence[str]
    questions: int
    calls: int
    minutes: int | None = None  # begin no block that would probably end later; None: all of them


def run_live(study: LiveStudy, *, as_json: bool) -> None:
    """Ask all questions in all arms and print the rows. Raises `UsageError`."""
    from symphony.evaluation.live import arms, read_questions, rows_of

    if study.engine not in ENGINES:
        raise UsageError(
            f"no evaluation with the engine {study.engine}",
            hint=f"one of {', '.join(ENGINES)}",
        )
    asked = {bench: read_questions(study.data, bench, study.questions) for bench in study.benches}
    rows: list[dict[str, Any]] = []
    try:
        for bench, questions in asked.items():
            compared = arms(study.models, study.calls)
            answered = _ask_in_blocks(study, compared, questions)
            for arm in compared:
                row = rows_of(bench, arm, answered[arm.name])
                rows.append(row)
                note(_line_of(row)) if as_json else print(_line_of(row))
    finally:  # what took hours is not lost with a benchmark that could not be asked to its end
        if as_json and rows:
            print(json.dumps({"eval": "live", "models": list(study.models), "rows": rows}))


def _line_of(row: Mapping[str, Any]) -> str:
    return (
        f"{row['bench']}: {row['arm']:36} {row['accuracy']:5.1f} % {row['ci']}  "
        f"{row['calls_per_question']:.2f} calls  {row['tokens_per_question']} tokens  "
        f"{row['seconds_per_question']} s"
    )


def _ask_in_blocks(
    study: LiveStudy, compared: Sequence[Arm], questions: Sequence[Question]
) -> dict[str, list[Outcome]]:
    """What came of the questions that all arms were asked, by arm."""
    answered: dict[str, list[Outcome]] = {arm.name: [] for arm in compared}
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="symphony-eval-") as root:
        for start in range(0, len(questions), BLOCK):
            spent_s = time.monotonic() - began
            done = start // BLOCK
            if done and study.minutes and spent_s * (done + 1) / done > study.minutes * 60:
                note(f"stopping after {start} questions: the next ones would take too long")
                break
            block = questions[start : start + BLOCK]
            for number, arm in enumerate(compared):
                folder = Path(root) / str(number)
                answered[arm.name] += _ask_all(study, arm, block, folder)
            right = {name: sum(o.right for o in got) for name, got in answered.items()}
            note(f"right of {start + len(block)}: {right}")
    return answered


def _ask_all(
    study: LiveStudy, arm: Arm, questions: Sequence[Question], folder: Path
) -> list[Outcome]:
    """Put a block of questions to the node of one arm, which lives in `folder`."""
    from symphony.cli.oneshot import with_node
    from symphony.evaluation.live import ask

    def work(swarm: Symphony) -> list[Outcome]:
        return [ask(swarm, arm, question, DEADLINE_MS) for question in questions]

    home, agents = folder / "home", folder / "agents"
    if not home.exists():
        for number, model in enumerate(arm.models, start=1):
            _write_agent(agents / f"live{number}", study.engine, model, arm.temperature)
        home.mkdir(mode=0o700)
        (home / "config.toml").write_text(f"agents = [{json.dumps(str(agents))}]\n")
    return with_node(home, work)


def _write_agent(folder: Path, engine: str, model: str, temperature: float) -> None:
    """A manifest for one model; JSON is YAML as well."""
    folder.mkdir(parents=True)
    (folder / "prompt.md").write_text(INSTRUCTIONS)
    skill = {"name": "problem.solving", "description": "answers questions step by step"}
    manifest = {
        "apiVersion": "symphony/v1alpha1",
        "kind": "Agent",
        "metadata": {"name": folder.name, "description": f"{model} as it is"},
        "spec": {
            "skills": [skill],
            "engine": {"kind": engine, "model": model},
            "roles": ["plan", "solve"],
            "instructions": "prompt.md",
            "sampling": {"temperature": temperature, "max_tokens": MAX_TOKENS},
        },
    }
    (folder / "agent.yaml").write_text(json.dumps(manifest))
