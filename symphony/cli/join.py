"""`symphony join`: run this machine as a node until it is interrupted.

An invite is a secret. It may come as a file, on stdin (`-`) or in `SYMPHONY_INVITE`; as a plain
argument it works too, but every process of the machine could read it there, so we say so.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from symphony.cli.options import ConfigOption, HomeOption, JsonOption, global_home
from symphony.cli.show import note, out, out_json

if TYPE_CHECKING:
    from symphony.config import NodeSettings

MAX_TOKEN_CHARS = 64 * 1024  # an invite to the largest closed swarm has 40 000


def join(  # noqa: PLR0917
    token: Annotated[
        str | None,
        typer.Argument(help="The invite, or - to read it from stdin.", show_default=False),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(help="A file with the invite.", metavar="FILE", show_default=False),
    ] = None,
    peer: Annotated[
        list[str] | None,
        typer.Option(help="A node to dial, as /ip4/…/tcp/…/p2p/…", metavar="MADDR"),
    ] = None,
    listen: Annotated[
        list[str] | None, typer.Option(help="An address to listen on.", metavar="MADDR")
    ] = None,
    preset: Annotated[
        Literal["local", "lan", "wan"] | None,
        typer.Option(help="How far to listen: this machine (default), the LAN, the world."),
    ] = None,
    agents: Annotated[
        list[Path] | None,
        typer.Option(help="An agent, or a folder of them, instead of the shipped ones."),
    ] = None,
    engine: Annotated[
        Literal["auto", "vllm", "llamacpp", "openai"] | None,
        typer.Option(help="What serves the models on this machine."),
    ] = None,
    engine_url: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible server.", metavar="URL")
    ] = None,
    engine_model: Annotated[
        str | None, typer.Option(help="One model for all agents here.", metavar="NAME")
    ] = None,
    gateway_port: Annotated[
        int | None, typer.Option(help="The port of the local gateway.", show_default=False)
    ] = None,
    gateway: Annotated[
        bool | None, typer.Option("--gateway/--no-gateway", help="Open the local gateway.")
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None, typer.Option(help="How much to log.")
    ] = None,
    log_format: Annotated[
        Literal["human", "json"] | None, typer.Option(help="How to log, on stderr.")
    ] = None,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add this machine to a swarm and host its agents. Says when it is ready, then runs."""
    flags = {
        "invite": read_token(token, token_file),
        "peers": peer or None,
        "listen": listen or None,
        "preset": preset,
        "agents": agents or None,
        "engine.kind": engine,
        "engine.url": engine_url,
        "engine.model": engine_model,
        "gateway.port": gateway_port,
        "gateway.enabled": gateway,
        "log.level": log_level,
        "log.format": log_format,
    }
    start(flags, home=home, config=config, as_json=as_json)


def start(flags: dict[str, Any], *, home: Path | None, config: Path | None, as_json: bool) -> None:
    """Load the settings, make sure that there is a swarm to join, and run."""
    from symphony.node import garbage

    garbage.hold()  # before the imports
    from symphony.config import load_settings

    settings = load_settings(flags, home=home or global_home(), config=config).settings
    prepare(settings)
    # Two nodes whose files name each other must be able to start one after the other.
    insist = bool(flags["peers"]) or settings.invite is not None
    run(settings, as_json=as_json, insist=insist)


def read_token(token: str | None, file: Path | None) -> str | None:
    """The invite from wherever it is. None leaves it to `SYMPHONY_INVITE` and the file."""
    from symphony.errors import UsageError

    if token is not None and file is not None:
        raise UsageError("two invites were given", hint="give TOKEN or --token-file, not both")
    if file is not None:
        return file.read_text(encoding="utf-8")[:MAX_TOKEN_CHARS].strip()
    if token == "-":  # noqa: S105
        return sys.stdin.read(MAX_TOKEN_CHARS).strip()
    if token is not None:
        note("note: other users of this machine can see arguments; prefer --token-file, or -")
    return token


def prepare(settings: NodeSettings) -> None:
    """Make sure that there is an identity and something to join."""
    import time

    from symphony.core.peers.invite import parse_token
    from symphony.errors import AdmissionDenied, ConfigError
    from symphony.identity import (
        accept_invite,
        create_identity,
        has_identity,
        load_identity,
        read_swarm,
    )

    home = settings.home
    if settings.invite is None:
        load_identity(home)
        if read_swarm(home) is None:
            raise ConfigError(
                f"{home}: this node belongs to no swarm yet",
                hint="join with an invite: symphony join -   (it also says whom to dial)",
            )
        return
    invite = parse_token(settings.invite.get_secret_value())
    if time.time() * 1000 >= invite.parsed_grant().expires_ms:
        raise AdmissionDenied("this invite has expired", hint="ask for a new one")
    key = load_identity(home) if has_identity(home) else create_identity(home)
    accept_invite(home, key, invite)


def run(settings: NodeSettings, *, as_json: bool, insist: bool) -> None:
    """The node itself, in the foreground, until a signal ends it. Ctrl-C raises as usual."""
    import signal
    from functools import partial

    import trio

    from symphony.node import run_node
    from symphony.node.logs import configure_logging
    from symphony.node.signals import first_signal

    configure_logging(settings.log)

    def ready(state: Any) -> None:
        from symphony.core.events import as_json as plain

        values = plain(state)
        if as_json:
            out_json(values)
        else:
            out(ready_text(values))
            sys.stdout.flush()  # whoever reads it through a pipe waits for it

    async def until_told() -> signal.Signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(run_node, settings, ready, insist=insist))
            told = await first_signal()
            nursery.cancel_scope.cancel()
        return told

    if trio.run(until_told) == signal.SIGINT:
        raise KeyboardInterrupt


def ready_text(values: dict[str, Any]) -> str:
    """`ready` and what people may want to copy, one fact a line. Which agents are not hosted stands
    behind those that are, with the first reason; the log has each. The gateway comes last, if there
    is one.
    """
    left_out: dict[str, str] = values["not_hosted"]
    said = {f"agent {name} is not hosted: {why}" for name, why in left_out.items()}
    agents = " ".join(values["agents"]) or "none"
    if left_out:
        agents += f" ({len(left_out)} not hosted: {next(iter(left_out.values()))})"
    shown = [
        ("node", values["node"]),
        *(("address", address) for address in values["addresses"]),
        ("peers", values["peers"]),
        ("agents", agents),
        *(("warning", one) for one in values["warnings"] if one not in said),
        *([("gateway", values["gateway"])] if values["gateway"] else []),
    ]
    swarm = f"{values['swarm_name']} ({values['swarm'][:8]})"
    head = f"ready  node {values['short']} of swarm {swarm}"
    return "\n".join([head, *(f"  {name}: {value}" for name, value in shown)])
