"""The owner's side: doing the units that are awarded here, and letting go of them in time.

Work is accepted only with the award that grants it, a ledger entry signed by the conductor that
names this node and agent (`mandates`). Epochs fence: of one unit, only the highest award seen is
worked on, as soon as its agent has a slot (`jobs`). While it works the owner renews its lease;
without an acknowledgement for 0.9 lease it aborts, because by then somebody else may own the unit.

Work may also come ahead, for the moment when the output that it lacks is made here (`held`). What
becomes of it is a signed result (`handing_over`). How a node comes to own anything is in `bidding`.
"""

from __future__ import annotations

from typing import assert_never

from symphony.core import limits
from symphony.core.beacon.lease import owner_until_ms, renew_every_ms
from symphony.core.beacon.pace import Pace
from symphony.core.ids import Epoch, NodeId, UnitId
from symphony.core.inputs import WorkDone, WorkFailed, WorkMoved
from symphony.core.logs.journal import Journal
from symphony.core.messages import (
    Beacon,
    ForOwner,
    Progress,
    Refused,
    Renewed,
    Stop,
    Work,
)
from symphony.core.outbox import Outbox
from symphony.core.owner.bidding import Bidding
from symphony.core.owner.fitting import as_count, as_output, as_text
from symphony.core.owner.handing_over import HandingOver
from symphony.core.owner.held import Held
from symphony.core.owner.jobs import Job, Jobs
from symphony.core.owner.mandates import mandate
from symphony.core.owner.results import unusable
from symphony.core.peers.directory import Directory
from symphony.core.timers import OwnerLetsGo, Renew


