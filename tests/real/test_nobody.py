"""Nobody fits, or there is no time: a typed error and a documented exit code, never a hang."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from symphony.client import Symphony
from symphony.core.limits import MAX_PROMPT_BYTES
from symphony.errors import BudgetExhausted, NoBids, SymphonyError

from .stage import NEVER, SLOW, WORDS, Stage, symphony

pytestmark = pytest.mark.real

SLACK_S = 1.5  # beyond a deadline, for the way there and back


@pytest.mark.parametrize(
    ("why", "options", "error"),
    [
        ("no planner for a local task", {"planning": "always", "privacy": "local"}, NoBids),
        ("nobody may see an open task", {"planning": "never", "privacy": "open"}, NoBids),
        ("no context is large enough", {"planning": "never", "prompt": "x"}, NoBids),
        ("the deadline is too short", {"planning": "never", "skill": SLOW}, BudgetExhausted),
        ("no answer ever comes", {"planning": "never", "skill": NEVER}, BudgetExhausted),
        ("the budget is too small", {"planning": "never", "budget_tokens": 1}, BudgetExhausted),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_a_typed_error_within_the_deadline(
    stage: Stage, why: str, options: dict[str, object], error: type[SymphonyError]
) -> None:
    deadline_s = 1.0
    prompt = str(options.pop("prompt", "")) * (MAX_PROMPT_BYTES - 1) or WORDS
    began = time.monotonic()
    with Symphony(home=stage["n1"].home) as swarm, pytest.raises(error) as told:
        swarm.tasks.run(prompt, deadline_ms=1000, **options)
    assert time.monotonic() - began < deadline_s + SLACK_S, why
    assert told.value.exit_code == 5
    assert "symphony task show" in told.value.hint


def test_nobody_bids_long_before_the_deadline(stage: Stage) -> None:
    began = time.monotonic()
    with Symphony(home=stage["n1"].home) as swarm, pytest.raises(NoBids):
        swarm.tasks.run(WORDS, planning="never", privacy="open", deadline_ms=600_000)
    assert time.monotonic() - began < 10, "four calls with pauses of 0.4, 0.8 and 1.6 s"


@pytest.mark.parametrize(
    "words", [("--privacy", "open"), ("--skill", SLOW)], ids=["nobody", "no-time"]
)
def test_the_command_exits_5(stage: Stage, words: tuple[str, ...]) -> None:
    asked = ("submit", WORDS, "--plan", "never", "--deadline", "1s", *words)
    done = symphony(stage["n3"].home, *asked)
    assert (done.code, done.out) == (5, "")
    assert "\nerror: " in done.err
    assert "\nnext:  " in done.err


def test_no_node_and_none_is_to_be_started(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert symphony(home, "init").code == 0
    done = symphony(home, "submit", "ANSWER: 1", "--no-start")
    assert (done.code, done.out) == (3, "")
    assert "no node runs here" in done.err
    assert "symphony join" in done.err


def test_a_bad_manifest_exits_2(stage: Stage, tmp_path: Path) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    good = (stage.root / "agents" / "quick" / "agent.yaml").read_text()
    (folder / "agent.yaml").write_text(good.replace("roles: [solve]", "rolls: [solve]"))
    (folder / "prompt.md").write_text("Repeat.\n")
    home = tmp_path / "home"
    assert symphony(home, "init").code == 0
    done = symphony(home, "join", "--agents", str(folder))
    assert (done.code, done.out) == (2, "")
    assert "rolls" in done.err
    assert "roles" in done.err, "the next step says what was meant"


def test_an_unknown_model_is_named(tmp_path: Path) -> None:
    done = symphony(tmp_path / "home", "model", "pull", "gpt-17")
    assert done.code == 1
    assert "gpt-17" in done.err
    assert "next:  known here: " in done.err
