"""What the running node knows: `status`, `peers`, `agents`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from symphony.cli.options import HomeOption, JsonOption, home_of
from symphony.cli.show import duration, facts, gigabytes, note, out, out_json, short_node, table


def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """The running node at a glance. Exits 3 if none runs."""
    from symphony.cli.door import connected

    with connected(home_of(home)) as swarm:
        state = _named(swarm.status())
    if as_json:
        out_json(state)
        return
    engines, memory = state.pop("engines"), state.pop("memory")
    free, total = memory["free_bytes"], memory["total_bytes"]
    shown = {name.replace("_", " "): value for name, value in state.items() if value != []}
    uptime = shown.pop("uptime ms", None)
    warnings = shown.pop("warnings", [])
    shown["up for"] = duration(uptime)
    shown["memory"] = f"{gigabytes(free)} of {gigabytes(total)} free"
    for number, gpu in enumerate(memory["gpus"]):
        used = f"{gigabytes(gpu['used_bytes'])} of {gigabytes(gpu['total_bytes'])} used"
        shown[f"gpu {number}"] = f"{gpu['name']}: {used}"
    for row in engines:
        shown[f"model {row['model']}"] = f"{row['engine']}: {_busy(row['load'])}"
    facts(shown)
    for warning in warnings:
        out(f"warning: {warning}")


def _named(row: dict[str, Any]) -> dict[str, Any]:
    """With the short name of its node beside the long one."""
    return {"node": row["node"], "short": short_node(row["node"]), **row}


def _busy(load: dict[str, Any] | None) -> str:
    """What an engine is busy with, in words; only what its server says."""
    if load is None:
        return "does not answer"
    counted = {name: load[name] for name in ("running", "queued", "waiting")}
    words = [f"{count} {name}" for name, count in counted.items() if count is not None]
    if load["memory_bytes"] is not None:
        words.append(gigabytes(load["memory_bytes"]))
    return ", ".join(words)


def peers(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """The other nodes of the swarm."""
    from symphony.cli.door import connected

    with connected(home_of(home)) as swarm:
        rows = [_named(row) for row in swarm.peers()]
    if as_json:
        out_json(rows)
        return
    table(
        ("node", "peer id", "connected", "rtt", "agents", "addresses"),
        (
            (
                row["short"],
                row["peer_id"],
                "yes" if row["connected"] else "no",
                duration(row["rtt_ms"]),
                row["agents"],
                " ".join(row["addresses"]),
            )
            for row in rows
        ),
        empty="no other nodes: let one in with `symphony invite create`",
    )


def _whereabouts(row: dict[str, Any]) -> str:
    if row["local"]:
        return "here"
    return str(row["short"]) + ("" if row["connected"] else " (gone)")


def agents(
    every: Annotated[
        bool, typer.Option("--all", help="Also those of nodes that are gone.", show_default=False)
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """The agents of the nodes that are here, and what they say they can do."""
    from symphony.cli.door import connected

    with connected(home_of(home)) as swarm:
        known = [_named(row) for row in swarm.agents()]
    rows = [row for row in known if every or row["local"] or row["connected"]]
    if as_json:
        out_json(rows)
        return
    table(
        ("agent", "on", "roles", "model", "engine", "privacy", "skills"),
        (
            (
                row["agent"],
                _whereabouts(row),
                " ".join(row["roles"]),
                row["model"],
                row["engine"],
                " ".join(row["privacy"]),
                " ".join(skill["name"] for skill in row["skills"]),
            )
            for row in rows
        ),
        empty="no agents: symphony doctor says why",
    )
    gone = len(known) - len(rows)
    if gone:
        agents = "1 agent" if gone == 1 else f"{gone} agents"
        note(f"{agents} of nodes that are gone: symphony agents --all")
