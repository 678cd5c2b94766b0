"""Real processes under real faults: does every task end, and how soon is a dead owner replaced?

Seven nodes on one machine: two conduct, five own the work of a slow model server. While a hundred
tasks run, their owners are killed and started again, frozen for a while, parted from everybody
else, and given a full disk. What must hold:

- every task ends, none later than its deadline allows;
- after a SIGKILL its unit has another owner within a second, at the 99th percentile;
- after a SIGSTOP within 1.2 leases.

Failover is measured apart from the load: one task after another, whose owner is struck as soon as
it says its first word; the time ends when the client hears of the next award. `run` is the program
around it: in namespaces of its own where the kernel allows that (`chambers`). Without them there
are no partitions, and a full disk is a limit on the size of files; the report says so.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import count, cycle
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx2

from symphony.core.limits import LEASE_MS
from symphony.testing import chambers
from symphony.testing.local_swarm import LocalNode, local_swarm
from symphony.testing.nemesis_cast import CONDUCTORS, PROMPT, SKILL, Cast, plans
from symphony.testing.overhead import echo_server

MODEL_MS = 600
"""How long the model speaks: long enough to be struck while it does."""
DEADLINE_MS = 60_000
LATE_MS = 2_000
"""A task may end so much after its deadline: HTTP, and a machine that is busy."""
CLIENTS = 6
DISK_MIB = 64
"""A database that is empty takes some 16."""
AWAY_S = 6.0
"""How long a node is frozen, parted or full: longer than it takes to be noticed."""
REST_S = 1.0
KILL_MS, STOP_MS = 1_000, LEASE_MS * 12 // 10
RUN_S = 900.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it."""

    tasks: int = 100
    kills: int = 12
    stops: int = 4


SHORT = Size(tasks=16, kills=2, stops=1)


def run(size: Size) -> dict[str, Any]:
    """The whole program, confined if that can be; the report."""
    words = [f"--{name}={value}" for name, value in vars_of(size).items()]
    command = [sys.executable, "-m", "symphony.testing.nemesis", *words]
    refused = chambers.refusal()
    if refused:
        command += ["--refused", refused]
    else:
        command = chambers.confined(command)
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        command, stdout=subprocess.PIPE, text=True, timeout=RUN_S, check=True
    )
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def vars_of(size: Size) -> dict[str, int]:
    """The options that say the same."""
    return {"tasks": size.tasks, "kills": size.kills, "stops": size.stops}


def measure(root: Path, size: Size, refused: str) -> dict[str, Any]:
    """Start the swarm, strike it, and say what came of it."""
    with ExitStack() as stack:
        rooms = None if refused else stack.enter_context(closing(chambers.Chambers()))
        host = "127.0.0.1" if rooms is None else chambers.HOST
        url = stack.enter_context(echo_server(MODEL_MS, host))

        def mounted(place: Path) -> None:
            stack.enter_context(chambers.small_disk(place, DISK_MIB))

        nodes = stack.enter_context(local_swarm(root, plans(root, url, rooms, mounted)))
        cast = Cast(list(nodes), rooms)
        stack.callback(cast.stop)
        kills = [_strike(cast, cast.kill) for _ in range(size.kills)]
        cast.mend()
        stops = [_strike(cast, cast.freeze) for _ in range(size.stops)]
        cast.mend()
        load = _load(cast, size.tasks)
        cast.mend()
        after, _ = _ask(cast, 0)
    report: dict[str, Any] = {
        "bench": "nemesis",
        "nodes": len(nodes),
        "refused": refused,
        **_percentiles("failover_kill_ms", kills),
        **_percentiles("failover_stop_ms", stops),
        **load,
        "faults": dict(cast.faults),
        "answered_after": after == "answered",
    }
    return report | {"violations": list(_violations(report))}


def _violations(report: dict[str, Any]) -> list[str]:
    found = []
    if report["late"] or report["hung"]:
        found.append(f"{report['late']} tasks ended late, {report['hung']} never")
    for name, most_ms in (("kill", KILL_MS), ("stop", STOP_MS)):
        worst_ms = report[f"failover_{name}_ms_p99"]
        if worst_ms > most_ms:
            found.append(f"failover after a {name} took {worst_ms} ms, more than {most_ms}")
    if not report["answered_after"]:
        found.append("with everything mended, a task was not answered")
    return found


