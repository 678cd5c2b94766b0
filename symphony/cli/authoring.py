"""For those who write agents: `symphony validate` and `symphony schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from symphony.cli.options import JsonOption
from symphony.cli.show import note, out, out_json

schema = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Formats, for editors.")


def validate(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Agents, or folders of them; the shipped ones if none are named."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check agent manifests strictly. Exits 2 if one does not validate."""
    from symphony.cli.exits import say
    from symphony.engines.catalog import lookup_model
    from symphony.errors import ManifestError
    from symphony.manifests import load_manifest, manifest_files, shipped_agents

    rows: list[dict[str, object]] = []
    first: ManifestError | None = None
    for place in paths or [shipped_agents()]:
        for file in manifest_files(place):
            try:
                manifest = load_manifest(file)
            except ManifestError as error:
                rows.append(
                    {"file": str(file), "ok": False, "error": error.message, "hint": error.hint}
                )
                if first is not None and not as_json:
                    say(error.message, error.hint)  # the first one is reported at the end
                first = first or error
                continue
            row: dict[str, object] = {
                "file": str(file),
                "ok": True,
                "name": manifest.name,
                "digest": manifest.digest.hex(),
            }
            known = manifest.engine.url is not None or lookup_model(manifest.engine.model)
            if not known:
                row["warning"] = f"the catalogue has no model {manifest.engine.model!r}"
            rows.append(row)
            if not as_json:
                out(f"ok: {file}: {manifest.name} ({len(manifest.probes)} probes)")
                if not known:
                    note(f"note: {file}: {row['warning']}; see `symphony model list`")
    if as_json:
        out_json(rows)
    if first is not None:
        raise first


@schema.command()
def agent(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="The manual (agents/README.md) instead.")
    ] = False,
) -> None:
    """The JSON Schema of an agent manifest."""
    from symphony.manifests import agent_schema, manual

    if markdown:
        typer.echo(manual(), nl=False)
        return
    typer.echo(json.dumps(agent_schema(), indent=2, ensure_ascii=False))


@schema.command()
def config() -> None:
    """The JSON Schema of `config.toml`."""
    from symphony.config import NodeSettings

    typer.echo(json.dumps(NodeSettings.model_json_schema(), indent=2, ensure_ascii=False))
