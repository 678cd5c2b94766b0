"""`symphony model`: the weights on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from symphony.cli.options import JsonOption
from symphony.cli.show import note, out, out_json, table

if TYPE_CHECKING:
    from symphony.engines.fetch import Progress

model = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Models on this machine: list, pull, remove."
)
NameArgument = Annotated[str, typer.Argument(help="A name of `symphony model list`.")]


@model.command("list")
def list_(as_json: JsonOption = False) -> None:
    """The catalogue, and which of it is here."""
    from symphony.engines.models import list_models

    found = list_models()
    if as_json:
        out_json(
            [
                {
                    "name": one.model.name,
                    "aliases": list(one.model.aliases),
                    "purpose": one.model.purpose,
                    "lineage": one.model.lineage,
                    "licence": one.model.licence,
                    "context_tokens": one.model.context_tokens,
                    "size_bytes": one.model.size_bytes,
                    "path": None if one.path is None else str(one.path),
                    "hub_repo": one.model.hub_repo,
                }
                for one in found
            ]
        )
        return
    table(
        ("model", "here", "size", "lineage", "licence", "what it is"),
        (
            (
                one.model.name,
                _here(one.path, bool(one.model.files)),
                _size(one.model.size_bytes),
                one.model.lineage,
                one.model.licence,
                one.model.summary,
            )
            for one in found
        ),
        empty="the catalogue is empty",
    )


@model.command()
def pull(
    name: NameArgument,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="A folder that may hold its files already.", metavar="DIR"),
    ] = None,
) -> None:
    """Bring a model here: downloaded, hashed, then put in place."""
    from symphony.engines import models

    with _progress(f"pull {name}") as report:
        where = models.pull(name, report, folder=source)
    out(where)


@model.command()
def path(name: NameArgument) -> None:
    """Print where a model's weights are. Exits 1 if they are not here."""
    from symphony.engines import models

    out(models.path(name))


@model.command()
def verify(name: NameArgument) -> None:
    """Hash a model's files again. A file with a wrong hash is removed."""
    from symphony.engines import models

    with _progress(f"verify {name}") as report:
        models.verify(name, report)
    out(f"ok: {name}")


@model.command()
def remove(name: NameArgument) -> None:
    """Delete a model's files."""
    from symphony.engines import models

    out(f"removed {name}" if models.remove(name) else f"{name} was not here")


@model.command()
def convert(name: NameArgument) -> None:
    """Make of a model here the folder that vLLM serves. Needs `symphony engine install vllm`."""
    from symphony.engines.converting import convert as made

    note(f"convert {name} …")
    out(made(name))


@contextmanager
def _progress(title: str) -> Iterator[Callable[[Progress], None]]:
    """A progress bar on stderr; one line at the start where stderr is no terminal."""
    from symphony.cli.show import console

    screen = console(stderr=True)
    if not screen.is_terminal:
        note(f"{title} …")
        yield lambda _: None
        return
    from rich.progress import BarColumn, DownloadColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Bar(*columns, console=screen) as bar:
        line = bar.add_task(title, total=None)

        def report(progress: Progress) -> None:
            bar.update(
                line,
                description=f"{title}: {progress.what}",
                completed=progress.done_bytes,
                total=progress.total_bytes or None,
            )

        yield report


def _here(path: Path | None, has_files: bool) -> str:
    if path is not None:
        return "yes"
    return "no" if has_files else "by vLLM"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.0f} MB" if size_bytes else "-"
