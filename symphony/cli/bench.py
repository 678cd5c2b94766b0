"""`symphony bench`: programs that measure, and compare with a ceiling taken in the same run."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

bench = typer.Typer(no_args_is_help=True)


@bench.callback()
def programs() -> None:
    """Measure this machine: programs that print JSON, never timed tests."""


@bench.command()
def overhead(
    tasks: Annotated[int, typer.Option(help="how many tasks; the median counts", min=1)] = 20,
    nodes: Annotated[int, typer.Option(help="node processes", min=1, max=32)] = 5,
    latency_ms: Annotated[int, typer.Option(help="fixed time of one model call", min=1)] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON line")] = False,
) -> None:
    """What Symphony adds to a model's own time: 3 chains of 1 plan and 3 steps over processes."""
    from symphony.testing.overhead import measure_overhead

    with tempfile.TemporaryDirectory(prefix="symphony-bench-") as root:
        report = measure_overhead(Path(root), tasks=tasks, nodes=nodes, latency_ms=latency_ms)
    if as_json:
        print(json.dumps(report))
        return
    print(f"{nodes} nodes, {tasks} tasks of 3 chains x (1 plan + 3 steps)")
    print(f"ideal   {report['ideal_ms']} ms ({latency_ms} ms a call)")
    print(f"median  {report['median_ms']:.0f} ms, {report['ratio']:.3f} of the ideal")
    print(f"worst   {report['max_ms']:.0f} ms")
