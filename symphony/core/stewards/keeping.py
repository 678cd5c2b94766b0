"""What is kept here of durable tasks: charges within bounds, and in them boxes that nobody opens.

A steward is made one by the task's own signed entry, which names it and whoever gives it the box;
nobody else can leave anything here. Bounded are the charges of all and those of one conductor, the
bytes of one and of all, and the lists of a giver; who has more is told that this node is full. To
make room, what has been over for longest is forgotten. What is under way is never dropped for what
is new.

A box is kept only if it is the next of its list, so the number that is acknowledged is of boxes
without a gap; and its note goes to the disk before that word is said. A node that starts again
reads its charges back. Whether their conductors live is the business of `stewarding`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ledger import Kind, parse_entry
from ledger.errors import DecodeError
from symphony.core import limits
from symphony.core.effects import Forget, Note, Reject
from symphony.core.ids import NodeId, TaskId
from symphony.core.messages import Entrust, Entrusted
from symphony.core.records import TASK
from symphony.core.stewards.charges import Charge
from symphony.core.stewards.line import line_of
from symphony.core.surroundings import Surroundings
from symphony.core.tasks.notes import BoxKept, TaskNote


class Keeping:
    """The charges of this node."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._out = around.out
        self._charges: dict[TaskId, Charge] = {}

    def __len__(self) -> int:
        return len(self._charges)

    def __iter__(self) -> Iterator[Charge]:
        return iter(self._charges.values())

    def charge(self, task: TaskId) -> Charge | None:
        """What is known here of a durable task."""
        return self._charges.get(task)

    def add(self, charge: Charge) -> None:
        """One more that this node looks after."""
        self._charges[charge.task] = charge

    def drop(self, charge: Charge) -> None:
        """Forget it, with its boxes; they are gone already if its end was told here."""
        del self._charges[charge.task]
        if not charge.told:
            self._out.do(Forget(charge.task))

    def accept(self, peer: NodeId, word: Entrust) -> Charge | None:
        """A new charge, if the signed task entry names both the peer and this node."""
        if not word.entry:
            self._out.send(peer, Entrusted(word.task, word.term, 0))
            return None
        entry = self._around.journal.take_signed(peer, word.entry)
        if entry is None or entry.kind != Kind.TASK or entry.body is None:
            return None
        try:
            record = TASK.decode(entry.body)
        except DecodeError as error:
            self._out.do(Reject(peer, f"task: {error}"))
            return None
        line, me = line_of(NodeId(entry.author), record), self._around.me
        local = record.privacy == "local"
        if local or record.task != word.task or peer not in line or me not in line or peer == me:
            self._out.do(Reject(peer, "entrust: the task entry does not say so"))
            return None
        others = [charge for charge in self._charges.values() if charge.place]
        same = [charge for charge in others if charge.line[0] == line[0]]
        full = len(same) >= limits.MAX_CHARGES_OF_ONE and not self._make_room(same)
        if full or (len(others) >= limits.MAX_CHARGES and not self._make_room(others)):
            self._out.send(peer, Entrusted(word.task, word.term, 0, full=True))
            return None
        now_ms, task = self._out.now_ms, TaskId(word.task)
        charge = Charge(task, word.entry, line, line.index(me), now_ms + word.left_ms, now_ms)
        self.add(charge)
        return charge

    def _make_room(self, charges: Iterable[Charge]) -> bool:
        """Forget the one that has been over for longest."""
        over = [charge for charge in charges if charge.over is not None]
        if over:
            self.drop(min(over, key=lambda charge: charge.over_ms))
        return bool(over)

    def keep(self, charge: Charge, peer: NodeId, word: Entrust) -> bool:
        """Keep a box, if it is the next of its list; False if there is no room for it."""
        boxes = charge.list_of((charge.line.index(peer), word.term))
        if word.number != len(boxes) + 1 or not word.box:
            return True
        left = limits.MAX_CHARGES_BYTES - sum(c.size for c in self._charges.values())
        if len(word.box) > min(left, limits.MAX_CHARGE_BYTES - charge.size):
            return False
        boxes.append(word.box)
        charge.hopeless.discard((charge.line.index(peer), word.term))
        until_ms = self._out.wall_ms + charge.until_ms - self._out.now_ms
        entry = charge.entry if word.number == 1 else b""
        note = BoxKept(peer, word.term, word.number, max(0, until_ms), word.box, entry)
        self._out.do(Note(charge.task, note))
        return True

    # --- after a restart ----------------------------------------------------------------------

    def found(self, task: TaskId, notes: Iterable[TaskNote]) -> None:
        """Boxes that were kept before this node was restarted."""
        for note in notes:
            if not isinstance(note, BoxKept):
                continue
            charge = self._charges.get(task)
            if charge is None and note.entry:
                charge = self._restored(task, note)
            if charge is not None and note.giver in charge.line:
                giver = NodeId(note.giver)
                boxes = charge.list_of((charge.line.index(giver), note.term))
                if note.number == len(boxes) + 1:
                    boxes.append(note.box)

    def _restored(self, task: TaskId, note: BoxKept) -> Charge | None:
        entry = parse_entry(note.entry)
        line = line_of(NodeId(entry.author), TASK.decode(entry.body or b""))
        if self._around.me not in line:
            return None
        until_ms = self._out.now_ms + note.until_wall_ms - self._out.wall_ms
        place = line.index(self._around.me)
        charge = Charge(task, note.entry, line, place, until_ms, self._out.now_ms)
        self._charges[task] = charge
        return charge
