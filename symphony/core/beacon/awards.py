"""The award: elect the owner by the rule, write it down, send the work.

The award is an entry of the conductor's log *before* the work travels, so that one epoch has one
owner or there is a proof of cheating. Units that are ready together share one entry.

The award of a step that was called for ahead is written ahead as well: when its turn comes, the
work leaves without waiting for the disk. If all that the step still lacks is being made by its own
owner, the work leaves at once, to be begun there without being asked (`held`). Should the owner be
gone by then, the bids be old, or the output come from somebody else after all, that award stays
unused, and the next one has the next epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ledger import Kind
from symphony.core import limits
from symphony.core.beacon.election import rank, used_elsewhere
from symphony.core.beacon.lease import conductor_until_ms
from symphony.core.events import UnitAwarded
from symphony.core.ids import EntryId, Epoch, NodeId, UnitId, derived_salt
from symphony.core.messages import Order, Stop, Work
from symphony.core.records import AWARD, MAX_BODY_BYTES, Award, AwardRecord
from symphony.core.stewards.line import next_epoch
from symphony.core.surroundings import Surroundings
from symphony.core.tasks.notes import BiddersKept, portions
from symphony.core.tasks.task_run import TaskRun
from symphony.core.tasks.unit import Unit
from symphony.core.timers import LeaseOver, StragglerDue
from symphony.core.votes.judges import barred


class Awards:
    """Gives units to owners. `order_for` builds the order that an owner gets; `give_up` is called
    with a unit that can't be paid for, an error code and a text.
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

    def elect(self, run: TaskRun, unit: Unit, same_entry: Sequence[Unit]) -> bool:
        """Choose the owner among the candidates that are left; False if there is none."""
        since = [u for u in run.units.values() if u.awarded_ms > unit.bids_at_ms and u.owner]
        for other in (*since, *same_entry):
            self._count_slot(unit, other)
        lineage_of = {key: listing.capability.lineage for key, listing in run.listings.items()}
        used = used_elsewhere(unit.chain, run.latest)
        ranked = rank(run.spec.selection, unit.id, unit.candidates, lineage_of, used)
        able, out = self._around.alive(), barred(run, unit)
        for candidate in ranked:
            operator = run.listings[EntryId(candidate.capability)].capability.operator
            bars = NodeId(candidate.owner) not in able or out.bars(
                NodeId(candidate.owner), operator
            )
            if bars and candidate.owner not in unit.avoided:
                unit.avoided.append(NodeId(candidate.owner))
            strange = candidate.owner != self._around.me and candidate.owner not in run.nodes
            if run.nodes_spent and strange and candidate.owner not in unit.avoided:
                unit.avoided.append(NodeId(candidate.owner))
        winner = next((c for c in ranked if c.owner not in unit.avoided), None)
        if winner is None or unit.attempts >= limits.MAX_ATTEMPTS:
            return False
        if winner.owner != self._around.me:
            run.nodes.add(NodeId(winner.owner))
        unit.attempts += 1
        place = run.line.place if run.line is not None else None
        unit.epoch = unit.highest = next_epoch(max(unit.epoch, unit.highest), place)
        unit.award = Award(
            unit=unit.id,
            name=unit.name,
            epoch=unit.epoch,
            owner=winner.owner,
            agent=winner.agent,
            capability=winner.capability,
            score=winner.score,
            lease_ms=limits.LEASE_MS,
            requirement=unit.needs,
            candidates=unit.candidates,
            avoided=tuple(c.owner for c in unit.candidates if c.owner in unit.avoided),
            lapse=unit.lapse,
        )
        unit.lapse = None
        run.latest[unit.chain] = lineage_of[EntryId(winner.capability)], winner.owner
        return True

    @staticmethod
    def _count_slot(unit: Unit, other: Unit) -> None:
        """A slot that was just given to `other` is no longer free for `unit`."""
        assert other.award is not None
        unit.candidates = tuple(
            replace(c, free=max(0, c.free - 1))
            if (c.owner, c.agent) == (other.award.owner, other.award.agent)
            else c
            for c in unit.candidates
        )

    def hand_out_ahead(self, run: TaskRun, unit: Unit) -> bool:
        """Send the work of a unit whose award was written ahead. False if there is none, or if it
        can't be used any more.
        """
        raw, unit.ahead = unit.ahead, b""
        if not raw:
            return False
        assert unit.award is not None
        owner = NodeId(unit.award.owner)
        fresh = self._out.now_ms <= unit.bids_at_ms + limits.BID_LIFETIME_MS
        gone = owner in unit.avoided or owner not in self._around.alive()
        if gone or not fresh or self._made_elsewhere(run, unit):
            self.take_back(run, unit)
            unit.attempts -= 1  # it was never made
            unit.lapse = "unused"
            return False
        self._hand_out(run, unit, raw)
        return True

    @staticmethod
    def _made_elsewhere(run: TaskRun, unit: Unit) -> bool:
        """Did the output that its owner was to fill in come of another award? Then the owner may
        have begun with what it made first, though that was never heard of.
        """
        if unit.held_after is None:
            return False
        made = run.units[unit.held_after]
        assert made.result is not None
        assert unit.award is not None
        return (made.result.author, made.epoch) != (unit.award.owner, unit.held_epoch)

    def _send_ahead(self, run: TaskRun, unit: Unit, raw: bytes) -> None:
        """Send the work before its turn, if all that it lacks is being made by its own owner."""
        assert unit.award is not None
        lacks = [step for step in run.steps_before(unit) if step.state != "done"]
        alone = len(lacks) == 1 and lacks[0].rival is None
        if not alone or lacks[0].owner != unit.award.owner:
            return
        order = self._order_for(run, unit)
        tokens = tokens_needed(order) + run.unknown_tokens(unit)
        if run.affordable(tokens):
            run.reserve(unit, tokens)
            unit.held_after, unit.held_epoch = lacks[0].id, lacks[0].epoch
            unit.salt = salt_for(run, unit.id, unit.epoch)
            self._send(run, unit, raw, order)

    def take_back(self, run: TaskRun, unit: Unit) -> None:
        """Work that was sent ahead is not to be begun; if it was, nobody waits for it."""
        if unit.held_after is not None:
            assert unit.award is not None
            run.write_off(unit)
            unit.held_after, unit.begun = None, False
            self._out.send(NodeId(unit.award.owner), Stop(unit.id, unit.epoch))

    def write(self, run: TaskRun, units: Sequence[Unit]) -> None:
        """Write the awards down, then send the work to the owners of units whose turn it is."""
        left = list(units)
        while left and not run.ended:
            batch, record, body = self._fitting_entry(run, left)
            left = left[len(batch) :]
            entry = self._around.journal.write(Kind.AWARD, body, refs=(run.entries[0].id,))
            run.entries.append(entry)
            self._around.experience.awarded(record)
            self._note_bidders(run, batch)
            self._around.entrusting.entry(run, entry)
            raw = entry.encode()
            for unit in batch:
                unit.award_id = EntryId(entry.id)
                if unit.state == "waiting":
                    unit.ahead = raw
                    self._send_ahead(run, unit, raw)
                elif (
                    unit.state == "calling" or unit.rival is not None
                ):  # giving up one may have ended the chain, or the task
                    self._hand_out(run, unit, raw)

    def _note_bidders(self, run: TaskRun, units: Sequence[Unit]) -> None:
        """Keep the capabilities that these awards are the first of their task to refer to."""
        ids = [EntryId(bidder.capability) for unit in units for bidder in unit.candidates]
        fresh = [entry_id for entry_id in dict.fromkeys(ids) if entry_id not in run.noted]
        run.noted.update(fresh)
        raw = [run.listings[entry_id].entry.encode() for entry_id in fresh]
        for some in portions(raw):
            self._around.entrusting.keep(run, BiddersKept(some))

    @staticmethod
    def _fitting_entry(
        run: TaskRun, units: Sequence[Unit]
    ) -> tuple[Sequence[Unit], AwardRecord, bytes]:
        """As many of the awards as one entry can hold, and its body; one always fits."""
        count = min(len(units), limits.MAX_AWARDS_PER_ENTRY)
        while True:
            awards = tuple(unit.award for unit in units[:count] if unit.award is not None)
            record = AwardRecord(run.task, awards)
            body = AWARD.encode(record)
            if len(body) <= MAX_BODY_BYTES:
                return units[:count], record, body
            assert count > 1, f"one award of {len(body)} bytes"
            count -= 1

    def _hand_out(self, run: TaskRun, unit: Unit, raw: bytes) -> None:
        award = unit.award
        assert award is not None
        order = self._order_for(run, unit)
        tokens = tokens_needed(order)
        if not run.affordable(tokens - unit.reserved_tokens):
            left = run.tokens_left + unit.reserved_tokens
            text = f"{unit.name} needs up to {tokens} tokens, and {left} of the budget are left"
            self.take_back(run, unit)
            self._give_up(run, unit, "budget_exhausted", text)
            return
        unit.order = order
        begun, unit.held_after, unit.begun = unit.begun, None, False
        run.release(unit)  # what it had while it was not known how much it would have to read
        run.reserve(unit, tokens)
        unit.state = "working"
        unit.salt = salt_for(run, unit.id, unit.epoch)
        unit.answered_ms = unit.awarded_ms = self._out.now_ms
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
        said_ms = run.estimates_ms.get((unit.id, owner, award.agent), 0)
        late_ms = self._around.pace.expected_ms(owner, award.agent, unit.role, said_ms)
        if late_ms is not None and unit.rival is None:
            self._out.timer(StragglerDue(run.task, unit.id, unit.epoch), late_ms)
        if not begun:
            self._send(run, unit, raw, order)

    def send_again(self, run: TaskRun, unit: Unit) -> None:
        """The same work once more, to the byte: an owner that has it says how it stands."""
        entry = next(entry for entry in run.entries if entry.id == unit.award_id)
        assert unit.order is not None
        self._send(run, unit, entry.encode(), unit.order)

    def _send(self, run: TaskRun, unit: Unit, raw: bytes, order: Order) -> None:
        assert unit.award is not None
        left_ms = max(0, run.started_ms + run.spec.deadline_ms - self._out.now_ms)
        named = run.entries[0].encode() if run.line is not None and run.line.place else b""
        work = Work(raw, unit.id, unit.epoch, order, unit.salt, left_ms, unit.held_after, named)
        self._out.send(NodeId(unit.award.owner), work)

    def _at(self, run: TaskRun) -> int:
        return self._out.now_ms - run.started_ms


def salt_for(run: TaskRun, unit: UnitId, epoch: Epoch) -> bytes:
    """The salt that hides what goes in and out of one award of a unit."""
    return derived_salt(run.secret, unit, epoch)


def tokens_needed(order: Order) -> int:
    """What a unit may cost at most: a token is about three characters, plus the template. A judge's
    model is asked twice.
    """
    chars = len(order.question) + len(order.goal) + sum(len(q.text) for q in order.quotes)
    calls = 2 if order.role == "judge" else 1
    return calls * (chars // 3 + 200 + order.max_tokens)
