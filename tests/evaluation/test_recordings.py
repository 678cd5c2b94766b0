"""Reading recordings: the format, its bounds, and what is refused."""

from __future__ import annotations

import gzip
import json

import pytest

from symphony.engines import limits
from symphony.errors import UsageError
from symphony.evaluation import load
from symphony.evaluation.calibration import best_single, folds, grounds
from symphony.evaluation.pools import draw_pools, is_consumer

from .conftest import RATES, records, write


def test_a_recording_is_a_full_block(folder):
    recording = load(folder("toy"), "toy")
    assert set(recording.agents) == set(RATES)
    assert len(recording.questions) == 160
    assert all(len(replies) == 160 for replies in recording.replies.values())
    assert abs(recording.rate("strong") - 0.9) < 0.08
    assert recording.replies["strong"][0].tokens == 30


def test_models_that_answered_little_and_later_samples_are_left_out(tmp_path):
    rows = records("toy")
    rows += [{**row, "sample_index": 1, "correct": False} for row in rows[:40]]
    rows += [{**row, "model": "rare"} for row in rows if row["model"] == "strong"][:40]
    write(tmp_path / "recorded_toy.jsonl.gz", rows)
    assert "rare" not in load(tmp_path, "toy").agents
    assert len(load(tmp_path, "toy", 50).questions) == 50


def test_votes_without_texts(tmp_path):
    rows = [
        {
            "question_id": str(at),
            "answer": "A",
            "votes": {"m": "A", "n": "-", "o": "B", "p": None, "q": ""},
        }
        for at in range(10)
    ]
    write(tmp_path / "votes_toy.jsonl.gz", rows)
    recording = load(tmp_path, "toy")
    assert [recording.replies[name][0].key for name in "mnopq"] == ["A", None, "B", None, ""]
    assert [recording.rate(name) for name in "mnopq"] == [1, 0, 0, 0, 0]


@pytest.mark.parametrize("vote", [["B"], {"x": 1}, 3, True])
def test_a_vote_that_is_no_text_is_refused(tmp_path, vote):
    row = {"question_id": "1", "answer": "A", "votes": {"m": "A", "n": vote}}
    write(tmp_path / "votes_toy.jsonl.gz", [row])
    with pytest.raises(UsageError, match=r"votes_toy\.jsonl\.gz: line 1: a vote is neither"):
        load(tmp_path, "toy")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"completion_tokens": 10**400}, "completion_tokens"),
        ({"completion_tokens": -1}, "completion_tokens"),
        ({"completion_tokens": 1.5}, "completion_tokens"),
        ({"completion_tokens": float("nan")}, "completion_tokens"),
        ({"sample_index": None}, "sample_index"),
        ({"sample_index": "0"}, "sample_index"),
        ({"question_id": "q\ud800"}, "surrogates"),
        ({"model": "m\udfff"}, "surrogates"),
        ({"extracted_answer": "a\ud800"}, "surrogates"),
        ({"extracted_answer": "another"}, "line 101 contradicts"),
        ({"correct": "yes"}, "line 101 is no record"),
    ],
)
def test_a_line_that_nothing_can_be_made_of_is_refused(tmp_path, change, complaint):
    rows = records("toy")[:100]
    write(tmp_path / "recorded_toy.jsonl.gz", [*rows, {**rows[0], **change}])
    with pytest.raises(UsageError, match=complaint):
        load(tmp_path, "toy")


