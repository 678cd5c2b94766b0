"""`symphony invite`: let another machine in, and change your mind."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from symphony.cli.durations import milliseconds
from symphony.cli.options import HomeOption, JsonOption, home_of
from symphony.cli.show import note, out, out_json, table

MAX_OPERATOR_CHARS = 64  # of a name in the protocol

invite = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Scoped, expiring invites to this swarm."
)


@invite.command()
def create(
    expires: Annotated[
        str, typer.Option(help="How long it is good: 30m, 24h, 7d.", metavar="TIME")
    ] = "24h",
    scope: Annotated[
        Literal["member", "observer"], typer.Option(help="What the holder may do.")
    ] = "member",
    address: Annotated[
        list[str] | None,
        typer.Option(help="Where to find this node, if it does not run now.", metavar="MADDR"),
    ] = None,
    for_node: Annotated[
        str | None,
        typer.Option("--for", help="The only node (did:key or peer id) that may use it."),
    ] = None,
    operator: Annotated[
        str | None,
        typer.Option(help="Who runs what joins with it; votes are capped by it.", metavar="NAME"),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an invite and print it on stdout. Treat it like a password."""
    from symphony.errors import ConfigError
    from symphony.identity import load_identity, read_swarm
    from symphony.invites import create_invite

    minutes = milliseconds(expires) // 60_000
    place = home_of(home)
    key = load_identity(place)
    swarm = read_swarm(place)
    if swarm is None:
        raise ConfigError(f"{place}: this node belongs to no swarm", hint="symphony init")
    addresses = tuple(address or ()) or _addresses(place)
    if not addresses:
        note("note: the node does not run, so the invite has no address; see --address")
    made = create_invite(
        place,
        key=key,
        genesis=swarm.genesis,
        now_ms=int(time.time() * 1000),
        minutes=minutes,
        scope=scope,
        addresses=addresses,
        node=None if for_node is None else _node(for_node),
        operator=None if operator is None else _operator(operator),
    )
    expires_ms = made.parsed_grant().expires_ms
    if as_json:
        out_json({"token": made.token(), "id": made.id.hex(), "expires_wall_ms": expires_ms})
        return
    out(made.token())
    note(f"invite {made.id.hex()[:8]}, good until {_when(expires_ms)}; on the other machine:")
    note("  symphony join -        (then paste the invite)")


@invite.command("list")
def list_(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """The invites given out from this home."""
    from symphony.invites import list_invites

    now_ms = int(time.time() * 1000)
    given = list_invites(home_of(home))
    if as_json:
        out_json([asdict(one) | {"state": one.state(now_ms)} for one in given])
        return
    table(
        ("id", "state", "scope", "expires", "operator", "only for"),
        (
            (
                one.id[:8],
                one.state(now_ms),
                one.scope,
                _when(one.expires_wall_ms),
                one.operator or "",
                one.node or "",
            )
            for one in given
        ),
        empty="no invites yet: symphony invite create",
    )


@invite.command()
def revoke(
    id: Annotated[str, typer.Argument(help="The invite's id, or how it begins.")],
    home: HomeOption = None,
) -> None:
    """Make an invite useless."""
    from symphony.invites import revoke_invite

    place = home_of(home)
    gone = revoke_invite(place, id, int(time.time() * 1000))
    out(f"revoked {gone.id[:8]}")
    if _running(place):
        note("the running node tells the swarm within seconds; whoever came with it has to go")


def _running(home: Path) -> bool:
    from symphony.cli.door import is_running

    return is_running(home)


def _addresses(home: Path) -> tuple[str, ...]:
    """Where the running node says it can be dialled; nothing if it does not run."""
    from symphony.cli.door import connected

    if not _running(home):
        return ()
    with connected(home) as swarm:
        return tuple(swarm.status()["addresses"])


def _operator(text: str) -> str:
    from symphony.errors import UsageError

    name = " ".join(text.split())
    if not 0 < len(name) <= MAX_OPERATOR_CHARS:
        raise UsageError(
            f"--operator: a name of 1 to {MAX_OPERATOR_CHARS} characters",
            hint="the same name on each invite for one party's machines",
        )
    return name


def _node(text: str) -> bytes:
    from ledger.errors import KeyRefused
    from ledger.keys import parse_did_key, parse_peer_id
    from symphony.errors import UsageError

    try:
        return parse_did_key(text) if text.startswith("did:") else parse_peer_id(text)
    except KeyRefused as error:
        raise UsageError(
            f"--for: {error.message}", hint="`symphony status` on that node shows its id"
        ) from None


def _when(wall_ms: int) -> str:
    return datetime.fromtimestamp(wall_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
