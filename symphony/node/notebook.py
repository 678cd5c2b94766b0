"""The notes of this node about the tasks that it conducts, in a file of its own.

    note    what the core wants kept until a task has ended (`symphony.core.tasks.notes`)
    ended   the question and the last event of a task, so that a client finds its answer after a
            restart: for a week, and the newest few hundred only

It holds questions and answers, so it is apart from the ledger, which anybody may be given; only
its owner can read it, and what is deleted is overwritten.

Notes are written in one transaction just before the entries that they go with, and are never synced
by themselves: a killed process loses none of them. A power cut may take the last ones, and the core
copes with notes that are behind the log (`symphony.core.tasks.remains`). So they cost a task no
sync of the disk. Another thread folds the file's WAL back now and then, which does.

A file that is damaged, or of another version, is put aside: tasks that were running end as lost,
and everything else goes on.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from ledger.errors import DecodeError
from ledger.sqlite.schema import transaction
from symphony.core.effects import Note
from symphony.core.events import TaskEnded
from symphony.core.ids import TaskId
from symphony.core.inputs import TaskFound
from symphony.core.limits import MAX_NOTE_BYTES
from symphony.core.spec import TaskSpec
from symphony.core.tasks.notes import NOTE
from symphony.core.wire import Codec
from symphony.node import limits

_log = structlog.get_logger("symphony.notebook")

FILE_NAME = "tasks.sqlite"
VERSION = 1
_SCHEMA = """
    CREATE TABLE note (
      number INTEGER PRIMARY KEY, task BLOB NOT NULL, data BLOB NOT NULL
    ) STRICT;
    CREATE INDEX note_by_task ON note (task);
    CREATE TABLE ended (
      number INTEGER PRIMARY KEY, task BLOB NOT NULL UNIQUE, wall_ms INTEGER NOT NULL,
      data BLOB NOT NULL
    ) STRICT;
"""


@dataclass(frozen=True, slots=True)
class EndedTask:
    """A task that has ended: what was asked, when, and its last event."""

    spec: TaskSpec
    wall_ms: int
    ended: TaskEnded


_ENDED: Codec[EndedTask] = Codec(EndedTask, max_bytes=8 * MAX_NOTE_BYTES)


class Notebook:
    """What is kept beside the ledger. Used by one thread at a time."""

    def __init__(self, home: Path) -> None:
        """Raises `OSError` when the home can't be written to."""
        self._path = home / FILE_NAME
        try:
            self._db = self._open()
        except sqlite3.DatabaseError as error:
            _log.error("notes_unreadable", reason=str(error), next=f"see {FILE_NAME}.damaged")
            self._put_aside()
            self._db = self._open()
        self._unfolded = 0
        self._size_of: dict[bytes, int] = defaultdict(int)
        query = "SELECT task, sum(length(data)) FROM note GROUP BY task"
        self._size_of.update(self._db.execute(query))

    def _open(self) -> sqlite3.Connection:
        self._path.touch(mode=0o600)
        self._path.chmod(0o600)
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA wal_autocheckpoint = 0")
            db.execute("PRAGMA secure_delete = ON")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT")
            db.execute("SELECT number, task, data FROM note LIMIT 1").fetchone()
            db.execute("SELECT number, task, wall_ms, data FROM ended LIMIT 1").fetchone()
        except BaseException:
            db.close()
            raise
        return db

    def _put_aside(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            path = self._path.with_name(FILE_NAME + suffix)
            if path.exists():
                path.replace(path.with_name(f"{FILE_NAME}.damaged{suffix}"))

    def keep(self, notes: Sequence[Note]) -> None:
        """Write notes down, in order. Of a task that says too much the rest is dropped: whatever
        came then is asked for again after a restart.
        """
        rows: list[tuple[bytes, bytes]] = []
        for note in notes:
            data = NOTE.encode(note.note)
            self._size_of[note.task] += len(data)
            if self._size_of[note.task] <= limits.NOTE_BYTES_PER_TASK:
                rows.append((note.task, data))
                self._unfolded += len(data)
        if rows:
            with transaction(self._db):
                self._db.executemany("INSERT INTO note (task, data) VALUES (?, ?)", rows)

    def end(self, task: TaskId, ended: EndedTask | None) -> None:
        """Drop the notes of a task, and keep how it ended."""
        self._size_of.pop(task, None)
        with transaction(self._db):
            self._db.execute("DELETE FROM note WHERE task = ?", (task,))
            if ended is not None:
                self._keep_end(task, ended)

    def _keep_end(self, task: TaskId, ended: EndedTask) -> None:
        data = _ENDED.encode(ended)
        self._unfolded += len(data)
        query = "INSERT OR REPLACE INTO ended (task, wall_ms, data) VALUES (?, ?, ?)"
        self._db.execute(query, (task, ended.wall_ms, data))
        oldest = "DELETE FROM ended WHERE number <= (SELECT max(number) FROM ended) - ?"
        self._db.execute(oldest, (limits.ENDED_TASKS,))

    @property
    def long(self) -> bool:
        """Has the WAL grown enough to be folded into the file?"""
        return self._unfolded >= limits.FOLD_NOTES_BYTES

    def fold(self) -> None:
        """Bring the WAL into the file."""
        self._unfolded = 0
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def unfinished(self) -> list[TaskFound]:
        """The tasks that had not ended, as the core wants them."""
        notes: dict[TaskId, list[bytes]] = defaultdict(list)
        for task, data in self._db.execute("SELECT task, data FROM note ORDER BY number"):
            notes[TaskId(task)].append(data)
        found: list[TaskFound] = []
        for task, kept in notes.items():
            try:
                found.append(TaskFound(task, tuple(NOTE.decode(data) for data in kept)))
            except DecodeError as error:
                _log.warning("notes_unreadable", task=task.hex(), reason=error.message)
                self.end(task, None)
        return found

    def ended(self, wall_ms: int) -> list[tuple[TaskId, EndedTask]]:
        """The tasks that ended lately, oldest first; those that ended long ago are dropped."""
        self._db.execute("DELETE FROM ended WHERE wall_ms < ?", (wall_ms - limits.ENDED_KEPT_MS,))
        found: list[tuple[TaskId, EndedTask]] = []
        for task, data in self._db.execute("SELECT task, data FROM ended ORDER BY number"):
            try:
                found.append((TaskId(task), _ENDED.decode(data)))
            except DecodeError as error:
                _log.warning("ended_task_unreadable", task=task.hex(), reason=error.message)
        return found

    def close(self) -> None:
        self._db.close()
