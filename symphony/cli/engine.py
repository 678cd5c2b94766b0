"""`symphony engine`: what serves the models here, whether it keeps its promises, and how fast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from symphony.cli.options import HomeOption, JsonOption, global_home
from symphony.cli.show import note, out, out_json, table

if TYPE_CHECKING:
    from symphony.engines.registry import Kind
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
    """Hold an engine to its contract, and measure it. Exits 1 where a promise is broken; one that
    can't be seen from here is said to be not looked at.
    """
    import trio

    from symphony.cli.examining import examined
    from symphony.config import load_settings
    from symphony.engines.registry import EngineSpec
    from symphony.errors import EngineError, UsageError

    if name not in KINDS:
        raise UsageError(f"no engine is called {name!r}", hint=f"one of: {', '.join(KINDS)}")
    machine = load_settings(home=home or global_home()).settings.engine
    spec = EngineSpec(
        kind=cast("Kind", name),
        model=model or machine.model,
        url=url or machine.url,
        api_key=_key_for(url or machine.url, machine),
    )
    report = trio.run(examined, spec)
    if as_json:
        out_json(report)
    else:
        if report["error"] and not report["measured"] and not any(report["contract"].values()):
            raise EngineError(report["error"])
        unseen = {name: f"not looked at: {why}" for name, why in report["not_looked_at"].items()}
        table(
            ("promise", "kept"),
            ((one, unseen.get(one, words or "yes")) for one, words in report["contract"].items()),
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
