"""Options that many commands share, spelt once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="DIR",
        help="The node's data directory [SYMPHONY_HOME].",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on stdout, for programs.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The configuration file.", show_default=False),
]


def home_of(home: Path | None) -> Path:
    """The data directory that a command is about: its own `--home`, or the one before the verb."""
    from symphony.config import resolve_home

    return resolve_home(home or global_home())


def global_home() -> Path | None:
    """`symphony --home DIR …`, if it was given there."""
    return _GLOBAL.get("home")


def set_global_home(home: Path | None) -> None:
    _GLOBAL["home"] = home


_GLOBAL: dict[str, Path | None] = {}
"""What was said before the verb. One command runs per process; tests set it anew each time."""
