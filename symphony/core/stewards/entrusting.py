"""What a conductor of a durable task gives to the others of its line, and how it stays in touch.

Every note that it keeps for itself (`notes`) and every entry that it writes about the task goes to
each of them as well, sealed to its box key, under a running number. They acknowledge how many they
hold without a gap; what got lost is sent again, a few at a time. In between, the conductor *tends*
the task: three times a lease it says that it is alive. Whoever hears none of this for its patience
takes over (`stewarding`).

A task that is over is tended a little longer, until all have what they need to say how it ended;
one that is away, such as a conductor whose task a steward finished, gets it when it comes back.

None of this holds up the task: nobody waits for an acknowledgement. A task without stewards costs
nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ledger import Entry
from symphony.core import limits
from symphony.core.effects import Note, SendSealed
from symphony.core.events import TaskEntrusted
from symphony.core.ids import NodeId, TaskId
from symphony.core.messages import Entrust, Entrusted, Tending
from symphony.core.outbox import Outbox
from symphony.core.tasks.notes import NOTE, EntryKept, EvidenceKept, TaskNote, portions
from symphony.core.tasks.task_run import TaskRun
from symphony.core.timers import TendDue


@dataclass(slots=True)
class Heir:
    """Another node of the line: its box key, and how many notes it holds for sure."""

    key: bytes
    held: int = 0
    sent: int = 0
    full: bool = False  # it can't take any more


@dataclass(slots=True)
class Estate:
    """All that others need to go on with one task."""

    entry: bytes
    began_ms: int
    term: int  # names this list of notes: a conductor that was restarted begins another
    until_ms: int
    heirs: dict[NodeId, Heir]
    notes: list[bytes] = field(default_factory=list)
    over_ms: int | None = None  # when it ended

    def told(self, heir: Heir) -> bool:
        return heir.full or heir.held >= len(self.notes)


class Entrusting:
    """The estates of the tasks that this node conducts, or conducted until a moment ago."""

    def __init__(self, out: Outbox, alive: Callable[[], frozenset[NodeId]]) -> None:
        self._out = out
        self._alive = alive
        self._estates: dict[TaskId, Estate] = {}
        self.box = b""
        """The box key of this node."""

    def begin(self, run: TaskRun) -> None:
        """A task is conducted here from now on. Of one that is durable all others are told."""
        if run.line is None:
            return
        heirs = {node: Heir(key) for node, key in run.line.others()}
        entry, until_ms = run.entries[0].encode(), run.started_ms + run.spec.deadline_ms
        self._estates[run.task] = Estate(entry, run.started_ms, self._out.wall_ms, until_ms, heirs)
        self._out.timer(TendDue(run.task), limits.TEND_EVERY_MS)

    def keep(self, run: TaskRun, note: TaskNote) -> None:
        """Keep a note here, and there."""
        self._out.do(Note(run.task, note))
        if run.line is not None:
            self._give(run.task, note)

    def entry(self, run: TaskRun, entry: Entry) -> None:
        """An entry of the own log about the task: here it is in the log."""
        if run.line is not None:
            self._give(run.task, EntryKept(entry.encode()))

    def verdict(self, run: TaskRun, entry: Entry) -> None:
        """The verdict, behind the evidence that it cites: who has the one has the other."""
        if run.line is None:
            return
        for some in portions([cited.encode() for cited in run.cited]):
            self._give(run.task, EvidenceKept(some))
        self.entry(run, entry)

    def inherit(self, run: TaskRun, notes: Iterable[TaskNote], *, known: bool = False) -> None:
        """Conduct a task from here on of which so much is known: it is this node's to keep, unless
        it is `known` to be kept here, and to give on.
        """
        self.begin(run)
        for note in notes if run.line is not None else ():
            if not known:
                self._out.do(Note(run.task, note))
            self._give(run.task, note)
        self.tend(run.task)

    def over(self, task: TaskId) -> None:
        """The task has ended here, with a verdict."""
        estate = self._estates.get(task)
        if estate is not None:
            estate.over_ms = self._out.now_ms
            self.tend(task)

    def drop(self, task: TaskId) -> None:
        """It is not for this node any more to say anything about the task."""
        self._estates.pop(task, None)

    def _give(self, task: TaskId, note: TaskNote) -> None:
        estate = self._estates.get(task)
        if estate is None:
            return
        estate.notes.append(NOTE.encode(note))
        for node in estate.heirs:
            self._pump(task, estate, node)

    def _pump(self, task: TaskId, estate: Estate, node: NodeId) -> None:
        """Send what was not sent yet, as far ahead of what is acknowledged as may be."""
        heir = estate.heirs[node]
        last = min(len(estate.notes), heir.held + limits.ENTRUST_AHEAD)
        if heir.full or node not in self._alive():
            return
        for number in range(heir.sent + 1, last + 1):
            entry = estate.entry if number == 1 else b""
            message = Entrust(task, estate.term, number, self._left_ms(estate), entry)
            data = estate.notes[number - 1]
            self._out.do(SendSealed(node, heir.key, message, data))
        heir.sent = max(heir.sent, last)

    def _left_ms(self, estate: Estate) -> int:
        return max(0, estate.until_ms - self._out.now_ms)

    # --- staying in touch ---------------------------------------------------------------------

    def tend(self, task: TaskId, only: NodeId | None = None) -> None:
        """Say that the task is in good hands; to one of its line only, if one asks."""
        estate = self._estates.get(task)
        if estate is None:
            return
        over = estate.over_ms is not None
        count, left_ms = len(estate.notes), self._left_ms(estate)
        word = Tending(task, estate.term, count, left_ms, over=over)
        for node in estate.heirs if only is None else (only,):
            if node in self._alive():
                self._out.send(node, word)

    def due(self, timer: TendDue) -> None:
        """Tend, until it is over and everybody knows."""
        estate = self._estates.get(timer.task)
        if estate is None:
            return
        if estate.over_ms is not None:
            here = [heir for node, heir in estate.heirs.items() if node in self._alive()]
            late = self._out.now_ms >= estate.over_ms + limits.TEND_ENDED_MS
            if late or (here and all(map(estate.told, here))):
                self._forget_old()
                return
        self.tend(timer.task)
        self._out.timer(timer, limits.TEND_EVERY_MS)

    def _forget_old(self) -> None:
        """Of tasks that are over, some are kept for one of their line that is away."""
        over = [task for task, estate in self._estates.items() if estate.over_ms is not None]
        told = [t for t in over if all(map(self._estates[t].told, self._estates[t].heirs.values()))]
        for task in {*told, *over[: max(0, len(over) - limits.MAX_ESTATES_KEPT)]}:
            del self._estates[task]

    def met(self, peer: NodeId) -> None:
        """A node is here (again): it may have missed something."""
        for task, estate in list(self._estates.items()):
            if peer in estate.heirs:
                self.tend(task, peer)

    def answered(self, peer: NodeId, message: Entrusted) -> None:
        """One of the line says what it holds; send what it lacks."""
        estate = self._estates.get(TaskId(message.task))
        heir = estate.heirs.get(peer) if estate is not None else None
        if estate is None or heir is None or message.term != estate.term:
            return
        if message.count and not heir.held:
            at_ms = self._out.now_ms - estate.began_ms
            self._out.tell(TaskEntrusted(TaskId(message.task), at_ms, peer))
        heir.held, heir.full = min(message.count, len(estate.notes)), message.full
        if message.tended:  # what was sent before the word that this answers has come, or is lost
            heir.sent = heir.held
        self._pump(TaskId(message.task), estate, peer)
        if estate.over_ms is not None and heir.held == len(estate.notes) and not message.tended:
            self.tend(TaskId(message.task), peer)  # that was all
