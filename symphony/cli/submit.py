"""`symphony submit`: one question, one answer, and how it came about.

The answer goes to stdout and nothing else does, so `symphony submit … | wc` works; the rest is
on stderr. A running node does the work; without one, this process becomes the node for as long
as this one task takes (`--no-start` refuses that).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from symphony.cli.durations import milliseconds
from symphony.cli.options import HomeOption, JsonOption, home_of
from symphony.cli.show import note, out, out_json
from symphony.cli.verdict import Verdict, conclude, show
from symphony.core import limits

if TYPE_CHECKING:
    from symphony.client import Symphony

MAX_PROMPT_CHARS = 64 * 1024
# The defaults are those of `TaskSpec`; a test compares what is shown with it.
RuleOption = Annotated[
    Literal["auto", "match", "majority", "reliability", "confidence", "ranked"] | None,
    typer.Option(
        help="How ballots are weighed; auto: by evidence once there is some.", show_default="auto"
    ),
]
AlphaOption = Annotated[
    float | None,
    typer.Option(
        help="Certify the answer at this level, such as 0.05, and stop once that is done.",
        min=limits.MIN_ALPHA,
        max=limits.MAX_ALPHA,
        metavar="LEVEL",
    ),
]
DurableOption = Annotated[
    bool, typer.Option("--durable", help="Let two other nodes go on with it if this one is lost.")
]
AnswerTypeOption = Annotated[
    Literal["text", "number", "boolean", "choice", "json", "expression"] | None,
    typer.Option(
        help="What an answer is; equal ones are counted together.",
        show_default="text, by its wording",
    ),
]
ChainsOption = Annotated[
    int | None,
    typer.Option(help="Independent attempts, each with one vote.", min=1, max=16, show_default="3"),
]
PlanOption = Annotated[
    Literal["auto", "always", "never"] | None,
    typer.Option(
        help="Split the task into steps? That takes minutes on a CPU.", show_default="auto"
    ),
]
BudgetOption = Annotated[
    int | None, typer.Option(help="Tokens that may be spent.", min=1, show_default="50000")
]
DeadlineOption = Annotated[
    str | None,
    typer.Option(help="Time that may be spent: 60s, 5m.", metavar="TIME", show_default="5m"),
]
PrivacyOption = Annotated[
    Literal["local", "swarm", "open"] | None,
    typer.Option(help="Who may see the question.", show_default="swarm"),
]


def submit(  # noqa: PLR0917
    prompt: Annotated[str, typer.Argument(help="The question, or - to read it from stdin.")],
    chains: ChainsOption = None,
    rule: RuleOption = None,
    alpha: AlphaOption = None,
    plan: PlanOption = None,
    answer_type: AnswerTypeOption = None,
    choice: Annotated[
        list[str] | None, typer.Option(help="A possible answer; give it several times.")
    ] = None,
    skill: Annotated[
        str | None, typer.Option(help="What the task needs, in a few words.", metavar="TEXT")
    ] = None,
    budget_tokens: BudgetOption = None,
    deadline: DeadlineOption = None,
    privacy: PrivacyOption = None,
    durable: DurableOption = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show how it comes about.")] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Print the task's id and do not wait.")
    ] = False,
    receipt: Annotated[
        Path | None, typer.Option(help="Save the receipt there.", metavar="FILE")
    ] = None,
    start: Annotated[
        bool, typer.Option("--start/--no-start", help="Become a node if none runs here.")
    ] = True,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the swarm. Exits 6 when there is an answer, but not a certified one."""
    options = {
        "chains": chains,
        "rule": rule,
        "alpha": alpha,
        "planning": plan,
        "answer_type": answer_type or ("choice" if choice else None),
        "choices": choice or None,
        "skill": skill,
        "budget_tokens": budget_tokens,
        "deadline_ms": None if deadline is None else milliseconds(deadline),
        "privacy": privacy,
        "durable": durable or None,
    }
    asked = {name: value for name, value in options.items() if value is not None}
    question = _question(prompt, asked)
    _check_receipt(receipt, detach=detach)
    place = home_of(home)
    if detach:
        _start(place, question, asked, as_json)
        return
    verdict = _carry_out(
        place,
        partial(
            _ask, question=question, asked=asked, watch=watch, as_json=as_json, receipt=receipt
        ),
        start=start,
    )
    conclude(verdict)


