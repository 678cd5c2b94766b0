"""What is left of a task after its conductor died: notes and log entries, and the run made of them.

The own log says which awards were made, in which epochs, and whether there is a verdict; the notes
say what was asked, and what came back. From both a `TaskRun` is made as it was, with one
difference: who may still be at work is not known. So a unit whose last award has no result counts
as *working*, and its owner has a whole lease to say so; work that ran in this very process died
with it (`resuming`).

Notes and log are two files, so either may be a moment ahead of the other. A result without its
award is passed over. An award whose bidders are unknown can't be shown in a receipt; then the task
is `Lost`, and ends as failed. If a plan or an output is lost, an order made again may differ from
that which its owner has: the result is then of no use here, which is no fault of the owner.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from ledger import Entry, Kind, parse_entry
from ledger.clock import physical_ms
from symphony.core.beacon.awards import salt_for, tokens_needed
from symphony.core.beacon.election import chain_of
from symphony.core.beacon.lease import conductor_until_ms
from symphony.core.ids import EntryId, Epoch, NodeId, TaskId, UnitId
from symphony.core.owner.orders import order_for
from symphony.core.owner.prompts import JUDGE_SKILL, PLAN_SKILL
from symphony.core.peers.directory import Listing
from symphony.core.records import AWARD, CAPABILITY, RESULT, TASK, Award, AwardRecord
from symphony.core.stewards.line import Line, line_of
from symphony.core.tasks.chains import Chains
from symphony.core.tasks.notes import (
    BiddersKept,
    BoxKept,
    ChainTurned,
    EntryKept,
    EvidenceKept,
    ResultKept,
    TaskBegun,
    TaskNote,
)
from symphony.core.tasks.plan import BadPlan, parse_plan
from symphony.core.tasks.task_run import Chain, TaskRun
from symphony.core.tasks.unit import NO_EPOCH, Unit
from symphony.core.votes.comparison import pair_in

Made = tuple[Award, EntryId]


class Lost(Exception):
    """Too little is left of a task to go on with it; the text says what is missing."""


class Remains:
    """One task of an earlier life of this node."""

    def __init__(
        self,
        task: TaskId,
        begun: TaskBegun,
        notes: Iterable[TaskNote],
        until_ms: int | None = None,
    ) -> None:
        """`until_ms` is the deadline, where that is known better than from the time of day."""
        self.task = task
        self.begun = begun
        self.notes = tuple(notes)
        self.until_ms = until_ms
        kept = (note for note in self.notes if isinstance(note, EntryKept))
        self.given = [parse_entry(note.entry) for note in kept]
        """The entries about the task in the logs of others that conducted it before."""
        self.own: dict[int, Entry] = {}
        """The entries of the own log about the task, by number."""

    def entries(self) -> list[Entry]:
        """All of them, in the order in which they were written."""
        return [*self.given, *(self.own[seq] for seq in sorted(self.own))]

    def entry(self, kind: Kind) -> Entry | None:
        """The one entry of this kind: the task, or its verdict."""
        return next((entry for entry in self.entries() if entry.kind == kind), None)

    def evidence(self) -> list[Entry]:
        """The entries that came with a verdict which cites them."""
        kept = [note for note in self.notes if isinstance(note, EvidenceKept)]
        return [parse_entry(raw) for note in kept for raw in note.entries]

    def awards(self) -> list[tuple[Entry, AwardRecord]]:
        """All award entries in the order of the log."""
        found = self.entries()
        return [(e, AWARD.decode(e.body or b"")) for e in found if e.kind == Kind.AWARD]

    def bare(self, me: NodeId, now_ms: int, wall_ms: int) -> TaskRun:
        """The run as it began. `wall_ms` is the time of day now."""
        begun = self.begun
        started_ms = now_ms - max(0, wall_ms - begun.wall_ms)
        if self.until_ms is not None:
            started_ms = self.until_ms - begun.spec.deadline_ms
        chains = [Chain(index) for index in range(begun.spec.chains)]
        run = TaskRun(self.task, begun.salt, begun.spec, started_ms, chains)
        run.secret, run.skills = begun.secret, begun.skills
        task = self.entry(Kind.TASK)
        if task is not None:
            run.entries.append(task)
            nodes = line_of(NodeId(task.author), TASK.decode(task.body or b""))
            if begun.boxes and me in nodes:
                run.line = Line(nodes, begun.boxes, nodes.index(me))
                run.nodes.update(node for node in nodes[1:] if node != me)
        return run


class Rebuilding:
    """Makes one run from its remains. Chains tell their plans and results once more."""

    def __init__(
        self, remains: Remains, run: TaskRun, chains: Chains, me: NodeId, now_ms: int
    ) -> None:
        self._remains = remains
        self._me = me
        self._run = run
        self._chains = chains
        self._now_ms = now_ms
        self._made: dict[UnitId, dict[Epoch, Made]] = defaultdict(dict)
        self._answered: dict[UnitId, dict[Epoch, bool]] = defaultdict(dict)
        """Which epochs have a result, and whether it was a good one."""

    def rebuild(self) -> None:
        """Fill the run. Raises `Lost`."""
        self._bidders()
        self._awards()
        for note in self._remains.notes:
            match note:
                case ResultKept():
                    self._result(note)
                case ChainTurned():
                    self._turned(note)
                case BiddersKept() | TaskBegun() | EntryKept() | EvidenceKept() | BoxKept():
                    pass
        for awards in self._made.values():
            self._placed(awards)
        for unit in self._run.units.values():
            if unit.id in self._made:
                self._owner(unit, self._made[unit.id])
                self._spent(unit, self._made[unit.id])

    def _bidders(self) -> None:
        for note in self._remains.notes:
            for raw in note.entries if isinstance(note, BiddersKept) else ():
                entry = parse_entry(raw)
                capability = CAPABILITY.decode(entry.body or b"")
                until_ms = physical_ms(entry.expires or 0)
                listing = Listing(NodeId(entry.author), capability, entry, until_ms)
                self._run.listings[listing.id] = listing
                self._run.noted.add(listing.id)

    def _awards(self) -> None:
        run = self._run
        for entry, record in self._remains.awards():
            run.entries.append(entry)
            for award in record.awards:
                for bidder in award.candidates:
                    if bidder.capability not in run.listings:
                        raise Lost("the bidders of an award")
                self._made[UnitId(award.unit)][Epoch(award.epoch)] = award, EntryId(entry.id)
                lineage = run.listings[EntryId(award.capability)].capability.lineage
                run.latest[chain_of(award.name)] = lineage, award.owner

    def _result(self, note: ResultKept) -> None:
        run, entry = self._run, parse_entry(note.entry)
        record = RESULT.decode(entry.body or b"")
        made = self._made.get(UnitId(record.unit), {}).get(Epoch(record.epoch))
        unit = self._placed({Epoch(record.epoch): made}) if made is not None else None
        if made is None or unit is None or unit.state == "done":
            return
        good = record.status == "ok"
        self._answered[unit.id][Epoch(record.epoch)] = good
        run.entries.append(entry)
        run.tokens_used += note.tokens
        if not good:
            run.failovers += 1
            return
        unit.award, unit.award_id = made
        unit.salt = salt_for(run, unit.id, Epoch(record.epoch))
        unit.output, unit.result, unit.record = note.output, entry, record
        if unit.role == "plan":
            self._planned(unit)
        else:
            self._chains.accept(run, unit)

    def _planned(self, unit: Unit) -> None:
        run = self._run
        try:
            plan = parse_plan(unit.output)
        except BadPlan as error:
            if unit.complaint:
                self._chains.accept(run, unit)  # what came instead is in the next note
            unit.complaint = str(error)
            return
        self._chains.accept(run, unit)
        self._chains.adopt(run, run.chains[unit.chain], plan)

    def _turned(self, note: ChainTurned) -> None:
        chain = self._run.chains[note.chain]
        if note.code:
            chain.failure = (note.code, note.why)
        else:
            self._chains.adopt_direct(self._run, chain, note.why)

    def _placed(self, awards: Mapping[Epoch, Made]) -> Unit | None:
        """The unit that was awarded; made, if it is a plan, or the direct step of its chain."""
        run = self._run
        award = next(iter(awards.values()))[0]
        unit = run.units.get(UnitId(award.unit))
        if award.requirement.role == "judge":
            number = chain_of(award.name)
            new = Unit(run.task, award.name, number, "judge", JUDGE_SKILL)
            return unit or run.add_unit(new)
        chain = run.chains[chain_of(award.name)]
        if unit is None and award.requirement.role == "plan":
            return run.add_unit(Unit(run.task, award.name, chain.index, "plan", PLAN_SKILL))
        if unit is None and chain.plan is None:
            self._chains.adopt_direct(run, chain)
            unit = run.units.get(UnitId(award.unit))
        return unit

    def _owner(self, unit: Unit, made: Mapping[Epoch, Made]) -> None:
        """Who owned a unit last, and whether it may be at work still."""
        if unit.role == "judge":
            finals = (self._run.chains[chain].final for chain in pair_in(unit.name))
            if None in finals:
                raise Lost("what was compared")
        answered = self._answered[unit.id]
        unit.epoch = unit.highest = max(made)
        unit.attempts = len(made)
        last, award_id = made[unit.epoch]
        tried = (award.owner for epoch, (award, _) in made.items() if epoch != unit.epoch)
        unit.avoided = [NodeId(owner) for owner in dict.fromkeys((*tried, *last.avoided))]
        if unit.state == "done":
            return
        if unit.role != "judge" and self._is_over(unit):
            unit.state = "failed"
        elif unit.epoch in answered:
            unit.state, unit.lapse = "calling", "bad_plan"
            if not answered[unit.epoch]:
                unit.avoided.append(NodeId(last.owner))
                unit.lapse = "failed"
        elif unit.role == "solve" and last.requirement.skill != unit.skill:
            unit.state, unit.lapse = "calling", "lost"  # the award was for a plan that is lost
        elif all(step.state == "done" for step in self._run.steps_before(unit)):
            self._working(unit, last, award_id)
        else:
            unit.attempts -= 1  # awarded ahead: its turn never came
            unit.lapse = "unused"

    def _is_over(self, unit: Unit) -> bool:
        """Is nobody to work on it any more?"""
        chain = self._run.chains[unit.chain]
        return chain.ended or (unit.role == "plan" and chain.plan is not None)

    def _spent(self, unit: Unit, made: Mapping[Epoch, Made]) -> None:
        """Nodes that were asked count as asked; calls that gave nothing may have cost all."""
        run = self._run
        run.nodes.update(NodeId(a.owner) for a, _ in made.values() if a.owner != self._me)
        if any(step.state != "done" for step in run.steps_before(unit)):
            return  # what was awarded ahead was never begun
        at_work = unit.epoch if unit.state == "working" else NO_EPOCH
        good = [epoch for epoch, good in self._answered[unit.id].items() if good]
        lost = len(made.keys() - {at_work, *good})
        run.tokens_lost += lost * tokens_needed(order_for(run, unit))

    def _working(self, unit: Unit, award: Award, award_id: EntryId) -> None:
        run = self._run
        unit.state, unit.unsure, unit.rebuilt = "working", True, unit.epoch
        unit.award, unit.award_id, unit.requirement = award, award_id, award.requirement
        unit.salt = salt_for(run, unit.id, unit.epoch)
        unit.order = order_for(run, unit)
        run.reserve(unit, tokens_needed(unit.order))
        unit.answered_ms = unit.awarded_ms = self._now_ms
        unit.lease_until_ms = conductor_until_ms(self._now_ms, award.lease_ms)
