"""Live evaluation: the arms, the questions, and a whole node that serves recorded answers."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from symphony.cli import eval_live, main
from symphony.cli.eval_live import LiveStudy, run_live
from symphony.errors import ModelError, UsageError
from symphony.evaluation import live
from symphony.evaluation.live import Outcome, Question, arms, ask, read_questions, rows_of

from .conftest import write

ASKED = [
    {"id": f"gsm8k/{at}", "question": f"What is {at} + 1?", "answer": str(at + 1)}
    for at in range(6)
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path / "gsm8k_test.jsonl.gz", ASKED)
    said = [
        {"model": model, "question_id": row["id"], "output_text": "Easy."}
        | {"extracted_answer": "7" if model == "bad-8b" else row["answer"], "correct": True}
        for row in ASKED
        for model in ("good-8b", "fine-8b", "bad-8b")
    ]
    write(tmp_path / "recorded_gsm8k.jsonl.gz", said)
    options = [{"id": "m/1", "question": "Which?", "answer": "B", "options": ["this", "that"]}]
    write(tmp_path / "mmlu_pro.jsonl.gz", options)
    return tmp_path


def test_the_arms_have_equal_calls():
    found = {arm.name: arm for arm in arms(["a", "b"], 8)}
    assert list(found) == [
        "single a", "single b", "self-consistency a", "swarm", "swarm with plans"
    ]  # fmt: skip
    assert found["self-consistency a"].chains == found["swarm"].chains == 8
    assert found["swarm with plans"].chains == 2
    assert (found["swarm"].models, found["self-consistency a"].models) == (("a", "b"), ("a",))
    assert arms(["a"], 1)[-1].chains == 1


def test_questions(data):
    found = read_questions(data, "gsm8k", 3)
    assert len(found) == 3
    assert found == read_questions(data, "gsm8k", 6)[:3]
    (letters,) = read_questions(data, "mmlu_pro", 5)
    assert letters == Question("m/1", "Which?\nA. this\nB. that", "B", "choice", ("A", "B"))
    for bench in ("crux", "math_l5"):
        with pytest.raises(UsageError):
            read_questions(data, bench, 3)


def test_calls_are_counted_and_answers_compared_by_class():
    def swarm(answer, outcome="answered") -> SimpleNamespace:
        events = [{"type": "task"}, {"type": "result"}, {"type": "result"}]
        end = {"type": "verdict", "outcome": outcome, "answer": answer, "tokens": 9, "at_ms": 70}
        task = SimpleNamespace(events=lambda *, tokens: iter([*events, end]))
        return SimpleNamespace(tasks=SimpleNamespace(submit=lambda prompt, **options: task))

    arm = arms(["a"], 2)[-2]
    question = Question("q", "?", "1000", "number")
    good = ask(swarm("1,000.0"), arm, question, 1000)
    assert (good.right, good.calls, good.tokens, good.elapsed_ms) == (True, 2, 9, 70)
    assert not ask(swarm("1001"), arm, question, 1000).right
    assert not ask(swarm("1000", outcome="not_certified"), arm, question, 1000).right
    row = rows_of("gsm8k", arm, [good, ask(swarm("7"), arm, question, 1000)])
    assert (row["accuracy"], row["calls_per_question"]) == (50.0, 2.0)
    assert rows_of("gsm8k", arm, [ask(swarm("7"), arm, question, 1000)] * 10)["ci"] == [0, 27.8]


def test_a_node_votes_on_recorded_answers(data, capsys, monkeypatch):
    """Everything but the models is real: a node, elections, awards, the vote, the gateway."""
    record = data / "recorded_gsm8k.jsonl.gz"
    models = [f"{record}#{name}" for name in ("good-8b", "fine-8b")]
    swarm = arms(models, 3)[-2]
    monkeypatch.setattr(live, "arms", lambda models, calls: [swarm])
    run_live(LiveStudy("replay", models, data, ["gsm8k"], 2, 3), as_json=True)
    (row,) = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert row["accuracy"] == 100
    assert 2 <= row["calls_per_question"] <= 3


def test_what_was_measured_is_printed_though_a_later_benchmark_fails(data, capsys, monkeypatch):
    arm = arms(["a"], 2)[-2]
    right = Outcome(right=True, calls=2, tokens=9, elapsed_ms=70)
    worked = iter([{arm.name: [right]}])

    def asked_once(*_: object) -> object:
        found = next(worked, None)
        if found is None:
            raise ModelError("the server is gone", hint="start it")
        return found

    monkeypatch.setattr(live, "arms", lambda models, calls: [arm])
    monkeypatch.setattr(live, "read_questions", lambda *_: [])
    monkeypatch.setattr(eval_live, "_ask_in_blocks", asked_once)
    with pytest.raises(ModelError):
        run_live(LiveStudy("replay", ["a"], data, ["gsm8k", "math_l5"], 2, 3), as_json=True)
    (row,) = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert (row["bench"], row["accuracy"]) == ("gsm8k", 100)


def test_live_options(data):
    asked = ["eval", "--data", str(data), "--bench", "gsm8k"]
    assert main([*asked, "--engine", "abacus", "--model", "m"]) == 2
    assert main([*asked, "--engine", "llamacpp"]) == 2
    (data / "gsm8k_test.jsonl.gz").write_bytes(gzip.compress(b'{"id": "x"}\n', mtime=0))
    assert main([*asked, "--engine", "llamacpp", "--model", "m"]) == 2
