"""All verbs, put together. Modules named here import typer and the standard library, no more.

`demo`, `bench` and `sim` are bigger: their modules are looked for now, but imported only when
they are called, and their own options are parsed by themselves.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from symphony.cli import authoring, home, join, ledger_horizon, ledger_rebuild, look, model, submit
from symphony.cli.doctor import doctor
from symphony.cli.engine import engine
from symphony.cli.exits import EXIT_CODES
from symphony.cli.invite import invite
from symphony.cli.key import key
from symphony.cli.ledger import ledger
from symphony.cli.ledger_files import export, stats, take_in
from symphony.cli.options import set_global_home
from symphony.cli.receipt import receipt
from symphony.cli.reputation import reputation
from symphony.cli.show import out
from symphony.cli.task import task, tasks

NODE, ASK, CHECK, MAKE, MORE = "Node", "Tasks", "Proof", "Agents and models", "More"


class _Sections(TyperGroup):
    """The verbs in sections. Typer's own boxes would cost every `--help` a second of imports."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        for section in (NODE, ASK, CHECK, MAKE, MORE):
            rows = [
                (name, command.get_short_help_str(limit=90))
                for name, command in commands
                if command is not None and getattr(command, "rich_help_panel", None) == section
            ]
            if rows:
                with formatter.section(section):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), text) for code, text in EXIT_CODES])


app = typer.Typer(
    name="symphony",
    cls=_Sections,
    rich_markup_mode=None,
    help="Many small models on machines you own or borrow; one answer, with a receipt that "
    "anyone can check offline.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # errors are printed by `symphony.cli.exits`, in two lines
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def root(
    data: Annotated[
        Path | None,
        typer.Option("--home", metavar="DIR", help="The node's data directory [SYMPHONY_HOME]."),
    ] = None,
    _show_version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
    _debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error.")
    ] = False,
) -> None:
    """Options that stand before the verb; `--debug` is taken out before parsing."""
    set_global_home(data)


def version() -> None:
    """Print the version."""
    from symphony.version import __version__

    out(f"symphony {__version__}")


app.command(rich_help_panel=NODE)(home.init)
app.command(rich_help_panel=NODE)(join.join)
app.add_typer(invite, name="invite", rich_help_panel=NODE)
app.add_typer(key, name="key", rich_help_panel=NODE)
app.command(rich_help_panel=NODE)(look.status)
app.command(rich_help_panel=NODE)(look.peers)
app.command(rich_help_panel=NODE)(doctor)
app.command(rich_help_panel=ASK)(submit.submit)
app.command(rich_help_panel=ASK)(tasks)
app.add_typer(task, name="task", rich_help_panel=ASK)
app.add_typer(receipt, name="receipt", rich_help_panel=CHECK)
app.command(rich_help_panel=CHECK)(reputation)
ledger.command("stats")(stats)
ledger.command("export")(export)
ledger.command("import")(take_in)
ledger.command("rebuild")(ledger_rebuild.rebuild)
ledger.command("horizon")(ledger_horizon.horizon)
app.add_typer(ledger, name="ledger", rich_help_panel=CHECK)
app.command(rich_help_panel=MAKE)(look.agents)
app.command(rich_help_panel=MAKE)(authoring.validate)
app.add_typer(authoring.schema, name="schema", rich_help_panel=MAKE)
app.add_typer(model.model, name="model", rich_help_panel=MAKE)
app.add_typer(engine, name="engine", rich_help_panel=MAKE)
app.command(rich_help_panel=MORE)(version)

LAZY = {
    "demo": "Five real nodes on this machine answer a question.",
    "sim": "The whole swarm in a deterministic simulator.",
    "bench": "Benchmarks, printed as tables or JSON.",
    "eval": "Is a vote better than one good agent? Rules and baselines, measured.",
}


def _late(name: str, help_text: str) -> None:
    """Register `name` without importing its module, which has a function or an app of that name."""
    module = f"symphony.cli.{name}"

    @app.command(
        name,
        help=help_text,
        rich_help_panel=MORE,
        add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )
    def call(context: typer.Context) -> None:
        found: Any = getattr(importlib.import_module(module), name)
        if not isinstance(found, typer.Typer):
            inner = typer.Typer(
                pretty_exceptions_enable=False, add_completion=False, rich_markup_mode=None
            )
            inner.command(name)(found)
            found = inner
        code = found(context.args, prog_name=f"symphony {name}", standalone_mode=False)
        if isinstance(code, int) and code:
            raise typer.Exit(code)


for _name, _help in LAZY.items():
    if importlib.util.find_spec(f"symphony.cli.{_name}") is not None:
        _late(_name, _help)
