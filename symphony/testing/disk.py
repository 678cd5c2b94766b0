"""The disk of a simulated machine: what a crash leaves, and the ways in which a disk lies.

What is committed survives a crash; what waits in `Unkept`, the very class of the real edge, does
not. Beside the store lies the high-water mark of the own log, and whether it is the file that was
written here or a copy of it; and the addresses of the peers that were ever met.

The notes of a conductor lie in a file of their own, so they never tear with the ledger, and are a
part of every copy.

Disks also do worse than lose what was never synced. A *torn* database comes back without its
last transactions, while the mark beside it stays. A *restored copy* is the whole directory as it
was some time ago, mark and all: then only peers can know what is missing. So each disk keeps its
transactions in order, and can be made anew from some of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ledger import Entry, ForkProof, MemoryStore, parse_entry
from symphony.core.ids import NodeId, TaskId, UnitId, unit_id
from symphony.core.inputs import TaskFound
from symphony.core.limits import MAX_CHAINS
from symphony.core.records import RESULT
from symphony.core.tasks.notes import ResultKept, TaskNote
from symphony.node.unkept import Unkept


@dataclass(frozen=True, slots=True)
class Copy:
    """A backup of the data directory: its transactions, the mark, the peers."""

    commits: tuple[Sequence[Entry] | ForkProof, ...]
    mark: int
    met: frozenset[NodeId]
    notes: dict[TaskId, tuple[TaskNote, ...]]


class Disk:
    """One data directory."""

    def __init__(self, swarm_id: bytes, me: NodeId) -> None:
        self._swarm_id = swarm_id
        self._me = me
        self._commits: list[Sequence[Entry] | ForkProof] = []
        self.store = MemoryStore(swarm_id)
        self.unkept = Unkept(me)
        self.notes: dict[TaskId, tuple[TaskNote, ...]] = {}
        self.mark = 0
        self.in_place = True
        """Whether the mark was written here, and is not a copy."""
        self.copied = False
        """Whether this directory ever was an old copy of itself."""
        self.met: set[NodeId] = set()

    def commit(self, proofs: Sequence[ForkProof] = ()) -> None:
        """Proofs, then all that is unkept, then the mark: the order of the real edge."""
        for proof in proofs:
            self.store.add_fork(proof)
            self._commits.append(proof)
        pile = self.unkept.take()
        for note in pile.notes:
            self.notes[note.task] = (*self.notes.get(note.task, ()), note.note)
        entries = pile.entries
        if not entries:
            return
        self.store.append(entries)
        self._commits.append(entries)
        own = max((entry.seq for entry in entries if entry.author == self._me), default=0)
        if own > self.mark:
            self.mark, self.in_place = own, True

    def crash(self) -> int:
        """Lose what was not committed; how many entries that were."""
        return len(self.unkept.take().entries)

    def tasks(self) -> list[TaskFound]:
        """The notes about tasks that had not ended."""
        return [TaskFound(task, notes) for task, notes in self.notes.items()]

    def steps_kept(self, task: TaskId) -> set[UnitId] | None:
        """The steps of a task whose results are in the notes; None without any notes of it."""
        if task not in self.notes:
            return None
        results = [note for note in self.notes[task] if isinstance(note, ResultKept)]
        records = [RESULT.decode(parse_entry(note.entry).body or b"") for note in results]
        plans = {unit_id(task, f"plan/{chain}") for chain in range(MAX_CHAINS)}
        return {UnitId(r.unit) for r in records if r.status == "ok"} - plans

    def copy(self) -> Copy:
        """A backup, as the files are now."""
        return Copy(tuple(self._commits), self.mark, frozenset(self.met), dict(self.notes))

    def tear(self, commits: int) -> list[Entry]:
        """Lose the last transactions, but not the mark. The entries that are gone."""
        return self._become(self._commits[: max(0, len(self._commits) - commits)])

    def restore(self, copy: Copy, *, in_place: bool) -> list[Entry]:
        """Become the copy; `in_place`: written over the living files. The entries that are gone."""
        self.mark, self.met, self.notes = copy.mark, set(copy.met), dict(copy.notes)
        self.in_place, self.copied = in_place, True
        return self._become(copy.commits)

    def _become(self, commits: Sequence[Sequence[Entry] | ForkProof]) -> list[Entry]:
        """Make the store anew from other transactions."""
        before = [commit for commit in self._commits if not isinstance(commit, ForkProof)]
        self._commits = list(commits)
        self.store = MemoryStore(self._swarm_id)
        for commit in self._commits:
            if isinstance(commit, ForkProof):
                self.store.add_fork(commit)
            else:
                self.store.append(commit)
        return [entry for commit in before for entry in commit if not self.holds(entry)]

    def holds(self, entry: Entry) -> bool:
        """Is this very entry committed?"""
        stored = self.store.get(entry.author, entry.seq)
        return stored is not None and stored.id == entry.id


def in_frames(entries: Sequence[Entry], frame_bytes: int) -> Iterator[tuple[bytes, ...]]:
    """The wire form of entries, in frames of about this size at most."""
    frame: list[bytes] = []
    size_bytes = 0
    for entry in entries:
        raw = entry.encode()
        if frame and size_bytes + len(raw) > frame_bytes:
            yield tuple(frame)
            frame, size_bytes = [], 0
        frame.append(raw)
        size_bytes += len(raw)
    if frame:
        yield tuple(frame)