class Worker:
    """All the work that this node's agents do for the swarm, itself included."""

    def __init__(self, me: NodeId, journal: Journal, directory: Directory, out: Outbox) -> None:
        self._me = me
        self._journal = journal
        self._directory = directory
        self._out = out
        self.jobs = Jobs(me, directory, out)
        self._fences: dict[tuple[NodeId, UnitId], Epoch] = {}
        self._pace = Pace()
        self._bidding = Bidding(me, self.jobs, self._pace, out)
        self._held = Held()
        self._handing_over = HandingOver(journal, out)

    def heard(self, peer: NodeId, message: ForOwner) -> None:
        """A conductor speaks."""
        match message:
            case Renewed():
                self.renewed(peer, message)
            case Beacon():
                self._bidding.answer(peer, message)
            case Work():
                self.take(peer, message)
            case Stop():
                self.stop(peer, message)
            case _:
                assert_never(message)

    # --- working ------------------------------------------------------------------------------

    def take(self, peer: NodeId, work: Work) -> None:
        """Check the award and start, or queue, the work; otherwise say why not."""
        found = mandate(self._journal, peer, work)
        if isinstance(found, str):
            self._out.send(peer, Refused(work.unit, work.epoch, found))
            return
        deadline_ms = self._out.now_ms + work.deadline_ms
        job = Job(peer, found, work.order, work.salt, deadline_ms)
        if self._held.stopped(peer, job.unit, job.epoch):
            return
        self._held.drop(peer, job.unit, job.epoch)
        if work.after is not None:
            self._hold(job, UnitId(work.after))
            return
        if job.epoch == self._fences.get((job.origin, job.unit), 0):
            self._repeated(job)
            return
        wrong = self._queue(job)
        if wrong:
            self._out.send(peer, Refused(job.unit, job.epoch, wrong))

    def _hold(self, job: Job, after: UnitId) -> None:
        """Keep work that came ahead. If it can't be kept it is sent again when its turn comes."""
        waited_for = self.jobs.get(after)
        if waited_for is not None and waited_for.conductor == job.conductor:
            self._held.put(job, after)

    def _go_on(self, done: Job, output: str) -> tuple[UnitId, ...]:
        """Begin what waited for this output; the units that were begun."""
        jobs = list(self._held.take(done.unit, output))
        return tuple(job.unit for job in jobs if not self._queue(job))

    def _queue(self, job: Job) -> str:
        """Start the job as soon as its agent has a free slot; or say why not."""
        unit, epoch, award = job.unit, job.epoch, job.award
        if epoch <= self._fences.get((job.origin, unit), 0):
            return "a newer award of this unit is known"
        old = self.jobs.get(unit)
        if old is not None and old.origin != job.origin:
            return "this unit is another conductor's"
        self._fence(job.origin, unit, epoch)
        listing = self.jobs.listing(award.agent)
        if listing is None:
            return "no such agent here"
        if self.jobs.full(award.agent):
            return "the queue is full"
        job.until_ms = owner_until_ms(self._out.now_ms, award.lease_ms)
        self._out.timer(Renew(unit, epoch), renew_every_ms(award.lease_ms))
        self._out.timer(OwnerLetsGo(unit, epoch), job.until_ms - self._out.now_ms)
        self.jobs.add(job, listing)
        return ""

    def _repeated(self, again: Job) -> None:
        """The same award again: a copy made on its way, or a conductor that was restarted, or has
        taken over from another, and wants to know how it stands.
        """
        peer, unit, epoch = again.conductor, again.unit, again.epoch
        done = self._handing_over.kept(again)
        job = self.jobs.current(unit, epoch)
        if done is not None:
            self._out.send(peer, done)
        elif job is not None:
            job.conductor = peer
        else:
            self._out.send(peer, Refused(unit, epoch, "this award was let go of", begun=True))

    def _fence(self, origin: NodeId, unit: UnitId, epoch: Epoch) -> None:
        """Remember the highest epoch of a unit, and drop what an older one was doing.

        Nobody can fence off a unit of somebody else's task (`mandates`).
        """
        old = self.jobs.get(unit)
        if old is not None:
            self._drop(old)
        self._fences[origin, unit] = epoch
        while len(self._fences) > limits.MAX_FENCES:
            del self._fences[next(iter(self._fences))]

    def moved(self, moved: WorkMoved) -> None:
        """New text: it travels with the next renewal, or soon after the last one."""
        job = self.jobs.current(moved.unit, moved.epoch)
        if job is None:
            return
        job.text = (job.text + as_text(moved.text))[-limits.MAX_PROGRESS_CHARS :]
        if self._out.now_ms - job.spoke_ms >= limits.PROGRESS_EVERY_MS:
            self._speak(job)

    def done(self, done: WorkDone) -> None:
        """Commit to the output in the own log, then hand it over; one of no use is a failure."""
        job = self.jobs.current(done.unit, done.epoch)
        if job is None:
            return
        useless = unusable(job.order.role, done.output)
        if useless:
            self.failed(WorkFailed(done.unit, done.epoch, useless, done.elapsed_ms))
            return
        self._pace.learn(self._me, job.award.agent, job.order.role, as_count(done.elapsed_ms))
        output = as_output(done.output)
        self.jobs.remove(job)
        begun = self._go_on(job, output)
        self.jobs.start(job.award.agent)  # nothing that is said now is waited for
        self._handing_over.output(job, done, output, begun)

    def failed(self, failed: WorkFailed) -> None:
        """A typed failure is a result too: it is logged, and the next bidder gets the unit."""
        job = self.jobs.current(failed.unit, failed.epoch)
        if job is None:
            return
        self._forget(job)
        self.jobs.start(job.award.agent)
        listing = self._directory.get(self._me, job.award.agent)
        self._handing_over.failure(job, failed, listing.capability if listing else None)

    # --- leases -------------------------------------------------------------------------------

    def renew(self, timer: Renew) -> None:
        job = self.jobs.current(timer.unit, timer.epoch)
        if job is not None:
            self._speak(job)
            self._out.timer(timer, renew_every_ms(job.award.lease_ms))

    def _speak(self, job: Job) -> None:
        job.renewals += 1
        job.spoke_ms = self._out.now_ms
        job.sent_ms[job.renewals] = self._out.now_ms
        while len(job.sent_ms) > limits.MAX_OPEN_RENEWALS:
            del job.sent_ms[next(iter(job.sent_ms))]
        text, job.text = job.text, ""
        self._out.send(job.conductor, Progress(job.unit, job.epoch, job.renewals, text))

    def renewed(self, peer: NodeId, renewed: Renewed) -> None:
        job = self.jobs.current(UnitId(renewed.unit), Epoch(renewed.epoch))
        if job is None or job.conductor != peer:
            return
        sent_ms = job.sent_ms.pop(renewed.number, None)
        if sent_ms is not None:
            job.until_ms = max(job.until_ms, owner_until_ms(sent_ms, job.award.lease_ms))

    def let_go(self, timer: OwnerLetsGo) -> None:
        """The lease ran out unless a renewal was acknowledged since the timer was set."""
        job = self.jobs.current(timer.unit, timer.epoch)
        if job is None:
            return
        if self._out.now_ms < job.until_ms:
            self._out.timer(timer, job.until_ms - self._out.now_ms)
            return
        self._drop(job)

    def stop(self, peer: NodeId, stop: Stop) -> None:
        self._held.drop(peer, UnitId(stop.unit), Epoch(stop.epoch))
        job = self.jobs.current(UnitId(stop.unit), Epoch(stop.epoch))
        if job is not None and job.conductor == peer:
            self._drop(job)
        elif job is None and self._fences.get((peer, UnitId(stop.unit)), 0) < stop.epoch:
            self._held.stop(peer, UnitId(stop.unit), Epoch(stop.epoch))

    def halt(self) -> None:
        """Our log can't be written to any more: no result could be handed over."""
        self.jobs.clear()
        self._held.clear()

    def _forget(self, job: Job) -> None:
        """It will have no output here."""
        self.jobs.remove(job)
        self._held.forget(job.unit)

    def _drop(self, job: Job) -> None:
        self._forget(job)
        self.jobs.abort(job)
        self.jobs.start(job.award.agent)
