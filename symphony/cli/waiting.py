"""One line on a terminal while an answer is awaited: how long, and what goes on.

Small models on a CPU take minutes for a plan, and a silent terminal looks like a dead one. The line
goes to stderr and is gone when the answer comes; where stderr is no terminal, nothing is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from symphony.cli.live import Event, Progress
from symphony.cli.show import console, counted, duration

if TYPE_CHECKING:
    from rich.console import Console

REFRESH_PER_S = 2
Show = Callable[[Event], None]


@contextmanager
def waiting(screen: Console | None = None) -> Iterator[Show]:
    """What takes in the events of a task, and shows them as one line if anybody is there to see."""
    screen = screen or console(stderr=True)
    if not screen.is_terminal:
        yield lambda _: None
        return
    from rich.live import Live
    from rich.text import Text

    progress, began = Progress(), time.monotonic()

    def line() -> Text:
        so_far = duration(int((time.monotonic() - began) * 1000))
        return Text(f"{so_far}  {words(progress)}", style="dim", no_wrap=True, overflow="ellipsis")

    with Live(
        get_renderable=line, console=screen, refresh_per_second=REFRESH_PER_S, transient=True
    ):
        yield progress.add


def words(progress: Progress) -> str:
    """What goes on in a task, in a few words."""
    working = [unit.name for unit in progress.units.values() if unit.state == "working"]
    plans = sum(name.startswith("plan/") for name in working)
    steps = len(working) - plans
    parts = []
    if plans:
        parts.append(f"planning {counted(plans, 'chain')} (--plan never answers at once)")
    if steps:
        parts.append(f"working on {counted(steps, 'step')}")
    if not parts and not progress.ballots:
        parts.append("looking for somebody to work on it")
    if progress.ballots:
        parts.append(f"{counted(len(progress.ballots), 'chain')} answered")
    return ", ".join(parts)
