"""Real processes under real faults: does every task end, and how soon is a dead owner replaced?

Seven nodes on one machine: two conduct, five own the work of a slow model server. While a hundred
tasks come in, one every half second whatever became of those before, their owners are killed and
started again, frozen for a while, parted from everybody else, and given a full disk; each fault has
its share of the tasks (a *round*), so that every one of them is met. What must hold:

- every task ends, none later than its deadline allows;
- after a SIGKILL its unit has another owner within a second, at the 99th percentile;
- after a SIGSTOP within 1.2 leases;
- mended, the swarm answers, and every entry comes to every node.

Failover is measured apart from the load: one task after another, whose owner is struck as soon as
it says its first word; the time ends when the client hears of the next award. `run` is the program
around it: in namespaces of its own where the kernel allows that (`chambers`). Without them there
are no partitions, and a full disk is a limit on the size of files; the report says so.
"""

from __future__ import annotations

import argparse
import json
import os
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
from pathlib import Path
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
PATIENCE_S = (DEADLINE_MS + 5 * LATE_MS) / 1000
HUNG = "hung"
CLIENTS = 32
"""More than come in while one round's owners are waited for."""
DISK_MIB = 64
"""A database that is empty takes some 16."""
ROUND_S = 6.0
"""How long a fault lasts at least, and its tasks come in: longer than it takes to be noticed."""
EQUAL_S = 60.0
"""Four periods of sync: gossip may have lost anything."""
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
    began_s = time.monotonic()
    with ExitStack() as stack:
        rooms = None if refused else stack.enter_context(closing(chambers.Chambers()))
        host = "127.0.0.1" if rooms is None else chambers.HOST
        url = stack.enter_context(echo_server(MODEL_MS, host))

        def mounted(place: Path) -> None:
            stack.enter_context(chambers.small_disk(place, DISK_MIB))

        nodes = stack.enter_context(local_swarm(root, plans(root, url, rooms, mounted)))
        cast = Cast(list(nodes), rooms)
        stack.callback(cast.stop)
        kills = _failovers(cast, size.kills, "kill", cast.kill)
        stops = _failovers(cast, size.stops, "stop", cast.freeze)
        load = _load(cast, size.tasks)
        cast.mend()
        after = _ask(cast, 0)
        unequal = cast.unequal(EQUAL_S)
    report: dict[str, Any] = {
        "bench": "nemesis",
        "nodes": len(nodes),
        "refused": refused,
        **_percentiles("failover_kill_ms", kills),
        **_percentiles("failover_stop_ms", stops),
        **load,
        "faults": dict(cast.faults),
        "answered_after": after.outcome == "answered",
        "entries_missing_somewhere": unequal,
        "took_s": round(time.monotonic() - began_s),
        "load_average": round(os.getloadavg()[1], 1),
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
    if report["entries_missing_somewhere"]:
        found.append(f"{report['entries_missing_somewhere']} entries are not on every node")
    return found


def _percentiles(name: str, waits_ms: Sequence[int]) -> dict[str, int]:
    waits = sorted(waits_ms)
    return {
        f"{name}_p50": waits[len(waits) // 2],
        f"{name}_p99": waits[min(len(waits) - 1, len(waits) * 99 // 100)],
        f"{name}_samples": len(waits),
    }


@dataclass(frozen=True, slots=True)
class End:
    """How one task of the load ended, after how long, and how often an owner was replaced; `why`
    it was not answered.
    """

    fault: str
    outcome: str
    ms: int
    failovers: int
    why: str


@dataclass(frozen=True, slots=True)
class Struck:
    """A task whose owner was struck, and how long until the client heard of the next award."""

    end: End
    wait_ms: int | None


def _body(number: int) -> dict[str, Any]:
    """Every other task has three chains."""
    return {
        "prompt": PROMPT,
        "skill": SKILL,
        "plan": "never",
        "chains": 1 + 2 * (number % 2),
        "deadline_ms": DEADLINE_MS,
    }


def _ask(cast: Cast, number: int, fault: str = "") -> End:
    """One task of the load, to its end."""
    began_s = time.monotonic()
    ended: dict[str, Any] = {}
    try:
        with cast.conductor(number % CONDUCTORS).client(PATIENCE_S) as client:
            answer = client.post("/api/tasks?wait=true", json=_body(number))
            ended = {"outcome": f"http {answer.status_code}"} | answer.json()
    except httpx2.TimeoutException:
        pass
    return _end(fault, ended, began_s)


def _struck(cast: Cast, number: int, fault: str, blow: Callable[[LocalNode], None]) -> Struck:
    """One task whose owner is struck as it says its first word, to its end."""
    began_s, struck_s = time.monotonic(), 0.0
    wait_ms: int | None = None
    ended: dict[str, Any] = {}
    try:
        with cast.conductor(number % CONDUCTORS).client(PATIENCE_S) as client:
            task = client.post("/api/tasks", json=_body(number)).raise_for_status().json()["id"]
            with client.stream("GET", f"/api/tasks/{task}/events") as stream:
                for line in stream.iter_lines():
                    event = json.loads(line[6:]) if line.startswith("data: ") else {"type": ""}
                    if event["type"] == "token" and not struck_s:
                        blow(cast.owner(event["owner"]))
                        struck_s = time.monotonic()
                    elif event["type"] == "award" and struck_s and wait_ms is None:
                        wait_ms = round((time.monotonic() - struck_s) * 1000)
                    elif event["type"] == "verdict":
                        ended = event
    except httpx2.TimeoutException:
        pass
    return Struck(_end(fault, ended, began_s), wait_ms)


def _end(fault: str, ended: dict[str, Any], began_s: float) -> End:
    took_ms = round((time.monotonic() - began_s) * 1000)
    outcome = str(ended.get("outcome", HUNG))
    why = "" if outcome == "answered" else str(ended.get("message", ""))
    return End(fault, outcome, took_ms, int(ended.get("owner_failovers", 0)), why)


def _failovers(cast: Cast, count: int, fault: str, blow: Callable[[LocalNode], None]) -> list[int]:
    """How long it took until the next award, each time."""
    waits = []
    for _ in range(count):
        found = _struck(cast, 0, fault, blow)
        cast.mend()
        waits.append(found.end.ms if found.wait_ms is None else found.wait_ms)
    return waits


def _load(cast: Cast, tasks: int) -> dict[str, Any]:
    """All the tasks, a share of them under each fault, twice around."""
    faults: dict[str, Callable[[LocalNode], None]] = {
        "kill": cast.kill,
        "stop": cast.freeze,
        "full disk": cast.fill_disk,
    }
    if cast.rooms is not None:
        faults["partition"] = cast.part
    rounds = [*faults] * 2
    ends: list[End] = []
    for turn, fault in enumerate(rounds):
        numbers = range(turn * tasks // len(rounds), (turn + 1) * tasks // len(rounds))
        if numbers:
            ends += _round(cast, numbers, fault, faults[fault])
            cast.mend()
    outcomes = Counter(end.outcome for end in ends)
    return {
        "tasks": tasks,
        "outcomes": dict(sorted(outcomes.items())),
        "unanswered": [f"{end.fault}: {end.why}" for end in ends if end.outcome != "answered"],
        "hung": outcomes[HUNG],
        "late": sum(end.ms > DEADLINE_MS + LATE_MS for end in ends) - outcomes[HUNG],
        "slowest_ms": {
            f: max((end.ms for end in ends if end.fault == f), default=0) for f in faults
        },
        "failovers": {f: sum(e.failovers for e in ends if e.fault == f) for f in faults},
    }


def _round(cast: Cast, numbers: range, fault: str, blow: Callable[[LocalNode], None]) -> list[End]:
    """Tasks that come in evenly; one of the first of them is struck."""
    pause_s = ROUND_S / len(numbers)
    struck = numbers[len(numbers) // 4]
    began_s = time.monotonic()

    def one(number: int) -> End:
        if number == struck:
            return _struck(cast, number, fault, blow).end
        return _ask(cast, number, fault)

    with ThreadPoolExecutor(CLIENTS) as clients:
        asked = []
        for at, number in enumerate(numbers, start=1):
            asked.append(clients.submit(one, number))
            time.sleep(max(0.0, began_s + at * pause_s - time.monotonic()))
        return [task.result() for task in asked]


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
