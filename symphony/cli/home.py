"""`symphony init`: an identity, a configuration, a swarm of one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from symphony.cli.options import HomeOption, JsonOption, home_of
from symphony.cli.show import facts, note, out, out_json

if TYPE_CHECKING:
    from symphony.identity import SwarmFile

_CONFIG = """\
# Symphony's settings for this node. Flags and SYMPHONY_* variables win over this file.
# docs/cli.md lists everything that can be set.

# preset = "local"            # local (this machine only), lan or wan
# agents = ["/path/to/agents"]

# [engine]
# url = "http://127.0.0.1:11434"   # an OpenAI-compatible server for all agents
# model = "qwen2.5-coder-1.5b"

# [gateway]
# port = 4718

# [log]
# level = "info"
"""


def init(
    name: Annotated[str, typer.Option(help="The name of the new swarm.")] = "home",
    admission: Annotated[
        Literal["open", "invite"],
        typer.Option(help="Who may join: anybody who reaches it, or holders of an invite."),
    ] = "invite",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make this machine a node: an identity, a configuration and a swarm of one."""
    place = home_of(home)
    swarm = make_node(place, name, admission)
    from ledger.keys import did_key, peer_id

    founder = swarm.genesis.founder
    facts_of = {
        "home": str(place),
        "node": did_key(founder),
        "short": founder.hex()[:8],
        "peer_id": peer_id(founder),
        "swarm": swarm.swarm_id.hex(),
        "swarm_name": name,
        "admission": admission,
    }
    if as_json:
        out_json(facts_of)
        return
    facts(facts_of)
    out()
    out("next: symphony doctor          is everything there that the agents need?")
    out("      symphony join            run this node")
    out("      symphony invite create   let another machine in")


def make_node(home: Path, name: str, admission: Literal["open", "invite"]) -> SwarmFile:
    """A fresh identity that founds a fresh swarm. Raises `ConfigError` where one lives already."""
    from symphony.config import CONFIG_NAME, write_private
    from symphony.identity import (
        SwarmFile,
        create_identity,
        new_genesis,
        successor_commitment,
        write_swarm,
    )

    key = create_identity(home)
    swarm = SwarmFile(new_genesis(name, admission, key, successor_commitment(home)))
    write_swarm(home, swarm)
    config = home / CONFIG_NAME
    if not config.exists():
        write_private(config, _CONFIG.encode())
    return swarm


def ensure_node(home: Path) -> None:
    """For a first `submit`: the node it needs, made on the spot and said aloud."""
    from symphony.identity import has_identity

    if not has_identity(home):
        make_node(home, "home", "invite")
        note(f"made a new node in {home} (as `symphony init` does)")
