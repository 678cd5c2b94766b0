"""`symphony demo`: five real nodes on this machine answer a question, and one dies on the way.

Everything is real: processes, libp2p on loopback, models, ledgers, the SIGKILL, and the receipt,
which is verified at the end by a separate process that has nothing but the file.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from symphony.engines.fetch import Progress

Event = dict[str, Any]
Say = Callable[[str], None]


def demo(
    question: Annotated[
        str | None, typer.Option("--question", "-q", help="ask this instead of the shipped one")
    ] = None,
    answer_type: Annotated[
        str | None, typer.Option(help="number, text, boolean …; number for the shipped question")
    ] = None,
    chains: Annotated[int, typer.Option(help="chains that vote", min=1, max=16)] = 3,
    kill: Annotated[bool, typer.Option(help="kill the owner of a running step")] = True,
    receipt: Annotated[Path, typer.Option(help="where the receipt goes")] = Path(
        "out/demo.receipt"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="events as JSON lines")] = False,
) -> None:
    """Start five nodes with real models, ask, kill one, vote, verify the receipt offline."""
    from symphony.cli.show import note
    from symphony.testing.demo_swarm import MODELS, QUESTION, cast
    from symphony.testing.local_swarm import local_swarm

    say = note
    began = time.monotonic()
    for name in MODELS:
        _pull(name, say)
    pulled = time.monotonic()
    say("starting 5 node processes (each with its own key, ledger and gateway) …")
    with (
        tempfile.TemporaryDirectory(prefix="symphony-demo-") as root,
        local_swarm(Path(root), cast()) as nodes,
    ):
        started = time.monotonic()
        for node in nodes:
            agents, short = ", ".join(node.ready["agents"]), node.ready["short"]
            say(f"  {node.name}  {short}  pid {node.process.pid}  agents {agents}")
        body = {
            "prompt": question or QUESTION,
            "chains": chains,
            "plan": "always",
            "answer_type": answer_type or ("number" if question is None else "text"),
            "deadline_ms": 300_000,
            "max_tokens": 240,
        }
        say(f"question: {body['prompt']}")
        ended, path = _perform(nodes, body, receipt, kill=kill, as_json=as_json, say=say)
    verified = _verify_offline(path)
    result = {
        **ended,
        "type": "result",
        "receipt_path": str(path),
        "receipt_verified": verified,
        "setup_ms": {
            "models": round((pulled - began) * 1000),
            "nodes": round((started - pulled) * 1000),
        },
    }
    if as_json:
        print(json.dumps(result), flush=True)
    else:
        _conclude(result, say)
    if ended["outcome"] != "answered" or not verified:
        raise typer.Exit(7 if not verified else 1)


def _perform(
    nodes: Any, body: Event, receipt: Path, *, kill: bool, as_json: bool, say: Say
) -> tuple[Event, Path]:
    """Submit, show, kill; the last event and the path of the receipt."""
    from symphony.testing.demo_swarm import Assassin, fetch_receipt, task_events

    assassin = Assassin(nodes, armed=kill)
    ended: Event = {}
    with _show(as_json=as_json) as show:
        for event in task_events(nodes[0], body):
            show(event)
            if assassin.watch(event):
                assert assassin.victim is not None
                pid = assassin.victim.process.pid
                killed = {"type": "killed", "at_ms": event["at_ms"], "unit": assassin.unit}
                show({**killed, "node": assassin.victim.name, "pid": pid})
            ended = event
    path = fetch_receipt(nodes[0], ended["task"], receipt)
    if kill and assassin.victim is None:
        say("note: every step ran on the conductor itself, so nobody was killed")
    return ended, path


@contextmanager
def _show(*, as_json: bool) -> Iterator[Callable[[Event], None]]:
    if as_json:
        yield lambda event: print(json.dumps(event), flush=True)
        return
    from symphony.cli.live import view

    with view() as live:
        yield live.event


def _pull(name: str, say: Say) -> None:
    """Fetch a model unless it is here, saying so."""
    from symphony.engines import models
    from symphony.errors import ModelError

    try:
        models.path(name)
    except ModelError:
        say(f"fetching the model {name} …")
        said = 0.0

        def report(progress: Progress) -> None:
            nonlocal said
            if time.monotonic() - said > 3:
                said = time.monotonic()
                share = progress.done_bytes / max(1, progress.total_bytes)
                say(f"  {name}: {progress.what} {min(share, 1):.0%}")

        models.pull(name, report)


def _verify_offline(path: Path) -> bool:
    """A process of its own, with nothing but the file, runs the election and the vote again."""
    command = [sys.executable, "-m", "symphony", "receipt", "verify", str(path)]
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        command, capture_output=True, text=True, timeout=120, check=False
    )
    sys.stderr.write(done.stdout + done.stderr)
    return done.returncode == 0


def _conclude(result: Event, say: Say) -> None:
    say("")
    say(f"answer: {result['answer'] or '(none)'}   [{result['outcome']}: {result['stop']}]")
    for ballot in result["ballots"]:
        say(
            f"  chain {ballot['chain']}  {ballot['answer'][:60]!r}  weight "
            f"{ballot['weight'] / 1e6:.3f}  {ballot['model']} on {ballot['owner'][:8]}"
        )
    times = ", ".join(f"{name} {ms / 1000:.1f} s" for name, ms in result["phases_ms"].items())
    setup = ", ".join(f"{name} {ms / 1000:.1f} s" for name, ms in result["setup_ms"].items())
    say(f"times: {times}; before that: {setup}")
    say(f"failovers: {result['owner_failovers']}; tokens: {result['tokens']}")
    say(f"receipt: {result['receipt_path']}  (symphony receipt verify {result['receipt_path']})")
