"""Commands that talk to a node: the real gateway on a real socket, before a scripted port."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gateway.fake_port import DID, DIGEST, NODE, RECEIPT, ending
from gateway.live import Live

from ledger import parse_did_key
from symphony.cli import main
from symphony.cli.durations import milliseconds
from symphony.core.events import BallotView
from symphony.core.tasks.chains import NO_ANSWER
from symphony.core.tasks.conductor import NO_STEWARD
from symphony.errors import AdmissionDenied, UsageError

from .conftest import Run


def test_the_answer_is_all_there_is_on_stdout(run: Run, live: Live) -> None:
    done = run("submit", "6 x 7?")
    assert (done.code, done.out) == (0, "42\n")
    assert "answered | 1 ballot" in done.err
    assert "77 tokens" in done.err


def test_an_answer_that_nobody_shares_is_no_agreement(run: Run, live: Live) -> None:
    three = tuple(BallotView(at, NODE, "m", text, 1) for at, text in enumerate("abc"))
    apart: dict[str, Any] = {"answer": "a", "ballots": three, "answers": 3, "rule": "majority"}
    live.port.ends = lambda task: ending(task, **apart)
    done = run("submit", "Say it.")
    assert (done.code, done.out) == (0, "a\n")
    assert "answered | 1 of 3 chains gave this answer" in done.err
    assert "warning: no two of the 3 chains agree" in done.err
    assert "next:  --answer-type (free text is compared by its wording)" in done.err
    live.port.ends = lambda task: ending(task, **apart, level=3)
    done = run("submit", "How many?", "--answer-type", "number")
    assert "warning: the vote is tied: 3 answers weigh the same" in done.err
    assert "next:  --rule ranked, or more --chains" in done.err
    machine = run("submit", "How many?", "--json")
    assert (machine.json()["agreeing"], machine.json()["level"], machine.err) == (1, 3, "")
    shown = run("task", "show", machine.json()["task"])
    assert "warning: the vote is tied" in shown.err


def test_an_answer_that_most_share_needs_no_warning(run: Run, live: Live) -> None:
    three = tuple(BallotView(at, NODE, "m", text, 1) for at, text in enumerate("aab"))
    live.port.ends = lambda task: ending(task, answer="a", ballots=three, answers=2, agreeing=2)
    done = run("submit", "Say it.")
    assert "2 of 3 chains gave this answer" in done.err
    assert "warning" not in done.err


def test_every_option_reaches_the_node(run: Run, live: Live) -> None:
    done = run(
        *("submit", "Which?", "--chains", 5, "--rule", "majority", "--plan", "never"),
        *("--choice", "a", "--choice", "b", "--skill", "logic", "--budget-tokens", 900),
        *("--deadline", "90s", "--privacy", "local"),
    )
    assert done.code == 0
    (spec,) = live.port.specs
    assert (spec.prompt, spec.chains, spec.rule, spec.planning) == (
        "Which?",
        5,
        "majority",
        "never",
    )
    assert (spec.answer_type, spec.choices, spec.skill) == ("choice", ("a", "b"), "logic")
    assert (spec.budget_tokens, spec.deadline_ms, spec.privacy) == (900, 90_000, "local")


def test_json_is_one_document_and_watching_it_is_ndjson(run: Run, live: Live) -> None:
    done = run("submit", "6 x 7?", "--json")
    assert done.json()["answer"] == "42"
    assert done.err == ""
    events = run("submit", "6 x 7?", "--json", "--watch").lines()
    kinds = [event["type"] for event in events]
    assert kinds[0] == "task"
    assert kinds[-1] == "verdict"
    assert "token" in kinds


def test_watching_without_a_terminal_is_plain_lines_on_stderr(run: Run, live: Live) -> None:
    done = run("submit", "6 x 7?", "--watch")
    assert done.out == "42\n"
    assert "owner     step/0/s1: solver on 00010203" in done.err
    assert "ballot    chain 0: 42" in done.err
    assert "\x1b" not in done.err


@pytest.mark.parametrize(
    ("outcome", "error", "code", "step"),
    [
        ("not_certified", "not_certified", 6, "more --chains"),
        ("failed", "no_bids", 5, "symphony agents"),
        ("expired", "budget_exhausted", 5, "--deadline TIME"),
        ("failed", "task_failed", 1, "--watch"),
        ("cancelled", "cancelled", 130, ""),
    ],
)
def test_each_outcome_has_its_exit_code(
    run: Run, live: Live, outcome: str, error: str, code: int, step: str
) -> None:
    best = "41" if outcome == "not_certified" else ""
    live.port.ends = lambda task: ending(
        task, outcome=outcome, error=error, answer=best, message="so it is", receipt=b""
    )
    done = run("submit", "6 x 7?")
    assert done.code == code
    assert done.out == (f"{best}\n" if best else "")
    assert "error: so it is" in done.err
    assert step in done.err


@pytest.mark.parametrize(
    ("error", "message", "step"),
    [
        ("task_failed", NO_ANSWER, "another --answer-type"),
        ("no_bids", NO_STEWARD, "leave --durable out"),
    ],
)
def test_the_next_step_fits_what_went_wrong(
    run: Run, live: Live, error: str, message: str, step: str
) -> None:
    live.port.ends = lambda task: ending(
        task, outcome="failed", error=error, answer="", message=message, receipt=b""
    )
    assert step in run("submit", "6 x 7?").err


def test_a_wrong_word_is_refused_in_our_own_words(run: Run, home: Path) -> None:
    done = run("join", "--preset", "lann")
    assert done.err.startswith("error: Invalid value for '--preset': 'lann' is not one of")
    assert done.code == 2


def test_an_interrupted_submit_cancels_its_task(live: Live, monkeypatch: Any) -> None:
    live.port.holding = True

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("symphony.cli.submit.out_json", interrupt)
    assert main(["submit", "long", "--json", "--watch"]) == 130
    assert live.port.cancelled.get(timeout=10)


def test_detach_prints_the_id_to_follow(run: Run, live: Live) -> None:
    started = run("submit", "6 x 7?", "--detach")
    task = started.out.strip()
    assert (started.code, len(task)) == (0, 32)
    assert run("task", "watch", task).out == "42\n"
    assert run("task", "show", task, "--json").json()["state"] == "answered"
    shown = run("task", "show", task)
    assert "6 x 7?" in shown.out
    assert "tiny-135m" in shown.out
    assert run("task", "watch", task, "--json").lines()[-1]["type"] == "verdict"


def test_a_task_is_cancelled_by_the_start_of_its_id(run: Run, live: Live) -> None:
    live.port.holding = True
    task = run("submit", "long", "--detach", "--json").json()["id"]
    assert run("task", "cancel", task[:31] + task[-1], "--json").json() == {"cancelled": True}
    row = run("tasks", "--json").json()[0]
    assert row["state"] == "cancelled"
    again = run("task", "cancel", task)
    assert "had ended already" in again.err
    unknown = run("task", "show", "ffff")
    assert unknown.code == 2
    assert "next:  symphony tasks" in unknown.err


def test_the_receipt_is_saved_and_must_be_the_right_one(
    run: Run, live: Live, tmp_path: Path
) -> None:
    file = tmp_path / "r.receipt"
    done = run("submit", "6 x 7?", "--receipt", file)
    assert (done.code, file.read_bytes()) == (0, RECEIPT)
    assert f"symphony receipt verify {file}" in done.err
    other = bytes([DIGEST[0] ^ 1]) + DIGEST[1:]
    live.port.ends = lambda task: ending(task, receipt=other)

    async def lies(_: bytes) -> bytes:
        return RECEIPT

    live.port.receipt = lies  # type: ignore[method-assign]
    done = run("submit", "6 x 7?", "--receipt", tmp_path / "x")
    assert (done.code, done.out) == (7, "42\n")  # the answer is there, whatever else went wrong
    assert "another receipt" in done.err
    assert not (tmp_path / "x").exists()


def test_a_receipt_that_could_not_be_kept_is_refused_before_anybody_works(
    run: Run, live: Live, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    old.write_text("keep me")
    for file, said in ((tmp_path / "no/x", "is no folder"), (old, "is there already")):
        done = run("submit", "6 x 7?", "--receipt", file)
        assert (done.code, said in done.err, "next:  " in done.err) == (2, True, True)
    done = run("submit", "6 x 7?", "--receipt", tmp_path / "x", "--detach")
    assert (done.code, "receipt fetch" in done.err) == (2, True)
    assert live.port.specs == []
    assert old.read_text() == "keep me"


def test_agents_of_nodes_that_are_gone_are_shown_on_request(run: Run, live: Live) -> None:
    known = live.port.agents()
    gone = replace(known[1], agent="ghost", connected=False)
    live.port.agents = lambda: (*known, gone)  # type: ignore[method-assign]
    shown = run("agents")
    assert "ghost" not in shown.out
    assert shown.err == "1 agent of nodes that are gone: symphony agents --all\n"
    assert " ".join(known[0].privacy) in shown.out
    row = next(row for row in run("agents", "--all").out.splitlines() if "ghost" in row)
    assert "(gone)" in row
    assert [one["agent"] for one in run("agents", "--json").json()] == ["solver", "far"]
    assert len(run("agents", "--all", "--json").json()) == 3


def test_a_narrow_terminal_breaks_no_name(
    run: Run, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    known = live.port.agents()
    long = replace(known[1], agent="word-problem-solver", model="qwen2.5-coder-1.5b")
    live.port.agents = lambda: (*known, long)  # type: ignore[method-assign]
    shown = run("agents").out
    assert "word-problem-solver" in shown
    assert "qwen2.5-coder-1.5b" in shown


def test_choices_are_asked_for_where_there_are_none(run: Run, home: Path) -> None:
    done = run("submit", "Which?", "--answer-type", "choice")
    assert (done.code, done.err.splitlines()[1]) == (2, "next:  --choice A --choice B …")


@pytest.mark.parametrize("words", [("status",), ("peers",), ("agents",), ("tasks",)])
def test_reading_commands_speak_json_and_tables(run: Run, live: Live, words: tuple[str]) -> None:
    plain, machine = run(*words), run(*words, "--json")
    assert (plain.code, machine.code) == (0, 0)
    assert plain.out
    assert plain.err == machine.err == ""
    assert machine.json() is not None


def test_status_peers_and_agents_show_what_the_node_says(run: Run, live: Live) -> None:
    shown = run("status").out
    assert "12D3KooWFake" in shown
    assert "replay: 2 running, 1 waiting" in shown
    assert "H100: 0.0 GB of 0.0 GB used" in shown
    assert "/ip4/127.0.0.1/tcp/2" in run("peers").out
    agents = run("agents").out
    assert "here" in agents
    assert "far-7b" in agents
    name = parse_did_key(DID).hex()[:8]
    for word in ("status", "peers", "agents"):
        options = ("--all",) if word == "agents" else ()
        assert name in run(word, *options).out
        said = run(word, *options, "--json").json()
        assert (said if word == "status" else said[-1])["short"] == name


def test_strangers_cannot_write_to_the_terminal(run: Run, live: Live) -> None:
    live.port.ends = lambda task: ending(task, answer="4\x1b[2J\u202e2")
    done = run("submit", "6 x 7?", "--watch")
    assert "\x1b" not in done.out + done.err
    assert "\u202e" not in done.out + done.err
    assert "4\ufffd[2J\ufffd2" in done.out


def test_a_refusal_of_the_node_keeps_its_class_and_hint(run: Run, live: Live) -> None:
    live.port.refuses = AdmissionDenied("observers can't ask", hint="ask the founder")
    done = run("submit", "x")
    assert done.code == 4
    assert done.err == "error: observers can't ask\nnext:  ask the founder\n"


def test_a_wrong_key_is_exit_4(run: Run, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMPHONY_URL", live.url)
    monkeypatch.setenv("SYMPHONY_API_KEY", "wrong")
    assert run("status").code == 4
    monkeypatch.delenv("SYMPHONY_API_KEY")
    done = run("status")
    assert done.code == 4
    assert "SYMPHONY_API_KEY" in done.err
    monkeypatch.setenv("SYMPHONY_API_KEY", live.key)
    assert run("status").code == 0


@pytest.mark.parametrize(
    "words", [("status",), ("peers",), ("agents",), ("tasks",), ("task", "show", "ab")]
)
def test_without_a_node_it_is_exit_3_with_the_next_step(run: Run, words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.code == 3
    assert "symphony join" in done.err
    assert done.out == ""


def test_no_start_refuses_to_become_a_node(run: Run, home: Path) -> None:
    done = run("submit", "x", "--no-start")
    assert done.code == 3
    assert not home.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("  ",), "the question is empty"),
        (("x", "--choice", "a", "--answer-type", "number"), "--choice goes with"),
        (("x", "--deadline", "soon"), "is no time"),
    ],
)
def test_impossible_questions_are_refused_before_anything_starts(
    run: Run, home: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = run("submit", *arguments)
    assert done.code == 2
    assert message in done.err
    assert not home.exists()


def test_times_are_read_as_people_write_them() -> None:
    for text, ms in {
        "500ms": 500,
        "60s": 60_000,
        "1.5m": 90_000,
        "2h": 7_200_000,
    }.items():
        assert milliseconds(text) == ms
    for text in ("", "0s", "-1s", "1y", "1e9s", "٣s"):
        with pytest.raises(UsageError, match="is no time"):
            milliseconds(text)
    with pytest.raises(UsageError, match="'24' has no unit") as refused:
        milliseconds("24")
    assert refused.value.hint == "say which: 24ms, 24s, 24m, 24h or 24d"


def test_a_stale_gateway_file_is_no_running_node(home: Path) -> None:
    from symphony.cli.door import is_running

    home.mkdir()
    file = home / "gateway.json"
    assert not is_running(home)
    for text in ("", "{}", '{"pid": "x"}', '{"pid": 999999999}'):
        file.write_text(text)
        assert not is_running(home)
    import os

    file.write_text(json.dumps({"pid": os.getpid()}))
    assert is_running(home)
