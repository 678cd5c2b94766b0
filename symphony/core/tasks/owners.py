"""What a conductor hears of those who own its units, and what their silence means.

    progress    the owner is alive: it is answered, now and then, and has another lease from then on
    done        a result: checked against the award and the owner's own signed entry, then paid for
    refused     it can't do it, or has let go of it
    silence     a lease went by without an answer to it, or its connection broke

Only who holds a unit, by the award of that very epoch, is heard (`unit`); whatever else comes is
about an old award and changes nothing, and whoever still works on such a one is told to stop. Where
a unit has two owners, the one that is heard of is the one that it is about.

All but a good result is a *lapse*: the owner is told to stop, what it may have cost is written off,
and the unit goes to its rival if it has one, else to the next bidder with the next epoch (`calls`).
The award that follows says which lapse it was, and that is what elections learn from
(`experience`). Nobody has to be dead for that: an owner that comes back has an old epoch. Theory:
`lease`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from symphony.core import limits
from symphony.core.beacon.lease import conductor_until_ms
from symphony.core.effects import Reject
from symphony.core.events import TokensSeen
from symphony.core.ids import Epoch, NodeId, TaskId, UnitId
from symphony.core.messages import Done, FromOwner, Progress, Refused, Renewed, Stop
from symphony.core.owner.results import OTHER_INPUT, checked
from symphony.core.records import Lapse
from symphony.core.surroundings import Surroundings
from symphony.core.tasks.chains import Chains
from symphony.core.tasks.notes import ResultKept
from symphony.core.tasks.resuming import Resuming
from symphony.core.tasks.task_run import TaskRun
from symphony.core.tasks.unit import NO_EPOCH, Unit
from symphony.core.timers import LeaseOver


class Owners:
    """The owners of all units of one conductor, whose `runs` these are."""

    def __init__(
        self,
        around: Surroundings,
        chains: Chains,
        runs: Mapping[TaskId, TaskRun],
        resuming: Resuming,
    ) -> None:
        self._around = around
        self._out = around.out
        self._chains = chains
        self._calls = chains.calls
        self._runs = runs
        self._resuming = resuming

    def heard(self, peer: NodeId, message: FromOwner) -> None:
        """Somebody speaks of a unit that it has, or had."""
        match message:
            case Progress():
                self._progress(peer, message)
            case Done():
                self._done(peer, message)
            case Refused():
                self._refused(peer, message)
            case _:
                assert_never(message)

    def _progress(self, peer: NodeId, progress: Progress) -> None:
        """The owner is alive: answer, and wait for another lease."""
        found = self._owned(peer, UnitId(progress.unit), Epoch(progress.epoch))
        hold = found[1].hold(peer, Epoch(progress.epoch)) if found else None
        if found is None or hold is None:
            # after a restart it may be a unit that we shall go on with
            if not self._resuming and not self._ahead(peer, progress):
                self._out.send(peer, Stop(progress.unit, progress.epoch))
            return
        run, unit = found
        assert hold.award is not None
        if self._out.now_ms - hold.answered_ms >= limits.ACKNOWLEDGE_EVERY_MS:
            hold.answered_ms = self._out.now_ms
            hold.lease_until_ms = conductor_until_ms(self._out.now_ms, hold.award.lease_ms)
            self._out.send(peer, Renewed(progress.unit, progress.epoch, progress.number))
        if progress.text:
            unit.seen_chars += len(progress.text) if hold is unit else 0
            seen = TokensSeen(run.task, self._at(run), unit.name, peer, progress.text)
            self._out.tell(seen)

    def _done(self, peer: NodeId, done: Done) -> None:
        """A result: check it against the award and the owner's signed entry, then go on."""
        found = self._owned(peer, UnitId(done.unit), Epoch(done.epoch))
        entry = self._around.journal.take_signed(peer, done.entry)
        if found is None or entry is None:
            return
        run, unit = found
        self._counts(unit, peer, Epoch(done.epoch))
        record = checked(peer, unit, entry, done)
        if isinstance(record, str):
            lost = record == OTHER_INPUT and unit.rebuilt == unit.epoch  # we lost what it was given
            if not lost:
                self._out.do(Reject(peer, f"result: {record}"))
            self._fail_over(run, unit, record, "lost" if lost else "junk")
            return
        tokens = 0
        if record.status == "ok":  # a failure does not say what it cost
            tokens = run.charge(unit, record.prompt_tokens + record.completion_tokens)
        run.entries.append(entry)
        self._around.entrusting.keep(run, ResultKept(done.entry, done.output, tokens))
        if record.status == "failed":
            self._fail_over(run, unit, record.reason or "the owner's engine failed", "failed")
            return
        self._calls.alone(run, unit)
        took_ms = self._out.now_ms - unit.awarded_ms
        self._around.pace.learn(peer, record.agent, unit.role, took_ms)
        unit.output, unit.result, unit.record = done.output, entry, record
        for begun in (run.units.get(UnitId(other)) for other in done.begun):
            if begun is not None and begun.held_after == unit.id:
                begun.begun = begun.award is not None and begun.award.owner == peer
        self._chains.unit_done(run, unit, peer)

    def _refused(self, peer: NodeId, refused: Refused) -> None:
        found = self._owned(peer, UnitId(refused.unit), Epoch(refused.epoch))
        if found is not None:
            self._counts(found[1], peer, Epoch(refused.epoch))
            run, unit = found
            if not refused.begun:
                run.release(unit)
            self._fail_over(run, unit, f"refused: {refused.reason}", "refused")

    def gone(self, peer: NodeId, why: str) -> None:
        """A peer is no owner any more: its units go to the next bidder at once."""
        for run in list(self._runs.values()):
            self._calls.gone(run, peer)
            for unit in list(run.units.values()):
                for epoch in (unit.epoch, unit.rival.epoch if unit.rival else NO_EPOCH):
                    if not run.ended and unit.hold(peer, epoch) is not None:
                        self._counts(unit, peer, epoch)
                        self._fail_over(run, unit, why, "gone")
                        break

    def lease_over(self, timer: LeaseOver) -> None:
        run = self._runs.get(timer.task)
        unit = run.units.get(timer.unit) if run else None
        hold = unit.hold_of(timer.epoch) if unit is not None else None
        if run is None or unit is None or hold is None or hold.owner is None:
            return
        if self._out.now_ms < hold.lease_until_ms:
            self._out.timer(timer, hold.lease_until_ms - self._out.now_ms)
            return
        self._counts(unit, hold.owner, timer.epoch)
        self._fail_over(run, unit, "the owner was silent for a lease", "late")

    def _owned(self, peer: NodeId, unit_id: UnitId, epoch: Epoch) -> tuple[TaskRun, Unit] | None:
        """The unit, if this peer owns it in this very epoch."""
        for run in self._runs.values():
            unit = run.units.get(unit_id)
            if unit is not None and unit.hold(peer, epoch) is not None:
                return run, unit
        return None

    def _ahead(self, peer: NodeId, progress: Progress) -> bool:
        """Is this about work that was sent ahead, overtaking the result that it waited for?"""
        units = (run.units.get(UnitId(progress.unit)) for run in self._runs.values())
        held = next((unit for unit in units if unit is not None and unit.held_after), None)
        award = held.award if held is not None else None
        return award is not None and (award.owner, award.epoch) == (peer, progress.epoch)

    @staticmethod
    def _counts(unit: Unit, owner: NodeId, epoch: Epoch) -> None:
        """What follows is about this owner's hold: if it is the rival, it changes places."""
        if unit.hold(owner, epoch) is unit.rival:
            unit.change_places()

    def _fail_over(self, run: TaskRun, unit: Unit, reason: str, lapse: Lapse) -> None:
        """Take the unit from its owner and give it to the next bidder."""
        assert unit.award is not None
        owner = NodeId(unit.award.owner)
        if owner in self._around.alive():
            self._out.send(owner, Stop(unit.id, unit.epoch))
        run.failovers += 1
        self._calls.again(run, unit, reason, lapse, avoid_owner=lapse != "lost")

    def _at(self, run: TaskRun) -> int:
        return self._out.now_ms - run.started_ms
