"""The tasks of the running node: `tasks`, and `task show | watch | cancel`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from symphony.cli.options import HomeOption, JsonOption, home_of
from symphony.cli.show import facts, note, out, out_json, table

if TYPE_CHECKING:
    from symphony.client import Symphony

TASK_HEX = 32
task = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="One task: show, watch or cancel it."
)
IdArgument = Annotated[str, typer.Argument(help="The task's id, or how it begins.")]


def tasks(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """The running and the recent tasks of this node, newest first."""
    from symphony.cli.door import connected

    with connected(home_of(home)) as swarm:
        rows = swarm.tasks.list()
    if as_json:
        out_json(rows)
        return
    table(
        ("task", "state", "chains", "rule", "question", "answer"),
        (
            (
                row["id"][:8],
                row["state"],
                row["chains"],
                row["rule"],
                _short(row["prompt"]),
                _short((row["ended"] or {}).get("answer", "")),
            )
            for row in rows
        ),
        empty='no tasks yet: symphony submit "…"',
    )


@task.command()
def show(id: IdArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Everything this node knows of a task."""
    from symphony.cli.door import connected

    with connected(home_of(home)) as swarm:
        row = swarm.tasks.get(resolve(swarm, id)).info()
    if as_json:
        out_json(row)
        return
    ended = row.pop("ended")
    facts({name.replace("_", " "): value for name, value in row.items() if value != ""})
    if ended is None:
        return
    from symphony.cli.verdict import doubts, summary

    out()
    out(summary(ended))
    for line in doubts(ended, row["answer_type"]):
        note(line)
    table(
        ("chain", "node", "model", "weight", "answer"),
        (
            (b["chain"], b["owner"][:8], b["model"], f"{b['weight'] / 10_000:.1f}%", b["answer"])
            for b in ended["ballots"]
        ),
        empty="no ballots",
    )
    out(ended["answer"])


@task.command()
def watch(id: IdArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Follow a task from its start to its verdict; leaving does not cancel it."""
    from symphony.cli.door import connected
    from symphony.cli.submit import follow
    from symphony.cli.verdict import conclude
    from symphony.cli.verdict import show as show_verdict

    with connected(home_of(home)) as swarm:
        one = swarm.tasks.get(resolve(swarm, id))
        answer_type = one.info()["answer_type"]
        verdict = follow(one.events(), watch=True, as_json=as_json)
    if not as_json:
        show_verdict(verdict, answer_type)
    conclude(verdict)


@task.command()
def cancel(id: IdArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Stop a task everywhere."""
    from symphony.cli.door import connected

    with connected(home_of(home)) as swarm:
        full = resolve(swarm, id)
        cancelled = swarm.tasks.get(full).cancel()
    if as_json:
        out_json({"cancelled": cancelled})
        return
    note(f"cancelled {full[:8]}" if cancelled else f"{full[:8]} had ended already")


def resolve(swarm: Symphony, prefix: str) -> str:
    """The full id of the one task that `prefix` begins. Raises `UsageError` otherwise."""
    from symphony.errors import UsageError

    wanted = prefix.lower()
    if len(wanted) == TASK_HEX:
        return wanted
    found = [row["id"] for row in swarm.tasks.list() if row["id"].startswith(wanted)]
    if len(found) != 1 or not wanted:
        how_many = "no task" if not found else f"{len(found)} tasks"
        raise UsageError(f"{how_many} whose id begins with {prefix!r}", hint="symphony tasks")
    return str(found[0])


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 40 else line[:39] + "…"
