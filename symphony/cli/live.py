"""A task as it happens: plan, beacon, bids, owners, tokens, ballots, verdict.

One stream of events (`symphony.core.events`, as plain dictionaries) and two ways to show it:
a live table on a terminal, plain lines anywhere else. Both are fed by `Progress`, which only
remembers; `symphony submit --watch`, `symphony task watch` and `symphony demo` share it.

Names and outputs come from other machines, so every text passes `visible` before it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from symphony.cli.show import console, counted, duration, visible

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

TAIL_CHARS = 48  # of a unit's newest words, beside its name
MAX_UNITS_SHOWN = 24  # a screen; 16 chains of 8 steps would not fit anyway
REFRESH_PER_S = 8
Event = Mapping[str, Any]


@dataclass(slots=True)
class Unit:
    """What is known of one unit of work."""

    name: str
    state: str = "called"
    owner: str = ""
    agent: str = ""
    model: str = ""
    score: int | None = None
    bids: int = 0
    tail: str = ""
    elapsed_ms: int | None = None
    tokens: int = 0


@dataclass(slots=True)
class Progress:
    """Everything seen of one task so far."""

    task: str = ""
    at_ms: int = 0
    headline: str = ""
    units: dict[str, Unit] = field(default_factory=dict)
    ballots: list[Event] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    verdict: Event | None = None

    def add(self, event: Event) -> None:
        """Take in one event; unknown types only move the clock."""
        self.task = event.get("task", self.task)
        self.at_ms = max(self.at_ms, event.get("at_ms", 0))
        match event.get("type"):
            case "task":
                chains = counted(event["chains"], "chain")
                self.headline = f"{chains}, planning {event['planning']}, rule {event['rule']}"
            case "beacon":
                for name in event["units"]:
                    self._unit(name).state = f"asked {event['asked']}"
            case "award":
                unit = self._unit(event["unit"])
                unit.state, unit.owner, unit.agent = "working", event["owner"], event["agent"]
                unit.model, unit.score, unit.bids = event["model"], event["score"], event["bids"]
                unit.tail = ""
            case "token":
                unit = self._unit(event["unit"])
                unit.tail = (unit.tail + event["text"])[-4 * TAIL_CHARS :]
            case "result":
                unit = self._unit(event["unit"])
                unit.state, unit.tail = "done", event["output"]
                unit.elapsed_ms, unit.tokens = event["elapsed_ms"], event["tokens"]
            case "failover":
                unit = self._unit(event["unit"])
                unit.state = "failover"
                self.remarks.append(f"{unit.name}: {event['reason']}; looking for another owner")
            case "hedge":
                self.remarks.append(f"{event['unit']}: the owner takes long; a rival tries, too")
            case "resumed":
                self.remarks.append(
                    f"the conductor was restarted, with {counted(event['done'], 'unit')} done"
                )
            case "taken_over" | "stepped_back":
                self.remarks.append("another node of the task's line conducts it now")
            case "chain_failed":
                self.remarks.append(f"chain {event['chain']} failed: {event['reason']}")
            case "plan" if event["fallback"]:
                self.remarks.append(f"chain {event['chain']}: no plan ({event['fallback']})")
            case "ballot":
                self.ballots.append(event)
            case "verdict":
                self.verdict = event
            case _:
                pass

    def _unit(self, name: str) -> Unit:
        return self.units.setdefault(name, Unit(name))


class View(Protocol):
    """What shows a task's events as they come."""

    def event(self, event: Event) -> None: ...


@contextmanager
def view(screen: Console | None = None) -> Iterator[View]:
    """The fitting view: live on a terminal, plain lines elsewhere. It writes to stderr by
    default, so that stdout keeps to the answer.
    """
    screen = screen or console(stderr=True)
    if not screen.is_terminal:
        yield PlainView(screen)
        return
    from rich.live import Live

    progress = Progress()
    with Live(
        render(progress), console=screen, refresh_per_second=REFRESH_PER_S, transient=False
    ) as live:
        yield LiveView(progress, live)


class LiveView:
    """A table that changes in place."""

    def __init__(self, progress: Progress, live: Live) -> None:
        self._progress = progress
        self._live = live

    def event(self, event: Event) -> None:
        self._progress.add(event)
        self._live.update(render(self._progress))


class PlainView:
    """One line for each event but tokens."""

    def __init__(self, screen: Console) -> None:
        self._screen = screen

    def event(self, event: Event) -> None:
        line = plain_line(event)
        if line:
            self._screen.print(line, soft_wrap=True)


