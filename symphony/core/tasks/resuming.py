"""A restarted conductor goes on with its tasks: what the edge found in the home is made whole here.

    found       the notes of each unfinished task, read when the node opens
    recalled    the own entries about them, from the store, or from peers that had more of our log
    gone on     once the own log may be written to: the runs are rebuilt (`remains`)

Nothing is done before the log is open, since peers may know of awards, or of a verdict, that a
restored copy of the home does not. Until then nobody who works for such a task is told to stop.

A task with a verdict in the log has ended: its receipt is made again, because the crash may have
come before that was kept. A task of which too much is lost ends as failed. What was running in
this process is given away at once; a unit of another owner is *unsure*: the work is sent again, to
the byte, and a lease runs. The owner that has it answers with its result, or goes on; one that let
go says so.

A *durable* task may have been taken over by a steward meanwhile. So its conductor first says to
the others of the line that it is back, and waits a moment for one that conducts to say so; then it
gives way (`stewarding`). A steward that takes over comes here, too, with what it was entrusted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ledger import Entry, Kind
from ledger.errors import DecodeError
from symphony.core import limits
from symphony.core.effects import Forget, Note
from symphony.core.ids import NodeId, TaskId
from symphony.core.records import AWARD, TASK, VERDICT
from symphony.core.surroundings import Surroundings
from symphony.core.tasks.chains import Chains
from symphony.core.tasks.notes import EntryKept, TaskBegun, TaskNote
from symphony.core.tasks.remains import Lost, Rebuilding, Remains
from symphony.core.tasks.task_run import TaskRun
from symphony.core.timers import AskedOver
from symphony.core.votes.evidence_book import EvidenceBook
from symphony.core.votes.verdict import tell_again

NO_TASK = TaskId(b"")
LOST = "its conductor restarted, and had lost"


class Resuming:
    """The tasks of an earlier life that wait to be gone on with.

    `go_on` takes a run that was rebuilt, and whether it is `taken_over`; `give_up` one that can't
    go on, with the reason; `refuse` a task of which there is nothing in the log. `charge` is told
    of a durable one.
    """

    def __init__(
        self,
        around: Surroundings,
        chains: Chains,
        go_on: Callable[..., None],
        give_up: Callable[[TaskRun, str], None],
        refuse: Callable[[TaskId, str, str], None],
        charge: Callable[[TaskRun], None],
    ) -> None:
        self._around = around
        self._out = around.out
        self._chains = chains
        self._go_on = go_on
        self._give_up = give_up
        self._refuse = refuse
        self._charge = charge
        self._remains: dict[TaskId, Remains] = {}
        self._asking: dict[TaskId, TaskRun] = {}
        """Durable tasks that somebody else may have by now."""

    def __len__(self) -> int:
        return len(self._remains) + len(self._asking)

    def __contains__(self, task: TaskId) -> bool:
        return task in self._remains

    def found(self, task: TaskId, notes: Sequence[TaskNote]) -> None:
        """The notes of a task, in order. Without its beginning they are of no use."""
        starts = [at for at, note in enumerate(notes) if isinstance(note, TaskBegun)]
        for at in starts[-1:]:  # what was taken over twice begins twice
            begun = notes[at]
            assert isinstance(begun, TaskBegun)
            self._remains[task] = Remains(task, begun, notes[at:])

    def recall(self, entry: Entry) -> None:
        """An entry of the own log was read back, or came back from a peer."""
        if self._remains and entry.body is not None:
            remains = self._remains.get(_task_of(entry.kind, entry.body))
            if remains is not None:
                remains.own[entry.seq] = entry

    def resume(self) -> None:
        """The own log is open: go on with everything."""
        found, self._remains = self._remains, {}
        for remains in found.values():
            self._resume(remains)

    def inherit(self, remains: Remains) -> None:
        """What another conducted goes on here, or is told to have ended. Raises `Lost`."""
        me, out = self._around.me, self._out
        run = remains.bare(me, out.now_ms, out.wall_ms)
        Rebuilding(remains, run, self._chains, me, out.now_ms).rebuild()
        for entry in remains.given:
            self._around.journal.take_signed(me, entry.encode())
        head = self._around.journal.book.head(me)
        seq = head.seq + 1 if head is not None else 1
        notes = [replace(n, seq=seq) if isinstance(n, TaskBegun) else n for n in remains.notes]
        verdict = remains.entry(Kind.VERDICT)
        if verdict is not None:
            out.do(Note(run.task, notes[0]))
            self._told(run, verdict, remains)
            return
        self._around.entrusting.inherit(run, notes)
        self._go_on(run, taken_over=True)

    def asks(self, task: TaskId) -> bool:
        """Is it open who conducts this task?"""
        return task in self._asking

    def give_way(self, task: TaskId) -> TaskRun | None:
        """Somebody else has it; the run, if this node was about to go on with it."""
        return self._asking.pop(task, None)

    def asked_enough(self, task: TaskId) -> None:
        """Nobody in line has said that it conducts this task."""
        run = self._asking.pop(task, None)
        if run is not None:
            self._go_on(run)

    def _told(self, run: TaskRun, verdict: Entry, remains: Remains) -> None:
        """Tell how a task ended: by the evidence that its verdict cites, whatever else is known."""
        cited = VERDICT.decode(verdict.body or b"").evidence
        told = (*remains.evidence(), *self._around.evidence.of(cited))
        book = EvidenceBook(*(NodeId(entry.author) for entry in told))
        for entry in told:
            if entry.id in cited:
                book.learn(entry)
        self._chains.count(run, book)
        tell_again(run, verdict, self._around.journal, self._out)
        self._out.do(Forget(run.task))

    def _resume(self, remains: Remains) -> None:
        run = remains.bare(self._around.me, self._out.now_ms, self._out.wall_ms)
        if not run.entries:
            text = "the node stopped before the task was written down"
            self._refuse(run.task, "task_failed", text)
            self._out.do(Forget(run.task))
            return
        verdict = remains.entry(Kind.VERDICT)
        try:
            Rebuilding(remains, run, self._chains, self._around.me, self._out.now_ms).rebuild()
        except Lost as error:
            run = remains.bare(self._around.me, self._out.now_ms, self._out.wall_ms)
            if verdict is None:
                self._give_up(run, f"{LOST} {error}")
                return
        if verdict is not None:
            self._told(run, verdict, remains)
        elif run.line is None:
            self._go_on(run)
        else:
            self._asking[run.task] = run
            self._charge(run)
            if run.task not in self._asking:
                return  # it is known already that a steward has ended it
            entries = (EntryKept(entry.encode()) for entry in remains.own.values())
            self._around.entrusting.inherit(run, (*remains.notes, *entries), known=True)
            self._out.timer(AskedOver(run.task), limits.ASK_LINE_MS)

    def halt(self, code: str, why: str) -> None:
        """The own log will never be written to again."""
        found, self._remains = self._remains, {}
        for task in (*found, *self._asking):
            self._refuse(task, code, why)
            self._out.do(Forget(task))


def _task_of(kind: int, body: bytes) -> TaskId:
    """The task that an own entry is about; an empty id if it is about none."""
    try:
        match kind:
            case Kind.TASK:
                return TaskId(TASK.decode(body).task)
            case Kind.AWARD:
                return TaskId(AWARD.decode(body).task)
            case Kind.VERDICT:
                return TaskId(VERDICT.decode(body).task)
            case _:
                return NO_TASK
    except DecodeError:
        return NO_TASK  # of another version of this program
