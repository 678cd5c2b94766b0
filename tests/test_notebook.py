"""What a node keeps beside its ledger: found again, bounded, and its owner's alone."""

import os
import sqlite3
import stat

import pytest

from symphony.core.effects import Note
from symphony.core.events import BallotView, TaskEnded
from symphony.core.ids import NodeId, TaskId
from symphony.core.inputs import TaskFound
from symphony.core.spec import TaskSpec
from symphony.core.tasks.notes import ChainTurned, ResultKept, TaskBegun
from symphony.node import limits
from symphony.node.notebook import FILE_NAME, EndedTask, Notebook

ONE, OTHER = TaskId(b"1" * 16), TaskId(b"2" * 16)
SECRET = "nobody else is to read this question"
BEGUN = TaskBegun(7, b"s" * 16, b"x" * 16, TaskSpec(SECRET, choices=("a", "b")), 1_000, ("math",))
RESULT = ResultKept(b"entry", "the output", 12)
TURNED = ChainTurned(1, "no usable plan")
BALLOT = BallotView(0, NodeId(b"n" * 32), "smol", "42", 10)
ENDED = TaskEnded(
    ONE, 5, "answered", "42", (BALLOT,), "1 of 1", "", "", 0, 12, b"r" * 32, {"total": 5}
)


def reopened(notebook, home):
    notebook.close()
    return Notebook(home)


def test_notes_come_back_in_order_until_the_task_has_ended(tmp_path):
    notebook = Notebook(tmp_path)
    notebook.keep([Note(ONE, BEGUN), Note(OTHER, BEGUN), Note(ONE, RESULT)])
    notebook.keep([Note(ONE, TURNED)])
    notebook = reopened(notebook, tmp_path)
    both = [TaskFound(ONE, (BEGUN, RESULT, TURNED)), TaskFound(OTHER, (BEGUN,))]
    assert notebook.unfinished() == both
    kept = EndedTask(BEGUN.spec, 1_000, ENDED)
    notebook.end(ONE, kept)
    notebook.end(OTHER, None)
    notebook = reopened(notebook, tmp_path)
    assert notebook.unfinished() == []
    assert notebook.ended(2_000) == [(ONE, kept)]
    assert notebook.ended(limits.ENDED_KEPT_MS + 1_001) == []
    notebook.close()


def test_only_the_newest_ended_tasks_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "ENDED_TASKS", 3)
    notebook = Notebook(tmp_path)
    for number in range(5):
        notebook.end(TaskId(bytes([number]) * 16), EndedTask(BEGUN.spec, 1_000, ENDED))
    assert [task[0] for task, _ in notebook.ended(2_000)] == [2, 3, 4]
    notebook.close()


def test_a_task_that_says_too_much_is_cut_and_not_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "NOTE_BYTES_PER_TASK", 400)
    notebook = Notebook(tmp_path)
    notebook.keep([Note(ONE, BEGUN), *[Note(ONE, RESULT)] * 20, Note(OTHER, BEGUN)])
    one, other = notebook.unfinished()
    assert len(one.notes) < 10
    assert other.notes == (BEGUN,)
    notebook.close()


def test_only_the_owner_can_read_it_and_what_is_deleted_is_gone(tmp_path):
    notebook = Notebook(tmp_path)
    notebook.keep([Note(ONE, BEGUN)])
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    notebook.end(ONE, None)
    notebook.fold()
    notebook.close()
    assert all(SECRET.encode() not in path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize("size", [0, 10, 100, 5_000])
def test_a_damaged_file_is_put_aside_and_the_node_goes_on(tmp_path, size):
    (tmp_path / FILE_NAME).write_bytes(os.urandom(size))
    notebook = Notebook(tmp_path)
    notebook.keep([Note(ONE, BEGUN)])
    notebook = reopened(notebook, tmp_path)
    assert len(notebook.unfinished()) == 1
    notebook.close()
    assert (tmp_path / f"{FILE_NAME}.damaged").exists() == (size > 0)


def test_notes_that_nobody_can_read_any_more_are_dropped(tmp_path):
    notebook = Notebook(tmp_path)
    notebook.keep([Note(ONE, BEGUN), Note(OTHER, BEGUN)])
    notebook.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as db:
        db.execute("UPDATE note SET data = x'a0' WHERE task = ?", (ONE,))
    db.close()
    notebook = Notebook(tmp_path)
    assert [found.task for found in notebook.unfinished()] == [OTHER]
    notebook = reopened(notebook, tmp_path)
    assert len(notebook.unfinished()) == 1
    notebook.close()
