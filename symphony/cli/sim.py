"""`symphony sim`: run the deterministic simulator, or tell the story of one seed."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from symphony.cli.exits import FAILURE
from symphony.cli.options import JsonOption
from symphony.cli.show import note, out, out_json


class Scenario(StrEnum):
    """What is simulated."""

    SWARM = "swarm"
    LEDGER = "ledger"


def sim(
    scenario: Annotated[
        Scenario,
        typer.Option(help="Tasks under faults, or all that is hard on a ledger."),
    ] = Scenario.SWARM,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds to run.")] = 100,
    first_seed: Annotated[int, typer.Option(min=0, help="The first of them.")] = 0,
    nodes: Annotated[int, typer.Option(min=1, max=64, help="Nodes in each swarm.")] = 7,
    loss: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of messages lost.", show_default="by seed"),
    ] = None,
    crash: Annotated[
        bool, typer.Option("--crash/--no-crash", help="May nodes crash and restart?")
    ] = True,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Processes.", show_default="one for each CPU"),
    ] = None,
    json: JsonOption = False,
    story: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="SEED", help="Tell one seed as a timeline.", show_default=False
        ),
    ] = None,
) -> None:
    """Simulate whole swarms under faults and check the protocol's invariants.

    Everything comes from the seed: a failing seed prints the command that replays it. The last
    line is a summary in JSON.
    """
    from symphony.testing.batch import Wish, run_batch, usable_cpus
    from symphony.testing.story import tell

    wish = Wish(scenario.value, nodes=nodes, loss=loss, crash=crash)
    if story is not None:
        for line in tell(wish.draw(story)):
            out(line)
        return
    given = "" if scenario is Scenario.SWARM else f" --scenario {scenario.value}"
    given += "" if loss is None else f" --loss {loss}"
    given += "" if crash else " --no-crash"
    wanted = range(first_seed, first_seed + seeds)
    for report, summary, wall_s in run_batch(wanted, wish, jobs=jobs or usable_cpus()):
        for text in report.violations:
            note(f"seed {report.seed}: {text}")
        if report.violations:
            note(f"  replay: symphony sim --story {report.seed} --nodes {nodes}{given}")
        if summary.seeds < seeds:
            continue
        if not json and summary.missed:
            note(f"no seed met: {', '.join(summary.missed)}")
        said = summary.as_json(wall_s)
        if scenario is Scenario.LEDGER:
            said |= {"marks": summary.shares()}
        out_json(said)
        if summary.failing:
            raise typer.Exit(FAILURE)
