"""`symphony sim`: run the deterministic simulator, tell one seed, or run a scenario of your own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from symphony.cli.exits import FAILURE
from symphony.cli.options import JsonOption
from symphony.cli.show import note, out, out_json

if TYPE_CHECKING:
    from symphony.testing.batch import Source
    from symphony.testing.registry import Ask, Study
    from symphony.testing.wish import Wish

SEEDS, LARGE_SEEDS = 100, 1
NODES = 7
MAX_SEEDS = 1_000_000
"""Two days' work for two cores: more is a typing error."""

SeedsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MAX_SEEDS,
        help="How many seeds to run.",
        show_default="100; 1 for a large swarm",
    ),
]
FirstSeedOption = Annotated[int, typer.Option(min=0, help="The first of them.")]
JobsOption = Annotated[
    int | None,
    typer.Option(min=1, max=256, help="Processes.", show_default="one for each CPU"),
]
StoryOption = Annotated[
    int | None,
    typer.Option(min=0, metavar="SEED", help="Tell one seed as a timeline.", show_default=False),
]
PlotOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where a study draws what it found.", show_default=False),
]
LossOption = Annotated[
    float | None,
    typer.Option(metavar="P", help="Share of messages lost.", show_default="by seed"),
]

sim = typer.Typer(pretty_exceptions_enable=False, add_completion=False, rich_markup_mode=None)


@sim.callback(invoke_without_command=True)
def simulate(
    context: typer.Context,
    *,
    scenario: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What is simulated; `list` tells.", show_default="swarm"),
    ] = None,
    seeds: SeedsOption = None,
    first_seed: FirstSeedOption = 0,
    nodes: Annotated[
        int | None, typer.Option(min=1, help="Nodes in each swarm.", show_default=str(NODES))
    ] = None,
    tasks: Annotated[
        int | None, typer.Option(min=0, help="Tasks in each swarm.", show_default="by scenario")
    ] = None,
    loss: LossOption = None,
    byzantine: Annotated[
        float, typer.Option(metavar="N", help="Hostile nodes; below 1: their share.")
    ] = 0,
    partition: Annotated[
        bool, typer.Option("--partition", help="A partition in each run.")
    ] = False,
    churn: Annotated[
        float, typer.Option(metavar="RATE", help="More crashes, per node and minute.")
    ] = 0,
    crash: Annotated[
        bool, typer.Option("--crash/--no-crash", help="May nodes crash and restart?")
    ] = True,
    jobs: JobsOption = None,
    json: JsonOption = False,
    story: StoryOption = None,
    plot: PlotOption = None,
) -> None:
    """Simulate whole swarms under faults and check the protocol's invariants.

    Everything comes from the seed: a failing seed prints the command that replays it. The last
    line is a summary in JSON.
    """
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return
    from symphony.testing import registry
    from symphony.testing.wish import MAX_SEEDED_NODES, Wish

    large = (nodes or 0) > MAX_SEEDED_NODES
    name = scenario or ("scale" if large and "scale" in registry.SCENARIOS else "swarm")
    size = NODES if nodes is None else nodes
    wish = Wish(name, size, loss, crash, tasks, byzantine, partition, churn)
    found = registry.find(name)
    if isinstance(found, registry.Study):
        count = seeds or LARGE_SEEDS
        if story is not None or wish != Wish(name, size, tasks=tasks):
            registry.family(name)  # says that a study has no such thing
        asked = registry.Ask(range(first_seed, first_seed + count), nodes, tasks)
        _study(found, asked, plot)
        return
    if plot is not None:
        from symphony.errors import UsageError

        raise UsageError(
            f"scenario {name} has no plots", hint="only studies have: symphony sim list"
        )
    wish.check()
    if story is not None:
        _tell(wish, story)
        return
    count = seeds or (LARGE_SEEDS if large else SEEDS)
    _batch(
        wish, range(first_seed, first_seed + count), jobs, f"symphony sim{_given(wish)}", json=json
    )


def _refuse_options(context: typer.Context) -> None:
    """Options before a subcommand would be ignored."""
    said = [
        name
        for name in context.params
        if (source := context.get_parameter_source(name)) is not None
        and source.name == "COMMANDLINE"
    ]
    if said:
        from symphony.errors import UsageError

        raise UsageError(
            f"--{said[0].replace('_', '-')} has no meaning for symphony sim "
            f"{context.invoked_subcommand}",
            hint=f"symphony sim {context.invoked_subcommand} --help",
        )


@sim.command("list")
def names() -> None:
    """The scenarios that there are."""
    from symphony.testing.registry import SCENARIOS, Study

    for name, found in SCENARIOS.items():
        out(f"{name:<12} {found.about}{' (study)' if isinstance(found, Study) else ''}")


@sim.command()
def run(
    file: Annotated[Path, typer.Argument(help="A scenario in YAML.", show_default=False)],
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1, max=MAX_SEEDS, help="How many seeds to run.", show_default="as in the file"
        ),
    ] = None,
    first_seed: FirstSeedOption = 0,
    jobs: JobsOption = None,
    json: JsonOption = False,
    story: StoryOption = None,
) -> None:
    """Run a scenario of your own, written in YAML; docs/simulator.md tells how.

    Without --json, a file with one seed is told as a timeline.
    """
    from symphony.testing.scenario_file import read_scenario

    written = read_scenario(file)
    count = seeds or written.seeds
    if story is not None or (count == 1 and not json):
        _tell(written, first_seed if story is None else story)
        return
    wanted = range(first_seed, first_seed + count)
    _batch(written, wanted, jobs, f"symphony sim run {file}", json=json)


def _study(study: Study, asked: Ask, plot: Path | None) -> None:
    asked.check()
    module = study.load()
    found = module.run(asked)
    for text in found.violations:
        note(text)
    if plot is not None:
        for path in module.plot(found, plot):
            note(f"wrote {path}")
    out_json(found.as_json())
    if found.violations:
        raise typer.Exit(FAILURE)


def _tell(source: Source, seed: int) -> None:
    from symphony.testing.story import tell

    violated = False
    for line in tell(source.draw(seed)):
        out(line)
        violated = violated or line.startswith("VIOLATION")
    if violated:
        raise typer.Exit(FAILURE)


def _batch(source: Source, seeds: range, jobs: int | None, replay: str, *, json: bool) -> None:
    """Run the seeds; complaints and how to replay them on stderr, the summary on stdout."""
    from symphony.testing.batch import run_batch, usable_cpus

    for report, summary, wall_s in run_batch(seeds, source, jobs=jobs or usable_cpus()):
        for text in report.violations:
            note(f"seed {report.seed}: {text}")
        if report.violations:
            note(f"  replay: {replay} --story {report.seed}")
        if summary.seeds < len(seeds):
            continue
        if not json and summary.missed:
            note(f"no seed met: {', '.join(summary.missed)}")
        out_json(summary.as_json(wall_s) | {"marks": summary.shares()})
        if summary.failing:
            raise typer.Exit(FAILURE)


def _given(wish: Wish) -> str:
    """The options that say the same once more."""
    given = f" --nodes {wish.nodes}"
    given += "" if wish.scenario == "swarm" else f" --scenario {wish.scenario}"
    given += "" if wish.tasks is None else f" --tasks {wish.tasks}"
    given += "" if wish.loss is None else f" --loss {wish.loss}"
    given += f" --byzantine {wish.byzantine:g}" if wish.byzantine else ""
    given += " --partition" if wish.partition else ""
    given += f" --churn {wish.churn:g}" if wish.churn else ""
    return given + ("" if wish.crash else " --no-crash")