def test_a_line_that_is_there_twice_counts_once_and_any_character_may_be_written(tmp_path):
    rows = [{**row, "extracted_answer": "\U0001f40d"} for row in records("toy")]
    write(tmp_path / "recorded_toy.jsonl.gz", [*rows, *rows])
    recording = load(tmp_path, "toy")
    assert len(recording.questions) == 160
    assert recording.replies["strong"][0].key == "\U0001f40d"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no gzip",
        gzip.compress(b"{}\n", mtime=0)[:-6],
        gzip.compress(b"[1]\n", mtime=0),
        gzip.compress(b"{]\n", mtime=0),
        gzip.compress(b"\xff\n", mtime=0),
        gzip.compress(b'{"question_id": "1", "model": "m", "correct": true}\n', mtime=0),
        gzip.compress(
            b'{"question_id":"1","model":"m","extracted_answer":1,"correct":true}\n', mtime=0
        ),
        gzip.compress(json.dumps(records("toy")[0]).encode() + b"\n", mtime=0),
        gzip.compress(b" " * (limits.RECORDED_LINE_BYTES + 1), mtime=0),
        gzip.compress(b"[" * 100_000, mtime=0),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path, content):
    (tmp_path / "recorded_toy.jsonl.gz").write_bytes(content)
    with pytest.raises(UsageError):
        load(tmp_path, "toy")


def test_a_missing_benchmark_and_a_strange_name_are_refused(folder):
    with pytest.raises(UsageError, match="no recordings of other"):
        load(folder("toy"), "other")
    with pytest.raises(UsageError, match="no name of a benchmark"):
        load(folder("toy"), "../toy")


def test_halves_are_disjoint_and_depend_on_the_id_alone(folder):
    recording = load(folder("toy"), "toy")
    one, other = folds(recording)
    assert (one.learn, one.vote) == (other.vote, other.learn)
    assert sorted(one.learn + one.vote) == list(range(160))
    assert 50 < len(one.learn) < 110
    learnt = {recording.questions[at] for at in one.learn}
    fewer = load(folder("toy"), "toy", 60)
    halves = folds(fewer)
    assert {fewer.questions[at] for at in halves[0].learn} <= learnt


def test_grounds_count_trials_and_agreement(folder):
    recording = load(folder("toy"), "toy")
    names = ["strong", "good", "weak0-7b"]
    replies = [recording.replies[name] for name in names]
    at = range(40)
    known = grounds(replies, names, at)
    for name, said in zip(names, replies, strict=True):
        evidence = known.of(name)
        assert evidence.trials_milli == 40_000
        assert evidence.right_milli == 1000 * sum(said[i].right for i in at)
    seen = known.agreement["good", "strong"]
    both = [i for i in at if replies[0][i].key and replies[1][i].key]
    assert seen.together_milli == 1000 * len(both)
    assert seen.agreed_milli == 1000 * sum(replies[0][i].key == replies[1][i].key for i in both)
    assert names[best_single(replies, at)] == "strong"


def test_pools(folder):
    recording = load(folder("toy"), "toy")
    for kind in ("equal", "mixed", "one-strong", "consumer"):
        drawn = draw_pools(recording, kind, 5)
        assert drawn == draw_pools(recording, kind, 5)
        assert all(len(set(pool)) == len(pool) <= 9 for pool in drawn)
    assert {len(pool) for pool in draw_pools(recording, "one-strong", 5)} == {5}
    assert [sorted(pool) for pool in draw_pools(recording, "consumer", 5)] == [
        sorted(name for name in RATES if name.startswith("weak"))
    ]


def test_a_pool_of_consumer_models_needs_some(folder, tmp_path):
    write(tmp_path / "recorded_big.jsonl.gz", [r for r in records("big") if "7b" not in r["model"]])
    with pytest.raises(UsageError, match="7 to 12 B"):
        draw_pools(load(tmp_path, "big"), "consumer", 3)


def test_names_say_sizes():
    small = ["Qwen2-7B-Instruct", "10_llama_3_1_8b", "gemma-2-9b-it", "Mistral-Nemo-Instruct-2407"]
    large = ["Mixtral-8x7B-v0.1", "Llama-3.1-70B", "gemma-2-27b-it", "Yi-6B", "gpt-4", "o1-mini"]
    assert all(is_consumer(name) for name in small)
    assert not any(is_consumer(name) for name in large)