def _percentiles(name: str, waits_ms: Sequence[int]) -> dict[str, int]:
    waits = sorted(waits_ms)
    return {
        f"{name}_p50": waits[len(waits) // 2],
        f"{name}_p99": waits[min(len(waits) - 1, len(waits) * 99 // 100)],
        f"{name}_samples": len(waits),
    }


def _strike(cast: Cast, blow: Callable[[LocalNode], None]) -> int:
    """Hit the owner of a step as it speaks; ms until the client hears of the next award."""
    cast.mend()
    struck_s = 0.0
    body = {"prompt": PROMPT, "skill": SKILL, "plan": "never", "chains": 1}
    with cast.conductor(0).client(RUN_S) as client:
        task = client.post("/api/tasks", json=body).raise_for_status().json()["id"]
        with client.stream("GET", f"/api/tasks/{task}/events") as stream:
            for line in stream.iter_lines():
                event = json.loads(line[6:]) if line.startswith("data: ") else {"type": ""}
                if event["type"] == "token" and not struck_s:
                    blow(cast.owner(event["owner"]))
                    struck_s = time.monotonic()
                elif event["type"] == "award" and struck_s:
                    return round((time.monotonic() - struck_s) * 1000)
    raise AssertionError("the task ended before its owner was struck")


def _ask(cast: Cast, number: int) -> tuple[str, int]:
    """One task of the load, to its end: how it ended, and after how many ms."""
    body = {
        "prompt": PROMPT,
        "skill": SKILL,
        "plan": "never",
        "chains": 1 + 2 * (number % 2),
        "deadline_ms": DEADLINE_MS,
    }
    began_s = time.monotonic()
    patience_s = (DEADLINE_MS + 5 * LATE_MS) / 1000
    try:
        with cast.conductor(number % CONDUCTORS).client(patience_s) as client:
            ended = client.post("/api/tasks?wait=true", json=body)
            outcome = str(ended.json().get("outcome") or f"http {ended.status_code}")
    except httpx2.TimeoutException:
        outcome = "hung"
    return outcome, round((time.monotonic() - began_s) * 1000)


def _load(cast: Cast, tasks: int) -> dict[str, Any]:
    """A hundred tasks by six clients, and one fault after another meanwhile."""
    over = Event()
    nemesis = Thread(target=_torment, args=(cast, over), daemon=True)
    nemesis.start()
    with ThreadPoolExecutor(CLIENTS) as clients:
        ends = list(clients.map(lambda number: _ask(cast, number), range(tasks)))
    over.set()
    nemesis.join(RUN_S)
    outcomes = Counter(outcome for outcome, _ in ends)
    return {
        "tasks": tasks,
        "outcomes": dict(sorted(outcomes.items())),
        "hung": outcomes["hung"],
        "late": sum(ms > DEADLINE_MS + LATE_MS for _, ms in ends) - outcomes["hung"],
        "slowest_ms": max(ms for _, ms in ends),
    }


def _torment(cast: Cast, over: Event) -> None:
    """One owner after another, one fault after another, until the load is over."""
    faults: list[Callable[[LocalNode], None]] = [cast.kill, cast.freeze, cast.fill_disk]
    if cast.rooms is not None:
        faults.insert(1, cast.part)
    for turn, fault in zip(count(), cycle(faults), strict=False):
        victim = cast.owners()[turn % len(cast.owners())]
        fault(victim)
        quick = fault == cast.kill
        over.wait(REST_S if quick else AWAY_S)
        cast.mend()
        if over.wait(REST_S):
            return


def main(arguments: list[str] | None = None) -> None:
    """The program inside; the last line is the report."""
    parser = argparse.ArgumentParser(description="real processes under real faults")
    for name, value in vars_of(Size()).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--refused", default="")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    size = Size(options.tasks, options.kills, options.stops)
    with tempfile.TemporaryDirectory(prefix="symphony-nemesis-") as root:
        report = measure(Path(root), size, options.refused)
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