def plain_line(event: Event) -> str:
    """One event in words; empty for those that a log has no use for."""
    at = f"{event.get('at_ms', 0) / 1000:8.3f}s  "
    match event.get("type"):
        case "task":
            text = (
                f"task      {event['task'][:8]}: {counted(event['chains'], 'chain')}, "
                f"planning {event['planning']}, rule {event['rule']}"
            )
        case "hedge":
            text = f"hedge     {event['unit']}: {event['straggler'][:8]} takes long; a second owner"
        case "resumed":
            text = (
                f"resumed   after a restart: {counted(event['done'], 'unit')} done, "
                f"{event['running']} may be running"
            )
        case "entrusted":
            text = f"entrusted to {event['steward'][:8]}, which can go on with it"
        case "taken_over":
            text = (
                "taken over from a conductor that fell silent: "
                f"{counted(event['done'], 'unit')} done, {event['running']} may be running"
            )
        case "stepped_back":
            text = f"stepped back: {event['to'][:8]} has the task now"
        case "beacon":
            text = f"beacon    {', '.join(event['units'])} to {counted(event['asked'], 'node')}"
        case "bid":
            text = (
                f"bid       {event['node'][:8]} offers {', '.join(event['agents']) or 'nothing'} "
                f"for {counted(event['units'], 'unit')}"
            )
        case "award":
            text = (
                f"owner     {event['unit']}: {event['agent']} on {event['owner'][:8]} "
                f"({event['model']}), score {percent(event['score'])}, "
                f"of {counted(event['bids'], 'bid')}"
            )
        case "result":
            text = (
                f"result    {event['unit']}: {event['tokens']} tokens in "
                f"{duration(event['elapsed_ms'])}: {tail(event['output'])}"
            )
        case "plan":
            steps = " | ".join(event["steps"])
            why = f" (no plan: {event['fallback']})" if event["fallback"] else ""
            text = f"plan      chain {event['chain']}: {steps}{why}"
        case "killed":
            text = f"SIGKILL   node {event['node']} (pid {event['pid']}), owner of {event['unit']}"
        case "failover":
            text = f"failover  {event['unit']}: {event['reason']}"
        case "chain_failed":
            text = f"failed    chain {event['chain']}: {event['reason']}"
        case "ballot":
            text = (
                f"ballot    chain {event['chain']}: {tail(event['answer'])} "
                f"(weight {percent(event['weight'])})"
            )
        case "verdict":
            text = f"verdict   {event['outcome']}: {tail(event['answer'])} ({event['stop']})"
        case _:
            return ""
    return at + visible(text).replace("\n", " ")


def render(progress: Progress) -> RenderableType:
    """The whole picture as one rich renderable."""
    from rich.console import Group
    from rich.text import Text

    head = Text(f"task {progress.task[:8]}  {duration(progress.at_ms)}", style="bold")
    head.append(f"  {visible(progress.headline)}", style="dim")
    parts: list[RenderableType] = [head, _units(progress)]
    if progress.ballots:
        parts.append(_ballots(progress))
    parts += [Text(f"! {visible(remark)}", style="yellow") for remark in progress.remarks[-4:]]
    if progress.verdict is not None:
        parts.append(_verdict(progress.verdict))
    return Group(*parts)


def _units(progress: Progress) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    for column in ("unit", "state", "agent", "on", "model", "score", "bids", "text"):
        grid.add_column(column, no_wrap=True)
    hidden = max(0, len(progress.units) - MAX_UNITS_SHOWN)
    for unit in list(progress.units.values())[hidden:]:
        took = f" {duration(unit.elapsed_ms)}" if unit.elapsed_ms is not None else ""
        cells = (
            unit.name,
            unit.state + took,
            unit.agent,
            unit.owner[:8],
            unit.model,
            "" if unit.score is None else percent(unit.score),
            unit.bids or "",
            tail(unit.tail),
        )
        style = {"done": "green", "failover": "red"}.get(unit.state, "")
        grid.add_row(*(Text(visible(cell)) for cell in cells), style=style)
    return grid


def _ballots(progress: Progress) -> RenderableType:
    from rich.text import Text

    text = Text("ballots  ", style="bold")
    for ballot in progress.ballots:
        weight = percent(ballot["weight"])
        text.append(f"{ballot['chain']}: {visible(tail(ballot['answer']))} ({weight})   ")
    return text


def _verdict(event: Event) -> RenderableType:
    from rich.text import Text

    style = "bold green" if event["outcome"] == "answered" else "bold yellow"
    text = Text(f"{event['outcome']}  ", style=style)
    text.append(visible(event["stop"]), style="dim")
    return text


def percent(ppm: int) -> str:
    """Parts per million as a percentage."""
    return f"{ppm / 10_000:.0f}%"


def tail(text: str) -> str:
    """The last words, on one line."""
    line = " ".join(str(text).split())
    return line if len(line) <= TAIL_CHARS else "…" + line[-TAIL_CHARS + 1 :]
