"""`symphony eval`: is a vote better than one good agent, measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from symphony.cli.show import note
from symphony.core.limits import MAX_ALPHA, MIN_ALPHA
from symphony.errors import UsageError

if TYPE_CHECKING:
    from symphony.evaluation import PoolKind, Recording

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

    names = _listed("--bench", bench)
    if engine != "replay":
        from symphony.cli.eval_live import LiveStudy, run_live

        study = LiveStudy(engine, _listed("--model", model), data, names, questions, calls, minutes)
        run_live(study, as_json=as_json)
        return
    alpha_ppm = _level(alpha)
    kinds = [_kind(name) for name in _listed("--pool", pool)]
    there = _there(data, names) if bench == ALL_BENCHES else names
    recordings = [evaluation.load(data, name, questions) for name in there]
    possible, skipped = _combinations(recordings, kinds)
    away = [name for name in names if name not in there]
    skipped += [Skipped(name, kind, f"no recordings of {name}") for name in away for kind in kinds]
    for each in skipped:
        note(f"skipped: {each.bench}, {each.pool}: {each.why}")
    reports = []
    for recording, kind in possible:
        report = evaluation.study(recording, kind, alpha_ppm, hostile=hostile)
        reports.append(report)
        for line in evaluation.as_lines(report):
            note(line) if as_json else print(line)
    if as_json:
        found = evaluation.as_json(reports, alpha_ppm)
        print(json.dumps({**found, "skipped": [asdict(each) for each in skipped]}))


@dataclass(frozen=True, slots=True)
class Skipped:
    """What was asked for, and can't be measured with these recordings."""

    bench: str
    pool: str
    why: str


def _combinations(
    recordings: Sequence[Recording], kinds: Sequence[PoolKind]
) -> tuple[list[tuple[Recording, PoolKind]], list[Skipped]]:
    """Which benchmarks can be measured with which pools: found out before the first is, because
    all together takes minutes. Raises `UsageError` if none can be.
    """
    from symphony.evaluation.pools import check

    possible: list[tuple[Recording, PoolKind]] = []
    skipped: list[Skipped] = []
    last: UsageError | None = None
    for recording in recordings:
        for kind in kinds:
            try:
                check(recording, kind)
            except UsageError as error:
                skipped.append(Skipped(recording.bench, kind, error.message))
                last = error
            else:
                possible.append((recording, kind))
    if not possible and last is not None:
        raise last
    return possible, skipped


def _there(data: Path, names: list[str]) -> list[str]:
    """Those that the folder holds, where nobody asked for each of them; all if it holds none, so
    that reading says so.
    """
    from symphony.evaluation.recordings import file_of

    return [name for name in names if file_of(data, name) is not None] or names


def _level(alpha: float) -> int:
    """In parts per million: what a task may ask for, or 0. Raises `UsageError`."""
    if alpha != 0 and not MIN_ALPHA <= alpha <= MAX_ALPHA:
        raise UsageError(
            f"the level {alpha} is not between {MIN_ALPHA} and {MAX_ALPHA}",
            hint="try --alpha 0.05; 0 is for the exact stop only",
        )
    return round(alpha * 1_000_000)


def _listed(option: str, text: str) -> list[str]:
    found = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not found:
        raise UsageError(f"{option} names nothing", hint="names with commas between them")
    return found


def _kind(name: str) -> PoolKind:
    from symphony.evaluation import POOL_KINDS

    for kind in POOL_KINDS:
        if name == kind:
            return kind
    raise UsageError(f"no pool is called {name}", hint=f"one of {', '.join(POOL_KINDS)}")
