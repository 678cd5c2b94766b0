"""The Beacon protocol at the conductor: call, collect, close early, award, fail over.

A call asks at most ten nodes directly: those whose best agent matches best, and two at random so
that newcomers get heard. It closes when all asked have answered, when every unit has bids
enough, or when the window ends; there is no fixed sleep. The owner is elected by `election.rank`
and written into the conductor's log *before* the work travels. Bids that didn't win are kept for
failover: the next one in rank gets the unit with the next epoch, without a new auction.

Units that are ready together share one beacon and one award entry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ledger import Kind
from symphony.core import limits
from symphony.core.chance import Chance
from symphony.core.directory import Directory, Listing
from symphony.core.effects import Embed, Reject
from symphony.core.election import lineages_of_others, rank, score
from symphony.core.events import BeaconSent, BidHeard, UnitAwarded
from symphony.core.ids import EntryId, Epoch, NodeId, UnitId
from symphony.core.journal import Journal
from symphony.core.lease import conductor_until_ms
from symphony.core.match import eligible
from symphony.core.messages import Beacon, Bid, Bids, Order, UnitCall, Work
from symphony.core.outbox import Outbox
from symphony.core.records import AWARD, MAX_BODY_BYTES, Award, AwardRecord, Candidate, Requirement
from symphony.core.signing import Notary
from symphony.core.task_run import Call, TaskRun, Unit
from symphony.core.timers import CallAgain, LeaseOver, WindowOver
from symphony.core.vectors import Vectors


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the conductor's parts share: the node's other machines."""

    me: NodeId
    journal: Journal
    directory: Directory
    notary: Notary
    vectors: Vectors
    chance: Chance
    out: Outbox
    alive: Callable[[], frozenset[NodeId]]


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
        self._order_for = order_for
        self._give_up = give_up

    # --- the call -----------------------------------------------------------------------------

    def call(self, run: TaskRun, units: Sequence[Unit]) -> None:
        """Send a beacon for `units`, after embedding the skills that are still unknown."""
        if run.ended:
            return
        missing = self._around.vectors.missing([unit.skill for unit in units])
        for unit in units:
            unit.state = "calling"
            unit.called_ms = unit.called_ms or self._out.now_ms
        if missing:
            run.parked.extend(units)
            self._out.do(Embed(missing))
            return
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
        asked: dict[NodeId, int] = {}
        for unit in units:
            unit.calls += 1
            unit.requirement = self._requirement(run, unit)
            for fit, listing in self._fitting(run, unit, unit.requirement):
                asked[listing.node] = max(fit, asked.get(listing.node, 0))
        chosen = self._whom(asked)
        beacon = around.chance.randbytes(16)
        call = Call(beacon, tuple(units), frozenset(chosen))
        run.calls[beacon] = call
        if not chosen:
            self._close(run, call)
            return
        names = tuple(unit.name for unit in units)
        self._out.tell(BeaconSent(run.task, self._at(run), names, len(chosen)))
        wanted = tuple(UnitCall(unit.id, self._needs(unit)) for unit in units)
        unsigned = Beacon(beacon, run.task, around.me, wanted, limits.BID_WINDOW_MS)
        signed = around.notary.sign_beacon(unsigned)
        self._out.timer(WindowOver(run.task, beacon), limits.BID_WINDOW_MS)
        for node in chosen:
            self._out.send(node, signed)

    def _fitting(
        self, run: TaskRun, unit: Unit, requirement: Requirement
    ) -> list[tuple[int, Listing]]:
        """Who may own the unit, best first; those who failed it only if there is nobody else."""
        alive, wall_ms = self._reachable(run), self._out.wall_ms
        directory = self._around.directory
        fitting = directory.fitting(requirement, alive - set(unit.avoided), wall_ms)
        if not fitting and unit.avoided:
            unit.avoided.clear()  # attempts are bounded, so this ends
            fitting = directory.fitting(requirement, alive, wall_ms)
        return fitting

    def _reachable(self, run: TaskRun) -> frozenset[NodeId]:
        """Who may be asked at all: for a local task nobody but this node."""
        around = self._around
        return frozenset({around.me}) if run.spec.privacy == "local" else around.alive()

    def _whom(self, fit_of: dict[NodeId, int]) -> list[NodeId]:
        """The best by match, and a few at random from the rest."""
        order = sorted(fit_of, key=lambda node: (-fit_of[node], node))
        best, rest = order[: limits.ASKED_BY_MATCH], order[limits.ASKED_BY_MATCH :]
        extra = self._around.chance.sample(rest, min(limits.ASKED_AT_RANDOM, len(rest)))
        return best + extra

    def _requirement(self, run: TaskRun, unit: Unit) -> Requirement:
        order = self._order_for(run, unit)
        vectors = self._around.vectors
        return Requirement(
            role=unit.role,
            skill=unit.skill,
            privacy=run.spec.privacy,
            context_tokens=tokens_needed(order),
            vector=vectors.get(unit.skill),
            encoder=vectors.encoder,
        )

    @staticmethod
    def _needs(unit: Unit) -> Requirement:
        assert unit.requirement is not None
        return unit.requirement

    # --- the bids -----------------------------------------------------------------------------

    def bids(self, run: TaskRun, peer: NodeId, bids: Bids) -> None:
        """One node's answer. Bids that don't stand on a known capability are left out."""
        call = run.calls.get(bids.beacon)
        if call is None or peer not in call.asked or peer in call.answered:
            return
        if not self._around.notary.holds(peer, bids):
            self._out.do(Reject(peer, "bids: not signed by the bidder"))
            return
        call.answered.add(peer)
        units = {unit.id: unit for unit in call.units}
        agents: list[str] = []
        for bid in bids.bids:
            unit = units.get(UnitId(bid.unit))
            listing = self._grounds(peer, bid)
            if unit is None or listing is None:
                continue
            requirement = self._needs(unit)
            found = call.bids.setdefault(unit.id, [])
            own = [candidate.agent for candidate in found if candidate.owner == peer]
            full = len(found) >= limits.MAX_BIDS_PER_UNIT or len(own) >= limits.MAX_BIDS_PER_NODE
            if full or bid.agent in own or not eligible(listing.capability, requirement):
                continue
            points = score(run.spec.selection, unit.id, peer, listing.capability, requirement)
            found.append(Candidate(peer, bid.agent, listing.id, points, bid.free))
            run.listings[listing.id] = listing
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
            if unit.state != "calling":
                continue
            unit.candidates = tuple(call.bids.get(unit.id, ()))
            unit.bids_until_ms = self._out.now_ms + limits.BID_LIFETIME_MS
            (given if self._elect(run, unit, given) else nobody).append(unit)
        self._award(run, given)
        for unit in nobody:
            if unit.calls >= limits.MAX_CALLS_PER_UNIT:
                self._give_up(run, unit, "no_bids", f"nobody bid for {unit.name} ({unit.skill})")
        again = tuple(unit.id for unit in nobody if unit.state == "calling")
        if again:
            pause_ms = limits.CALL_BACKOFF_MS * 2 ** (max(u.calls for u in nobody) - 1)
            self._out.timer(CallAgain(run.task, again), pause_ms)

    # --- the award ----------------------------------------------------------------------------

    def _elect(self, run: TaskRun, unit: Unit, same_entry: Sequence[Unit]) -> bool:
        """Choose the owner among the candidates that are left; False if there is none."""
        for other in same_entry:
            self._count_slot(unit, other)
        lineage_of = {key: listing.capability.lineage for key, listing in run.listings.items()}
        used = lineages_of_others(unit.chain, run.latest_lineage)
        ranked = rank(unit.id, unit.candidates, lineage_of, used)
        alive = self._around.alive()
        for candidate in ranked:
            if NodeId(candidate.owner) not in alive and candidate.owner not in unit.avoided:
                unit.avoided.append(NodeId(candidate.owner))
        winner = next((c for c in ranked if c.owner not in unit.avoided), None)
        if winner is None or unit.attempts >= limits.MAX_ATTEMPTS:
            return False
        unit.attempts += 1
        unit.epoch = Epoch(unit.epoch + 1)
        unit.award = Award(
            unit=unit.id,
            name=unit.name,
            epoch=unit.epoch,
            owner=winner.owner,
            agent=winner.agent,
            capability=winner.capability,
            score=winner.score,
            lease_ms=limits.LEASE_MS,
            requirement=self._needs(unit),
            candidates=unit.candidates,
            avoided=tuple(c.owner for c in unit.candidates if c.owner in unit.avoided),
        )
        run.latest_lineage[unit.chain] = lineage_of[EntryId(winner.capability)]
        return True

    @staticmethod
    def _count_slot(unit: Unit, other: Unit) -> None:
        """A slot that was just given to `other` is no longer free for `unit`."""
        assert other.award is not None
        unit.candidates = tuple(
            Candidate(c.owner, c.agent, c.capability, c.score, max(0, c.free - 1))
            if (c.owner, c.agent) == (other.award.owner, other.award.agent)
            else c
            for c in unit.candidates
        )

    def _award(self, run: TaskRun, units: Sequence[Unit]) -> None:
        """Write the awards down, then send the work to its owners."""
        left = list(units)
        while left and not run.ended:
            batch, body = self._fitting_entry(run, left)
            left = left[len(batch) :]
            entry = self._around.journal.write(Kind.AWARD, body, refs=(run.entries[0].id,))
            run.entries.append(entry)
            raw = entry.encode()
            for unit in batch:
                if unit.state != "calling":
                    continue  # giving up one unit may have ended the chain, or the task
                unit.award_id = EntryId(entry.id)
                self._hand_out(run, unit, raw)

    @staticmethod
    def _fitting_entry(run: TaskRun, units: Sequence[Unit]) -> tuple[Sequence[Unit], bytes]:
        """As many of the awards as one entry can hold, and its body; one always fits."""
        count = min(len(units), limits.MAX_AWARDS_PER_ENTRY)
        while True:
            awards = tuple(unit.award for unit in units[:count] if unit.award is not None)
            body = AWARD.encode(AwardRecord(run.task, awards))
            if len(body) <= MAX_BODY_BYTES:
                return units[:count], body
            assert count > 1, f"one award of {len(body)} bytes"
            count -= 1

    def _hand_out(self, run: TaskRun, unit: Unit, raw: bytes) -> None:
        award = unit.award
        assert award is not None
        order = self._order_for(run, unit)
        tokens = tokens_needed(order)
        if not run.affordable(tokens):
            self._give_up(run, unit, "budget_exhausted", f"no tokens left for {unit.name}")
            return
        unit.order = order
        unit.reserved_tokens = tokens
        run.tokens_reserved += tokens
        unit.state = "working"
        unit.salt = self._around.chance.randbytes(16)
        unit.answered_ms = self._out.now_ms
        unit.lease_until_ms = conductor_until_ms(self._out.now_ms, award.lease_ms)
        run.award_waits_ms.append(self._out.now_ms - unit.called_ms)
        unit.called_ms = 0
        model = run.listings[EntryId(award.capability)].capability.model
        owner = NodeId(award.owner)
        self._out.tell(
            UnitAwarded(
                run.task,
                self._at(run),
                unit.name,
                unit.epoch,
                owner,
                award.agent,
                model,
                award.score,
                len(award.candidates),
            )
        )
        lease = LeaseOver(run.task, unit.id, unit.epoch)
        self._out.timer(lease, unit.lease_until_ms - self._out.now_ms)
        left_ms = run.started_ms + run.spec.deadline_ms - self._out.now_ms
        work = Work(raw, unit.id, unit.epoch, order, unit.salt, max(0, left_ms))
        self._out.send(owner, work)

    def again(self, run: TaskRun, unit: Unit, *, avoid_owner: bool) -> None:
        """Award the unit once more from the bids that are left, or call anew."""
        run.release(unit)
        if avoid_owner and unit.award is not None:
            unit.avoided.append(NodeId(unit.award.owner))
        unit.state = "calling"
        unit.called_ms = self._out.now_ms
        if unit.attempts >= limits.MAX_ATTEMPTS:
            self._give_up(run, unit, "task_failed", f"{unit.name}: {unit.attempts} owners failed")
            return
        if self._out.now_ms <= unit.bids_until_ms and self._elect(run, unit, ()):
            self._award(run, (unit,))
        else:
            unit.calls = 0
            self.call(run, (unit,))

    def _at(self, run: TaskRun) -> int:
        return self._out.now_ms - run.started_ms


def tokens_needed(order: Order) -> int:
    """What one call may cost at most: a token is about three characters, plus the template."""
    chars = len(order.question) + len(order.goal) + sum(len(q.text) for q in order.quotes)
    return chars // 3 + 200 + order.max_tokens
