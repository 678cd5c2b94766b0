"""The live half of `symphony eval`: a node for each arm, asked through its gateway.

Each arm gets a fresh home with one agent per model, so nothing is known of anybody and no arm
learns from another. The node is the very one that `symphony join` runs.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symphony.cli.show import note
from symphony.errors import UsageError

if TYPE_CHECKING:
    from symphony.client import Symphony
    from symphony.evaluation.live import Arm, Outcome, Question

ENGINES = ("auto", "llamacpp", "replay")
DEADLINE_MS = 600_000  # for one question: a laptop's two cores and a dozen calls of a 1.5B model
MAX_TOKENS = 256  # of one step: grade-school solutions take 100 to 200
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
    for bench, questions in asked.items():
        for arm in arms(study.models, study.calls):
            row = rows_of(bench, arm, _ask_all(study, arm, questions))
            rows.append(row)
            line = (
                f"{bench}: {row['arm']:36} {row['accuracy']:5.1f} % {row['ci']}  "
                f"{row['calls_per_question']:.2f} calls  {row['tokens_per_question']} tokens  "
                f"{row['seconds_per_question']} s"
            )
            note(line) if as_json else print(line)
    if as_json:
        print(json.dumps({"eval": "live", "models": list(study.models), "rows": rows}))


def _ask_all(study: LiveStudy, arm: Arm, questions: Sequence[Question]) -> list[Outcome]:
    from symphony.cli.oneshot import with_node
    from symphony.evaluation.live import ask

    def work(swarm: Symphony) -> list[Outcome]:
        return [ask(swarm, arm, question, DEADLINE_MS) for question in questions]

    with tempfile.TemporaryDirectory(prefix="symphony-eval-") as root:
        home, agents = Path(root) / "home", Path(root) / "agents"
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
