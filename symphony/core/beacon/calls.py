"""The Beacon protocol at the conductor: call, collect, close early, fail over.

A call asks at most ten nodes directly: those whose best agent matches best, and two at random so
that newcomers get heard. It closes when all asked have answered, when every unit has bids
enough, or when the window ends; there is no fixed sleep. Bids that didn't win are kept for
failover: the next one in rank gets the unit with the next epoch, without a new auction.

The steps that follow a running one are called for *ahead*, while it runs (`ahead`). When their turn
comes, bids that are at most 30 s old are used; for older ones there is a new call.

Units that are ready together share one beacon and one award entry (`awards`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symphony.core import limits
from symphony.core.beacon.asking import Asking
from symphony.core.beacon.awards import Awards
from symphony.core.effects import Embed
from symphony.core.events import BeaconSent, BidHeard, FailedOver
from symphony.core.ids import EntryId, NodeId, UnitId
from symphony.core.messages import Beacon, Bid, Bids, Order, Stop, UnitCall
from symphony.core.peers.directory import Listing
from symphony.core.records import Lapse
from symphony.core.surroundings import Surroundings
from symphony.core.tasks.task_run import Call, TaskRun
from symphony.core.tasks.unit import Unit
from symphony.core.timers import CallAgain, CallAhead, WindowOver


class Calls:
    """Finds owners for units. `order_for` builds the order that an owner gets; `give_up` is
    called with a unit that found none, an error code and a text.
    """

    def __init__(
        self,
        around: Surroundings,
        order_for: Callable[[TaskRun, Unit], Order],
        give_up: Callable[[TaskRun, Unit, str, str], None],
    ) -> None:
        self._around = around
        self._out = around.out
        self._give_up = give_up
        self.asking = Asking(around, order_for)
        self.awards = Awards(around, order_for, give_up)

    # --- the call -----------------------------------------------------------------------------

    def call(self, run: TaskRun, units: Sequence[Unit]) -> None:
        """Find owners for units that are ready: from bids that were called for ahead, or by a
        beacon, after embedding the skills that are still unknown.
        """
        if run.ended:
            return
        for unit in units:
            unit.state = "calling"
            unit.called_ms = unit.called_ms or self._out.now_ms
        given: list[Unit] = []
        for unit in units:
            if self.awards.hand_out_ahead(run, unit) or unit.state != "calling":
                continue
            if self._foreseen(unit) and self.awards.elect(run, unit, given):
                given.append(unit)
        self._give(run, given)
        out = {id(unit) for call in run.calls.values() for unit in call.units}
        left = [unit for unit in units if unit.state == "calling" and id(unit) not in out]
        missing = self._around.vectors.missing([unit.skill for unit in left])
        if missing:
            run.parked.extend(left)
            self._out.do(Embed(missing))
            return
        self.beacons(run, left)

    def _foreseen(self, unit: Unit) -> bool:
        """Are there fresh bids from a call ahead, not tried yet?"""
        fresh = self._out.now_ms <= unit.bids_at_ms + limits.BID_LIFETIME_MS
        return bool(unit.candidates) and fresh and unit.attempts == 0

    def _give(self, run: TaskRun, units: Sequence[Unit]) -> None:
        """Award the elected units, and soon call ahead for the steps that will follow them."""
        self.awards.write(run, units)
        more = run.following() or run.unplanned()
        if not run.ended and not run.looking_ahead and more:
            run.looking_ahead = True
            self._out.timer(CallAhead(run.task), limits.LOOK_AHEAD_MS)

    def beacons(self, run: TaskRun, units: Sequence[Unit]) -> None:
        """Ask for bids, for as many units at once as a beacon holds."""
        for start in range(0, len(units), limits.MAX_CHAINS):
            self._beacon(run, units[start : start + limits.MAX_CHAINS])

    def unpark(self, run: TaskRun) -> None:
        """New vectors are there: call for the units that waited for them."""
        parked, run.parked = run.parked, []
        waiting = [unit for unit in parked if unit.state == "calling"]
        if waiting:
            self.call(run, waiting)

    def _beacon(self, run: TaskRun, units: Sequence[Unit]) -> None:
        around = self._around
        for unit in units:
            unit.calls += 1
            unit.requirement = self.asking.requirement(run, unit)
        chosen = self.asking.whom(run, units)
        beacon = around.chance.randbytes(16)
        call = Call(beacon, tuple(units), frozenset(chosen))
        run.calls[beacon] = call
        if not chosen:
            self._close(run, call)
            return
        names = tuple(unit.name for unit in units)
        self._out.tell(BeaconSent(run.task, self._at(run), names, len(chosen)))
        wanted = tuple(UnitCall(unit.id, unit.needs) for unit in units)
        message = Beacon(beacon, run.task, around.me, wanted, limits.BID_WINDOW_MS)
        self._out.timer(WindowOver(run.task, beacon), limits.BID_WINDOW_MS)
        for node in chosen:
            self._out.send(node, message)

    # --- the bids -----------------------------------------------------------------------------

    def bids(self, run: TaskRun, peer: NodeId, bids: Bids) -> None:
        """One node's answer. Bids that don't stand on a known capability are left out."""
        call = run.calls.get(bids.beacon)
        if call is None or peer not in call.asked or peer in call.answered:
            return
        call.answered.add(peer)
        units = {unit.id: unit for unit in call.units}
        agents: list[str] = []
        for bid in bids.bids:
            unit = units.get(UnitId(bid.unit))
            listing = self._grounds(peer, bid)
            if unit is None or listing is None:
                continue
            found = call.bids.setdefault(unit.id, [])
            own = [candidate.agent for candidate in found if candidate.owner == peer]
            full = len(found) >= limits.MAX_BIDS_PER_UNIT or len(own) >= limits.MAX_BIDS_PER_NODE
            if full or bid.agent in own or not self.asking.hears(unit, listing):
                continue
            free = bid.free + run.soon_free(unit, peer, bid.agent)
            found.append(self.asking.candidate(run, unit, listing, free))
            run.listings[listing.id] = listing
            if bid.estimate_ms:
                run.estimates_ms[unit.id, peer, bid.agent] = bid.estimate_ms
            agents.append(bid.agent)
        heard = BidHeard(run.task, self._at(run), peer, tuple(dict.fromkeys(agents)), len(agents))
        self._out.tell(heard)
        enough = all(len(call.bids.get(u, ())) >= limits.BIDS_WANTED for u in units)
        if enough or call.answered == call.asked:
            self._close(run, call)

    def _grounds(self, peer: NodeId, bid: Bid) -> Listing | None:
        """The capability that a bid stands on: the bidder's own, of this agent, the newest."""
        listing = self._around.directory.find(EntryId(bid.capability))
        if listing is None or (listing.node, listing.capability.agent) != (peer, bid.agent):
            return None
        claimed = listing.capability.operator or ""
        if peer != self._around.me and claimed != self._around.operator_of(peer):
            return None  # it says that somebody else runs it than the founder does
        return listing if listing.expires_ms > self._out.wall_ms else None

    def gone(self, run: TaskRun, peer: NodeId) -> None:
        """A peer is down: nobody waits for its bids any more."""
        for call in list(run.calls.values()):
            if peer in call.asked - call.answered:
                call.answered.add(peer)
                if call.answered == call.asked:
                    self._close(run, call)

    def window_over(self, run: TaskRun, beacon: bytes) -> None:
        call = run.calls.get(beacon)
        if call is not None:
            self._close(run, call)

    def _close(self, run: TaskRun, call: Call) -> None:
        """Elect the owners, or call again later for the units that nobody bid for."""
        run.calls.pop(call.beacon, None)
        given: list[Unit] = []
        nobody: list[Unit] = []
        for unit in call.units:
            if unit.state in ("waiting", "calling") or unit.wants_rival:
                unit.candidates = tuple(call.bids.get(unit.id, ()))
                unit.bids_at_ms = self._out.now_ms
            foreseen = unit.state == "waiting" and unit.step is not None
            if (foreseen or unit.state == "calling") and self.awards.elect(run, unit, given):
                given.append(unit)
            elif unit.state == "calling":
                nobody.append(unit)
            elif unit.wants_rival and unit.owner is not None:
                self.give_rival(run, unit)
            unit.wants_rival = False
        self._give(run, given)
        for unit in nobody:
            spent = unit.calls >= limits.MAX_CALLS_PER_UNIT
            if spent and self._out.now_ms >= run.patient_until_ms:
                self._give_up(run, unit, "no_bids", f"nobody bid for {unit.name} ({unit.skill})")
        again = tuple(unit.id for unit in nobody if unit.state == "calling")
        if again:
            tries = min(max(u.calls for u in nobody), limits.MAX_CALLS_PER_UNIT)
            pause_ms = limits.CALL_BACKOFF_MS * 2 ** (tries - 1)
            self._out.timer(CallAgain(run.task, again), pause_ms)

    def again(
        self, run: TaskRun, unit: Unit, reason: str, lapse: Lapse, *, avoid_owner: bool
    ) -> None:
        """Award the unit once more from the bids that are left, or call anew. `lapse` is what its
        owner will be remembered for.
        """
        assert unit.award is not None
        owner = NodeId(unit.award.owner)
        told = FailedOver(run.task, self._at(run), unit.name, unit.epoch, owner, reason[:300])
        self._out.tell(told)
        if lapse == "unused":
            run.release(unit)
        else:
            run.write_off(unit)
        if avoid_owner:
            unit.avoided.append(owner)
        if unit.rival is not None:
            unit.take_back()  # it has the unit, too, and goes on alone
            return
        unit.state = "calling"
        unit.lapse = lapse
        unit.called_ms = self._out.now_ms
        if unit.attempts >= limits.MAX_ATTEMPTS:
            nodes = len({owner, *unit.avoided})
            where = "one node" if nodes == 1 else f"{nodes} nodes"
            text = f"{unit.name}: {unit.attempts} tries on {where} failed, the last: {reason}"
            self._give_up(run, unit, "task_failed", text[:300])
            return
        fresh = self._out.now_ms <= unit.bids_at_ms + limits.BID_LIFETIME_MS
        if fresh and self.awards.elect(run, unit, ()):
            self._give(run, (unit,))
        else:
            unit.calls = 0
            self.call(run, (unit,))

    def for_rival(self, run: TaskRun, unit: Unit) -> None:
        """Call for bids for a second owner of a unit."""
        assert unit.award is not None
        unit.avoided.append(NodeId(unit.award.owner))
        self._beacon(run, (unit,))

    def give_rival(self, run: TaskRun, unit: Unit) -> bool:
        """Award a unit to a second owner, one with a free slot; False if there is none."""
        unit.wants_rival = False
        if unit.rival is not None or not run.affordable(unit.reserved_tokens):
            return False
        straggler = unit.owner
        assert straggler is not None
        unit.put_aside()
        if straggler not in unit.avoided:
            unit.avoided.append(straggler)
        candidates = unit.candidates
        unit.candidates = tuple(bid for bid in candidates if bid.free or bid.owner == straggler)
        unit.lapse, unit.called_ms = "slow", self._out.now_ms
        if not self.awards.elect(run, unit, ()):
            unit.take_back()
            unit.candidates, unit.lapse = candidates, None
            return False
        run.hedges += 1
        self.awards.write(run, (unit,))
        return True

    def alone(self, run: TaskRun, unit: Unit) -> None:
        """The unit is done, or given up: its rival need not go on."""
        rival, unit.rival = unit.rival, None
        if rival is not None:
            run.write_off(rival)
            self._out.send(rival.owner, Stop(unit.id, rival.epoch))

    def stop(self, run: TaskRun, units: Sequence[Unit]) -> None:
        """Nobody is to work on these any more; what they had reserved may be spent."""
        for unit in units:
            self.alone(run, unit)
            self.awards.take_back(run, unit)
            run.write_off(unit)
            if unit.owner is not None:
                self._out.send(unit.owner, Stop(unit.id, unit.epoch))
            if unit.state in ("waiting", "calling", "working"):
                unit.state = "failed"

    def _at(self, run: TaskRun) -> int:
        return self._out.now_ms - run.started_ms
