"""`symphony engine`: what serves the models here, whether it keeps its promises, and how fast."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from symphony.cli.options import HomeOption, JsonOption, global_home
from symphony.cli.show import note, out, out_json, table

if TYPE_CHECKING:
    from symphony.engines.base import Engine
    from symphony.engines.registry import EngineSpec, Kind
    from symphony.settings import EngineSettings

engine = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="What serves the models on this machine."
)
KINDS = ("auto", "vllm", "llamacpp", "openai")  # of servers: a recording is none
InstallArgument = Annotated[Literal["vllm"], typer.Argument(help="Only vllm needs it.")]


@engine.command("list")
def engines(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """The engines there are, which of them can be used here, and why."""
    from symphony.config import load_settings
    from symphony.engines.registry import EngineSpec, explain_choice

    settings = load_settings(home=home or global_home()).settings.engine
    rows: list[dict[str, Any]] = []
    for kind in KINDS:
        choice = explain_choice(
            EngineSpec(
                kind=cast("Kind", kind),
                url=settings.url,
                model=settings.model,
                api_key=_key_for(settings.url, settings),
            )
        )
        rows.append(
            {
                "engine": kind,
                "serves": choice.kind,
                "usable": choice.usable,
                "reasons": list(choice.reasons),
            }
        )
    if as_json:
        out_json(rows)
        return
    table(
        ("engine", "usable", "serves through", "why"),
        (
            (
                row["engine"],
                "yes" if row["usable"] else "no",
                row["serves"],
                "; ".join(row["reasons"]),
            )
            for row in rows
        ),
        empty="no engines",
    )


@engine.command("test")
def examine(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")] = "auto",
    model: Annotated[str | None, typer.Option(help="The model.")] = None,
    url: Annotated[
        str | None, typer.Option(help="A running server; one with a key: set engine.url.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold an engine to its contract, and measure it. Exits 1 where a promise is broken."""
    import trio

    from symphony.config import load_settings
    from symphony.engines.registry import EngineSpec
    from symphony.errors import UsageError

    if name not in KINDS:
        raise UsageError(f"no engine is called {name!r}", hint=f"one of: {', '.join(KINDS)}")
    machine = load_settings(home=home or global_home()).settings.engine
    spec = EngineSpec(
        kind=cast("Kind", name),
        model=model or machine.model,
        url=url or machine.url,
        api_key=_key_for(url or machine.url, machine),
    )
    report = trio.run(_examine, spec)
    if as_json:
        out_json(report)
    else:
        table(
            ("promise", "kept"),
            ((name, words or "yes") for name, words in report["contract"].items()),
            empty="nothing was checked",
        )
        for key in ("engine", "model", "lineage", *report["measured"]):
            out(f"{key:18} {report['measured'].get(key, report.get(key))}")
    if not report["ok"]:
        raise typer.Exit(1)


@engine.command()
def install(name: InstallArgument) -> None:
    """Make vLLM's own environment: minutes, and some gigabytes."""
    from symphony.engines.vllm_install import install as made

    del name
    out(made(note))


@engine.command()
def remove(name: InstallArgument) -> None:
    """Delete vLLM's own environment."""
    from symphony.engines.vllm_install import remove as removed

    out(f"removed {name}" if removed() else f"{name} was not here")


def _key_for(url: str | None, machine: EngineSettings) -> str | None:
    """The machine's key, for the machine's own server and no other."""
    if machine.api_key is None or url != machine.url:
        return None
    return machine.api_key.get_secret_value()


async def _examine(spec: EngineSpec) -> dict[str, Any]:
    """Every check of the contract on one engine, then its speed. A broken promise is told by the
    name of its check, and the others are still looked at.
    """
    from symphony.engines.measuring import measure
    from symphony.engines.registry import open_engine
    from symphony.errors import SymphonyError
    from symphony.testing.engine_contract import CHECKS

    async with open_engine(spec) as opened:
        described = await opened.describe()
        measured = await measure(opened)
        subject = _subject(opened)
        kept: dict[str, str] = {}
        for check in CHECKS:
            try:
                await check(subject)
            except (SymphonyError, AssertionError) as error:
                kept[check.__name__] = f"no: {type(error).__name__}: {error}"
            else:
                kept[check.__name__] = ""
    return {
        "ok": not any(kept.values()),
        "engine": described.engine,
        "model": described.model,
        "lineage": described.lineage,
        "measured": asdict(measured),
        "contract": kept,
    }


def _subject(opened: Engine) -> Any:
    """The engine with what can be seen of its server: a server of ours may also be killed."""
    import os
    import signal

    from symphony.engines.supervised import SupervisedEngine
    from symphony.testing.engine_contract import Subject

    if not isinstance(opened, SupervisedEngine):
        return Subject(opened)
    ours: SupervisedEngine = opened

    async def busy() -> int:
        return (await ours.load()).running or 0

    async def kill() -> None:
        assert ours.pid is not None
        os.kill(ours.pid, signal.SIGKILL)

    return Subject(ours, busy=busy, kill=kill, revives=True, patience_ms=600_000)