def _question(prompt: str, asked: Mapping[str, Any]) -> str:
    """The text of the question. Raises `UsageError` for one that could never be answered."""
    from symphony.errors import UsageError

    # One more than is allowed, so that the node refuses what is too long instead of us cutting it.
    text = sys.stdin.read(MAX_PROMPT_CHARS + 1) if prompt == "-" else prompt
    if not text.strip():
        raise UsageError("the question is empty", hint='symphony submit "How many …?"')
    if "choices" in asked and asked["answer_type"] != "choice":
        raise UsageError("--choice goes with --answer-type choice", hint="leave one of them out")
    if asked.get("answer_type") == "choice" and "choices" not in asked:
        raise UsageError("--answer-type choice needs choices", hint="--choice A --choice B …")
    return text


def _check_receipt(file: Path | None, *, detach: bool) -> None:
    """Before anything is asked: a task whose receipt can't be kept need not begin."""
    from symphony.errors import UsageError

    if file is None:
        return
    if detach:
        hint = "later: symphony receipt fetch ID FILE"
        raise UsageError("--receipt needs the answer, and --detach does not wait for it", hint=hint)
    if file.exists():
        raise UsageError(f"{file} is there already", hint="name a new file for the receipt")
    if not (file.parent.is_dir() and os.access(file.parent, os.W_OK)):
        what = f"{file.parent} is no folder that can be written to"
        raise UsageError(what, hint=f"make it, or name another file than {file}")


def _carry_out(place: Path, ask: Callable[[Symphony], Verdict], *, start: bool) -> Verdict:
    """Ask the running node, or become one for as long as it takes."""
    from symphony.cli.door import connected, is_running

    if is_running(place) or not start:
        with connected(place) as swarm:
            return ask(swarm)
    from symphony.cli.oneshot import with_node

    return with_node(place, ask)


def _ask(
    swarm: Symphony,
    *,
    question: str,
    asked: Mapping[str, Any],
    watch: bool,
    as_json: bool,
    receipt: Path | None,
) -> Verdict:
    """Submit, follow to the verdict, show it, keep the receipt: in this order, so that whatever
    becomes of the receipt, the answer is there. Leaving early cancels the task.
    """
    task = swarm.tasks.submit(question, **asked)
    verdict = None
    try:
        verdict = follow(task.events(tokens=watch), watch=watch, as_json=as_json)
    finally:
        if verdict is None:  # interrupted, or the stream is lost: nobody waits any more
            task.cancel()
    if not as_json:
        show(verdict, str(asked.get("answer_type", "text")))
    if receipt is not None and verdict["receipt"]:
        save_receipt(swarm, verdict, receipt)
    return verdict


def _start(place: Path, question: str, asked: Mapping[str, Any], as_json: bool) -> None:
    """Submit to the running node, print the id, and go."""
    from symphony.cli.door import connected

    with connected(place) as swarm:
        task = swarm.tasks.submit(question, **asked).id
    if as_json:
        out_json({"id": task})
        return
    out(task)
    note(f"follow it: symphony task watch {task[:8]}")


def follow(events: Iterable[Mapping[str, Any]], *, watch: bool, as_json: bool) -> Mapping[str, Any]:
    """Show events as asked and return the verdict. Raises `ConnectionError` without one."""
    from symphony.errors import ConnectionError as Unreachable

    verdict: Mapping[str, Any] | None = None
    if watch and not as_json:
        from symphony.cli.live import view

        with view() as screen:
            for event in events:
                screen.event(event)
                verdict = event if event["type"] == "verdict" else verdict
    elif as_json:
        for event in events:
            if watch:
                out_json(event)
            verdict = event if event["type"] == "verdict" else verdict
    else:
        from symphony.cli.waiting import waiting

        with waiting() as show_event:
            for event in events:
                show_event(event)
                verdict = event if event["type"] == "verdict" else verdict
    if verdict is None:
        raise Unreachable(
            "the node stopped before the verdict", hint="look at the node's log, then ask again"
        )
    if as_json and not watch:
        out_json(verdict)
    return verdict


def save_receipt(swarm: Symphony, verdict: Mapping[str, Any], file: Path) -> None:
    """Write the receipt, after checking that it is the one the verdict names."""
    from symphony.core.receipts.bundle import receipt_digest
    from symphony.errors import ReceiptInvalid

    data = swarm.receipts.get(verdict["receipt"])
    if receipt_digest(data).hex() != verdict["receipt"]:
        raise ReceiptInvalid(
            "the node gave another receipt than the verdict names", hint="do not trust this node"
        )
    file.write_bytes(data)
    note(f"receipt saved: symphony receipt verify {file}")
