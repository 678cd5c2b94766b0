"""The view of a running task: what it remembers, and both ways of showing it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from symphony.cli.live import LiveView, PlainView, Progress, plain_line, render, view
from symphony.cli.waiting import waiting, words

NODE = "0123456789abcdef" * 4
TASK = "ff" * 16


def _event(kind: str, at_ms: int, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "task": TASK, "at_ms": at_ms, **fields}


STORY = [
    _event("task", 0, chains=2, planning="auto", rule="match"),
    _event("beacon", 1, units=["plan/0"], asked=3),
    _event("bid", 3, node=NODE, agents=["planner"], units=1),
    _event(
        "award", 4, unit="plan/0", epoch=1, owner=NODE, agent="planner", model="q", score=905_000,
        bids=3,
    ),
    _event("token", 5, unit="plan/0", owner=NODE, text="{\x1b[2J"),
    _event("result", 9, unit="plan/0", owner=NODE, agent="planner", model="q", output="{}",
           tokens=7, elapsed_ms=5),
    _event("plan", 9, chain=0, steps=["add 1 and 1"], fallback=""),
    _event("plan", 9, chain=1, steps=["1 + 1?"], fallback="no JSON"),
    _event("resumed", 15, done=2, running=1),
    _event("entrusted", 16, steward=NODE),
    _event("taken_over", 17, done=1, running=1),
    _event("stepped_back", 17, to=NODE),
    _event("hedge", 18, unit="step/0/s1", epoch=2, straggler=NODE),
    _event("failover", 20, unit="step/0/s1", epoch=2, owner=NODE, reason="went silent"),
    _event("chain_failed", 25, chain=1, reason="no bids"),
    _event("ballot", 30, chain=0, owner=NODE, answer="2", weight=905_000),
    _event("verdict", 31, outcome="answered", answer="2", ballots=[], stop="exact", error="",
           message="", owner_failovers=1, tokens=7, receipt="", phases_ms={}),
]  # fmt: skip


def _screen(*, terminal: bool) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    screen = Console(file=out, force_terminal=terminal, width=160, markup=False, highlight=False)
    return screen, out


def test_the_whole_story_is_remembered() -> None:
    progress = Progress()
    for event in STORY:
        progress.add(event)
    unit = progress.units["plan/0"]
    assert (unit.state, unit.agent, unit.score, unit.tokens) == ("done", "planner", 905_000, 7)
    assert progress.units["step/0/s1"].state == "failover"
    assert progress.at_ms == 31
    assert [remark.split(":")[0] for remark in progress.remarks] == [
        "chain 1", "the conductor was restarted, with 2 units done",
        "another node of the task's line conducts it now",
        "another node of the task's line conducts it now",
        "step/0/s1", "step/0/s1", "chain 1 failed",
    ]  # fmt: skip
    assert progress.verdict is STORY[-1]


def test_without_a_terminal_each_event_but_tokens_is_one_plain_line() -> None:
    screen, out = _screen(terminal=False)
    with view(screen) as shown:
        assert isinstance(shown, PlainView)
        for event in STORY:
            shown.event(event)
    lines = out.getvalue().splitlines()
    assert len(lines) == len(STORY) - 1
    words = [line.split()[1] for line in lines]
    assert words == [
        "task", "beacon", "bid", "owner", "result", "plan", "plan", "resumed", "entrusted", "taken",
        "stepped", "hedge", "failover", "failed", "ballot", "verdict",
    ]  # fmt: skip
    assert "score 90%" in out.getvalue()
    assert "\x1b" not in out.getvalue()


def test_on_a_terminal_it_is_a_table_in_place() -> None:
    screen, out = _screen(terminal=True)
    with view(screen) as shown:
        assert isinstance(shown, LiveView)
        for event in STORY:
            shown.event(event)
    for word in ("plan/0", "planner", "01234567", "90%", "failover", "answered"):
        assert word in out.getvalue()


def test_hostile_text_never_reaches_the_terminal() -> None:
    progress = Progress()
    for event in STORY[:5]:
        progress.add(event)
    screen, out = _screen(terminal=False)
    screen.print(render(progress))
    assert "\x1b" not in out.getvalue()
    assert "\ufffd[2J" in out.getvalue()


def test_an_unknown_event_only_moves_the_clock() -> None:
    progress = Progress()
    progress.add(_event("from_the_future", 99))
    assert progress.at_ms == 99
    assert plain_line(_event("from_the_future", 99)) == ""


@pytest.mark.parametrize("event", STORY, ids=lambda event: event["type"])
def test_every_event_of_the_core_is_understood(event: dict[str, Any]) -> None:
    progress = Progress()
    progress.add(event)
    screen, out = _screen(terminal=False)
    screen.print(render(progress))
    assert "task ffffffff" in out.getvalue()
    assert bool(plain_line(event)) == (event["type"] != "token")


def test_the_story_has_every_task_event() -> None:
    from typing import get_args

    from symphony.core.events import TaskEvent

    kinds = {kind.__dataclass_fields__["type"].default for kind in get_args(TaskEvent)}
    assert kinds == {event["type"] for event in STORY}


def test_one_line_says_what_goes_on_and_is_gone_at_the_end() -> None:
    screen, out = _screen(terminal=True)
    with waiting(screen) as show:
        for event in STORY[:4]:
            show(event)
    assert "planning 1 chain" in out.getvalue()
    assert out.getvalue().endswith("\x1b[2K")  # the line is erased
    quiet, nothing = _screen(terminal=False)
    with waiting(quiet) as show:
        show(STORY[0])
    assert nothing.getvalue() == ""


def test_one_is_not_many() -> None:
    assert plain_line({**STORY[3], "bids": 1}).endswith("of 1 bid")
    assert plain_line(STORY[2]).endswith("for 1 unit")
    assert "1 chain," in plain_line({**STORY[0], "chains": 1})
    assert plain_line({**STORY[1], "asked": 1}).endswith("to 1 node")


def test_what_goes_on_in_a_few_words() -> None:
    progress = Progress()
    assert words(progress) == "looking for somebody to work on it"
    award = {"type": "award", "owner": "aa", "agent": "a", "model": "m", "score": 1, "bids": 1}
    progress.add({**award, "unit": "plan/0"})
    progress.add({**award, "unit": "plan/1"})
    assert words(progress) == "planning 2 chains (--plan never answers at once)"
    for unit in ("plan/0", "plan/1"):
        done = {"type": "result", "unit": unit, "output": "", "elapsed_ms": 1, "tokens": 1}
        progress.add(done)
    progress.add({**award, "unit": "step/0/s1"})
    progress.add({"type": "ballot", "chain": 1, "answer": "4", "weight": 1})
    assert words(progress) == "working on 1 step, 1 chain answered"
    progress.add({**done, "unit": "step/0/s1"})
    assert words(progress) == "1 chain answered"
