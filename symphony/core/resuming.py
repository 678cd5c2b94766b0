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
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ledger import Entry, Kind
from ledger.errors import DecodeError
from symphony.core.chains import Chains
from symphony.core.effects import Forget
from symphony.core.ids import TaskId
from symphony.core.notes import TaskBegun, TaskNote
from symphony.core.records import AWARD, TASK, VERDICT
from symphony.core.remains import Lost, Rebuilding, Remains
from symphony.core.surroundings import Surroundings
from symphony.core.task_run import TaskRun
from symphony.core.verdict import tell_again

NO_TASK = TaskId(b"")
LOST = "its conductor restarted, and had lost"


class Resuming:
    """The tasks of an earlier life that wait to be gone on with.

    `go_on` takes a run that was rebuilt, `give_up` one that can't go on, with the reason; `refuse`
    a task of which there is nothing in the log.
    """

    def __init__(
        self,
        around: Surroundings,
        chains: Chains,
        go_on: Callable[[TaskRun], None],
        give_up: Callable[[TaskRun, str], None],
        refuse: Callable[[TaskId, str, str], None],
    ) -> None:
        self._around = around
        self._out = around.out
        self._chains = chains
        self._go_on = go_on
        self._give_up = give_up
        self._refuse = refuse
        self._remains: dict[TaskId, Remains] = {}

    def __len__(self) -> int:
        return len(self._remains)

    def __contains__(self, task: TaskId) -> bool:
        return task in self._remains

    def found(self, task: TaskId, notes: Sequence[TaskNote]) -> None:
        """The notes of a task, in order. Without its beginning they are of no use."""
        begun = next((note for note in notes if isinstance(note, TaskBegun)), None)
        if begun is not None:
            self._remains[task] = Remains(task, begun, notes)

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

    def _resume(self, remains: Remains) -> None:
        run = remains.bare(self._out.now_ms, self._out.wall_ms)
        if not run.entries:
            text = "the node stopped before the task was written down"
            self._refuse(run.task, "task_failed", text)
            self._out.do(Forget(run.task))
            return
        verdict = remains.entry(Kind.VERDICT)
        try:
            Rebuilding(remains, run, self._chains, self._around.me, self._out.now_ms).rebuild()
        except Lost as error:
            run = remains.bare(self._out.now_ms, self._out.wall_ms)
            if verdict is None:
                self._give_up(run, f"{LOST} {error}")
                return
        if verdict is None:
            self._go_on(run)
            return
        self._chains.count(run)
        tell_again(run, verdict, self._around.journal, self._out)
        self._out.do(Forget(run.task))

    def halt(self, code: str, why: str) -> None:
        """The own log will never be written to again."""
        found, self._remains = self._remains, {}
        for task in found:
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
