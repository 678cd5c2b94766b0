"""`symphony bench`: programs that measure, and compare with a ceiling taken in the same run."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

THROUGHPUT_ENTRIES = 12_800  # 200 groups of 64: long enough that one slow sync does not decide
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


@bench.command()
def receipt(
    rounds: Annotated[int, typer.Option(help="how often it is verified", min=3)] = 30,
    probes: Annotated[int, typer.Option(help="entries of evidence", min=0, max=32)] = 16,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON line")] = False,
) -> None:
    """CPU time to verify a receipt with nine ballots of planned chains, weighed by evidence."""
    from symphony.testing.receipt_bench import measure_receipt

    report = measure_receipt(rounds=rounds, probes=probes)
    if as_json:
        print(json.dumps(report))
        return
    for name, value in report.items():
        print(f"{name:24} {value}")


@bench.command()
def ledger(
    entries: Annotated[
        int, typer.Option(help="entries of the large ledger that is started from", min=1000)
    ] = 1_000_000,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON line")] = False,
) -> None:
    """Ingest, appends, sync, start and gossip beside what this machine could do at best.

    Building a ledger of a million signed entries takes some minutes.
    """
    from symphony.testing.ledger_bench import measure_throughput
    from symphony.testing.ledger_scale import measure_start, measure_sync

    report: dict[str, Any] = {"bench": "ledger"}
    with tempfile.TemporaryDirectory(prefix="symphony-bench-") as root:
        report |= measure_throughput(Path(root), entries=min(entries, THROUGHPUT_ENTRIES))
        report |= measure_sync()
        report |= measure_start(Path(root), entries=entries)
    if as_json:
        print(json.dumps(report))
        return
    for name, value in report.items():
        print(f"{name:24} {value}")


@bench.command()
def matching(
    as_json: Annotated[bool, typer.Option("--json", help="one JSON line")] = False,
) -> None:
    """Whether needs find the right one of twelve agents: by meaning, and by words alone."""
    from symphony.testing.matching import measure_matching

    report = measure_matching()
    if as_json:
        print(json.dumps(report))
        return
    for judge in ("minilm", "bm25"):
        found = report[judge]
        print(f"{judge:8} top-1 {found['top_1']} of {report['needs']}, top-3 {found['top_3']}")


@bench.command()
def engines(
    only: Annotated[str, typer.Option(help="engines, by comma; vllm if installed")] = "",
    concurrency: Annotated[str, typer.Option(help="calls at once, by comma")] = "1,8,32",
    as_json: Annotated[bool, typer.Option("--json", help="one JSON line")] = False,
) -> None:
    """Tokens per second through a node beside the engine asked directly; co-located engines."""
    from symphony.engines.vllm import installed
    from symphony.testing.co_located import measure_co_located
    from symphony.testing.engine_bench import measure_through
    from symphony.testing.start_bench import measure_start

    usual = ["echo", "paced", "llamacpp", *(["vllm"] if installed() else [])]
    names = [name.strip() for name in only.split(",") if name.strip()] or usual
    calls = tuple(int(part) for part in concurrency.split(","))
    report: dict[str, Any] = {"bench": "engines", "engines": {}}
    for name in names:
        with tempfile.TemporaryDirectory(prefix="symphony-bench-") as root:
            report["engines"][name] = measure_through(name, calls, Path(root))
    report["through_ratio"] = {
        name: {at: row["through_ratio"] for at, row in rows.items()}
        for name, rows in report["engines"].items()
    }
    if "llamacpp" in names:
        report |= {"co_located": measure_co_located(), **measure_start()}
    if as_json:
        print(json.dumps(report))
        return
    for name, rows in report["engines"].items():
        for at, row in rows.items():
            print(f"{name:9} x{at:3} {json.dumps(row)}")
    for key in ("co_located", "node_ready_s", "node_ready_again_s", "first_token_from_nothing_s"):
        print(f"{key:28} {report.get(key)}")


@bench.command()
def nemesis(
    tasks: Annotated[int, typer.Option(help="tasks under faults", min=1, max=10_000)] = 100,
    kills: Annotated[int, typer.Option(help="owners killed, one by one", min=1, max=1000)] = 12,
    stops: Annotated[int, typer.Option(help="owners frozen, one by one", min=1, max=100)] = 4,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON line")] = False,
) -> None:
    """Seven real nodes whose owners are killed, frozen, parted and run out of disk.

    It makes network and mount namespaces of its own where the kernel allows that; without them
    there are no partitions, and the report says why. Some five minutes.
    """
    from symphony.testing.nemesis import Size, run

    report = run(Size(tasks, kills, stops))
    if as_json:
        print(json.dumps(report))
    else:
        for name, value in report.items():
            print(f"{name:28} {value}")
    if report["violations"]:
        raise typer.Exit(1)
