"""`symphony eval`: is a vote better than one good agent, measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from symphony.cli.show import note
from symphony.errors import UsageError

if TYPE_CHECKING:
    from symphony.evaluation import PoolKind

ALL_BENCHES = "gsm8k,bbh,math_l5,crux,mmlu_pro"


def eval(
    *,
    data: Annotated[
        Path, typer.Option("--data", help="folder with recordings", show_default=False)
    ],
    engine: Annotated[
        str, typer.Option("--engine", help="replay, or the engine of live models")
    ] = "replay",
    model: Annotated[str, typer.Option("--model", help="live models, with commas")] = "",
    calls: Annotated[
        int, typer.Option("--calls", help="calls for each question to live models", min=1, max=16)
    ] = 4,
    minutes: Annotated[
        int | None,
        typer.Option("--minutes", help="of live models, for each benchmark", min=1),
    ] = None,
    bench: Annotated[str, typer.Option("--bench", help="benchmarks, with commas")] = ALL_BENCHES,
    pool: Annotated[
        str, typer.Option("--pool", help="equal, mixed, one-strong, consumer; with commas")
    ] = "equal,mixed,one-strong",
    alpha: Annotated[
        float, typer.Option("--alpha", help="level of the certified stop; 0: exact stop only")
    ] = 0.05,
    questions: Annotated[
        int, typer.Option("--questions", help="at most so many of each benchmark", min=10)
    ] = 1000,
    hostile: Annotated[
        bool, typer.Option("--hostile", help="add votes with 30 % hostile voters")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON line, the last")] = False,
) -> None:
    """Compare the rules of the vote with the best single agent, the majority and an oracle."""
    from symphony import evaluation

    if engine != "replay":
        from symphony.cli.eval_live import LiveStudy, run_live

        study = LiveStudy(engine, _listed(model), data, _listed(bench), questions, calls, minutes)
        run_live(study, as_json=as_json)
        return
    if not 0 <= alpha < 1:
        raise UsageError(f"the level {alpha} is no probability", hint="try --alpha 0.05")
    alpha_ppm = round(alpha * 1_000_000)
    kinds = [_kind(name) for name in _listed(pool)]
    reports = []
    for name in _listed(bench):
        recording = evaluation.load(data, name, questions)
        for kind in kinds:
            report = evaluation.study(recording, kind, alpha_ppm, hostile=hostile)
            reports.append(report)
            for line in evaluation.as_lines(report):
                note(line) if as_json else print(line)
    if as_json:
        print(json.dumps(evaluation.as_json(reports, alpha_ppm)))


def _listed(text: str) -> list[str]:
    found = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not found:
        raise UsageError("an empty list", hint="names with commas between them")
    return found


def _kind(name: str) -> PoolKind:
    from symphony.evaluation import POOL_KINDS

    for kind in POOL_KINDS:
        if name == kind:
            return kind
    raise UsageError(f"no pool is called {name}", hint=f"one of {', '.join(POOL_KINDS)}")
