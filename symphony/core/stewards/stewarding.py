"""A steward's side of durable tasks: hear whoever conducts, notice silence, take over, step back.

    heard       the conductor's notes come in boxes, and are kept unread (`keeping`); its word that
                it is alive starts the patience anew
    silence     the boxes are opened, checked (`inherited`), and the task goes on here; from now on
                this node gives its notes to the others of the line, the first conductor included
    overtaken   a word of a *later* one of the line that conducts, or a verdict of anybody in it:
                this node steps back, writes no verdict, and keeps boxes again
    cancelled   by a client of this node: whoever conducts is asked to, with each of its words until
                the task is over; who takes over such a task cancels it
    over        the boxes stay closed until a client of this node asks how the task ended

A word of an *earlier* one that conducts is answered with the own: then it steps back (`line`). So
after a while one conducts, whoever slept and whatever was cut. All of a line see a durable task
through this file; the one that conducts it does so in `Conductor`, as any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ledger import Entry, Kind
from ledger.errors import DecodeError
from symphony.core import limits
from symphony.core.effects import Reject, Unseal
from symphony.core.ids import NodeId, TaskId
from symphony.core.inputs import Submit, Unsealed
from symphony.core.messages import CancelAsked, Entrust, Entrusted, LineWord, Tending
from symphony.core.records import VERDICT, TaskRecord
from symphony.core.stewards.charges import Charge
from symphony.core.stewards.entrusting import Entrusting
from symphony.core.stewards.inherited import inherited
from symphony.core.stewards.keeping import Keeping
from symphony.core.stewards.line import able_to_keep, choose_stewards
from symphony.core.surroundings import Surroundings
from symphony.core.tasks.remains import Lost, Remains
from symphony.core.tasks.task_run import TaskRun
from symphony.core.timers import SilenceOver


class Seat(Protocol):
    """Where tasks are conducted."""

    def conducts(self, task: TaskId) -> bool: ...

    def has_room(self) -> bool:
        """May one more task be conducted here now?"""

    def take_over(self, remains: Remains) -> None:
        """Go on with a task, or tell how it ended. Raises `Lost`."""

    def step_back(self, task: TaskId, to: NodeId) -> None:
        """Somebody else conducts it, or has ended it."""

    def cancel(self, task: TaskId) -> None:
        """A client wants nothing of it any more."""

    def refuse(self, task: TaskId, code: str, text: str) -> None: ...


class Stewarding:
    """All durable tasks of whose line this node is."""

    def __init__(self, around: Surroundings, seat: Seat) -> None:
        self._around = around
        self._out = around.out
        self._seat = seat
        self.keeping = Keeping(around)

    @property
    def entrusting(self) -> Entrusting:
        return self._around.entrusting

    def choose(self, submit: Submit, record: TaskRecord) -> Sequence[tuple[NodeId, bytes]]:
        """Who is to keep a task that is to be durable, with their box keys; bounded as all others
        that see it are.
        """
        around = self._around
        others = around.alive() - around.suspects() - {around.me}
        able = able_to_keep(around.directory, others, record, self._out.wall_ms)
        chosen = choose_stewards(able, submit.task, around.operator_of, around.me)
        return chosen[: submit.spec.max_nodes or None]

    def begin(self, run: TaskRun) -> None:
        """A durable task that this node conducts; or would, had not somebody else ended it."""
        charge = self.keeping.charge(run.task)
        if charge is not None and charge.over not in (None, charge.place):
            self._step_back(charge, charge.line[charge.over or 0])
            self._tell_end(charge)
        elif run.line is not None and charge is None:
            until_ms = run.started_ms + run.spec.deadline_ms
            line, entry = run.line, run.entries[0].encode()
            now_ms = self._out.now_ms
            charge = Charge(run.task, entry, line.nodes, line.place, until_ms, now_ms)
            self.keeping.add(charge)
            self._again(charge)

    def start(self) -> None:
        """The node is up: from now on it can hear whoever conducts."""
        for charge in self.keeping:
            charge.heard_ms = self._out.now_ms
            self._again(charge)

    def _again(self, charge: Charge) -> None:
        wait_ms = max(limits.TEND_EVERY_MS, charge.due_ms() - self._out.now_ms)
        self._look(charge, wait_ms)

    def _look(self, charge: Charge, in_ms: int) -> None:
        """Look at it then, and not before."""
        charge.armed_ms = self._out.now_ms + in_ms
        self._out.timer(SilenceOver(charge.task), in_ms)

    # --- what the others say ------------------------------------------------------------------

    def heard(self, peer: NodeId, word: LineWord) -> None:
        match word:
            case Entrusted():
                self.entrusting.answered(peer, word)
            case Entrust():
                self._entrust(peer, word)
            case Tending():
                self._tending(peer, word)
            case CancelAsked():
                self._cancel_asked(peer, TaskId(word.task))

    def _entrust(self, peer: NodeId, word: Entrust) -> None:
        charge = self.keeping.charge(TaskId(word.task))
        if charge is None:
            charge = self.keeping.accept(peer, word)
            if charge is None:
                return
            self._again(charge)
        if self._heeds(charge, peer, word.left_ms):
            key = (charge.line.index(peer), word.term)
            full = not self.keeping.keep(charge, peer, word)
            count = len(charge.list_of(key))
            self._out.send(peer, Entrusted(word.task, word.term, count, full=full))

    def _tending(self, peer: NodeId, word: Tending) -> None:
        charge = self.keeping.charge(TaskId(word.task))
        if charge is None:  # the first note has what it takes to know it
            self._out.send(peer, Entrusted(word.task, word.term, 0, tended=True))
        elif self._heeds(charge, peer, word.left_ms, over=word.over):
            boxes = charge.list_of((charge.line.index(peer), word.term))
            self._out.send(peer, Entrusted(word.task, word.term, len(boxes), tended=True))
            if charge.over is not None and len(boxes) == word.count:
                self._tell_end(charge)
            if charge.unwanted and charge.over is None:
                self._out.send(peer, CancelAsked(word.task))

    def _heeds(self, charge: Charge, peer: NodeId, left_ms: int, *, over: bool = False) -> bool:
        """Is this a word of somebody that this node is to follow?"""
        if peer not in charge.line or peer == self._around.me:
            self._out.do(Reject(peer, "not of the line of that task"))
            return False
        place = charge.line.index(peer)
        charge.listen(peer, self._out.now_ms, left_ms)
        if over:
            charge.end(place, self._out.now_ms)
        if self._seat.conducts(charge.task):
            if place < charge.place and not over:
                self._answer(charge, peer)
                return False
            self._step_back(charge, peer)
        elif charge.over == charge.place:
            self._answer(charge, peer)  # if it is not known any more, the log says so
            return False
        return True

    def _answer(self, charge: Charge, peer: NodeId) -> None:
        """Say who has the task, but not to each of many words: two that both ended it would else
        tell each other so without end.
        """
        now_ms = self._out.now_ms
        if now_ms - charge.answered_ms.get(peer, -limits.TEND_EVERY_MS) >= limits.TEND_EVERY_MS:
            charge.answered_ms[peer] = now_ms
            self.entrusting.tend(charge.task, peer)

    def _step_back(self, charge: Charge, to: NodeId) -> None:
        charge.wanted = True  # whoever waits here waits on
        self._seat.step_back(charge.task, to)
        self._again(charge)

    def cancel(self, task: TaskId) -> None:
        """A client of this node wants a task to be cancelled that is conducted elsewhere."""
        charge, me = self.keeping.charge(task), self._around.me
        if charge is not None and charge.over is None:
            charge.unwanted = True
            for node in charge.line:
                if node != me:
                    self._out.send(node, CancelAsked(task))

    def _cancel_asked(self, peer: NodeId, task: TaskId) -> None:
        """Any of a line may end its tasks, as it may by a verdict of its own."""
        charge = self.keeping.charge(task)
        if charge is None:
            return
        if peer not in charge.line:
            self._out.do(Reject(peer, "not of the line of that task"))
        elif self._seat.conducts(task):
            self._seat.cancel(task)
        elif charge.over == charge.place:
            self._answer(charge, peer)

    def verdict(self, entry: Entry) -> None:
        """A verdict in anybody's log: if it is of one in line, the task is over."""
        if not self.keeping:
            return  # mostly: it need not be read
        try:
            record = VERDICT.decode(entry.body or b"")
        except DecodeError:
            return
        task, author = TaskId(record.task), NodeId(entry.author)
        charge = self.keeping.charge(task)
        if charge is None or author not in charge.line:
            return
        charge.end(charge.line.index(author), self._out.now_ms)
        charge.outcome = record.outcome
        if author != self._around.me and self._seat.conducts(task):
            self._step_back(charge, author)

    def peer_down(self, peer: NodeId) -> None:
        """A connection broke: if it was to who conducts a task, that is more than silence."""
        for charge in self.keeping:
            if charge.over is None and charge.heard_from == peer:
                charge.gone = True
                self._again(charge)

    # --- taking over --------------------------------------------------------------------------

    def fired(self, timer: SilenceOver) -> None:
        """Was the conductor heard? If not, it is this node's turn."""
        charge, now_ms = self.keeping.charge(timer.task), self._out.now_ms
        if charge is None or now_ms < charge.armed_ms:
            return
        if now_ms >= charge.drop_ms():
            self.keeping.drop(charge)
        elif charge.over is not None:
            self._look(charge, charge.drop_ms() - now_ms)
        else:
            idle = charge.opening is None and not self._seat.conducts(charge.task)
            if idle and now_ms >= charge.due_ms() and self._seat.has_room():
                self._open(charge)
            self._again(charge)

    def _open(self, charge: Charge) -> None:
        found = charge.best()
        if found is not None:
            charge.opening, boxes = found
            charge.opened_ms = self._out.now_ms
            self._out.do(Unseal(charge.task, tuple(boxes)))
        elif charge.wanted and not charge.told:
            charge.told = True
            text = "its conductor is gone, and too little of it is here to go on"
            self._seat.refuse(charge.task, "task_failed", text)

    def unsealed(self, found: Unsealed) -> None:
        """The boxes are open: go on, or tell how it ended."""
        charge = self.keeping.charge(found.task)
        if charge is None or charge.opening is None:
            return
        key, charge.opening = charge.opening, None
        heard = charge.over is None and charge.heard_ms > charge.opened_ms
        if heard or self._seat.conducts(charge.task):
            return
        journal = self._around.journal
        try:
            remains = inherited(charge, found.notes, journal.swarm_id, journal.verify)
            self._seat.take_over(remains)
        except Lost:
            charge.hopeless.add(key)
            self._open(charge)
            return
        verdict = remains.entry(Kind.VERDICT)
        if verdict is not None:  # it had ended already, and that is told
            charge.end(charge.line.index(NodeId(verdict.author)), self._out.now_ms)
            self.ended(charge.task)
        elif charge.unwanted:
            self._seat.cancel(charge.task)

    def ended(self, task: TaskId) -> None:
        """It was told here how the task ended."""
        charge = self.keeping.charge(task)
        if charge is not None:
            charge.told = True
            charge.lists.clear()

    def wanted(self, task: TaskId) -> None:
        """A client of this node waits for the end of a task."""
        charge = self.keeping.charge(task)
        if charge is not None:
            charge.wanted = True
            self._tell_end(charge)

    def _tell_end(self, charge: Charge) -> None:
        """Open the boxes of a task that is over, once somebody wants to know."""
        asked = charge.wanted and not charge.told and charge.over is not None
        if asked and charge.opening is None and not self._seat.conducts(charge.task):
            self._open(charge)
