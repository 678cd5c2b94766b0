"""What must hold in every run: the invariants, and the numbers that describe a run.

Safety, checked as it happens:

- one verdict entry per task; one `TaskEnded` per task, within its deadline, or as soon as its
  conductor is back;
- what was done and written down is not done again after a restart;
- every receipt holds, and says what the task's last event said;
- tokens: never more used than the budget, and nothing stays reserved when a task ends;
- an agent never runs more than its slots, nor one award twice;
- a lease that the conductor gave up is no longer worked on by its owner;
- among honest nodes nobody is ever rejected.

Liveness, checked after healing: every task that was written down has ended, all ledgers and
directories are equal, and nobody works any more. What must hold of the ledger is in
`ledger_checks`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ledger import Entry, Kind, Verifier
from symphony.core.events import (
    BeaconSent,
    Event,
    FailedOver,
    PlanMade,
    TaskAccepted,
    TaskEnded,
    TaskResumed,
    TaskSteppedBack,
    TaskTakenOver,
    UnitAwarded,
    UnitDone,
    UnitHedged,
)
from symphony.core.ids import Epoch, NodeId, TaskId, UnitId, unit_id
from symphony.core.receipts.receipt import verify_receipt
from symphony.core.records import VERDICT
from symphony.core.tasks.task_run import TaskRun
from symphony.errors import ReceiptInvalid
from symphony.testing.bequest import allowed_ms
from symphony.testing.scenario import TaskScript

SLACK_MS = 100
"""How much later than its deadline a task may end: rounding, and clocks that drift."""


@dataclass(slots=True)
class Watch:
    """What is known about one submitted task."""

    script: TaskScript
    submitted_ms: int
    run: TaskRun | None
    ended: list[TaskEnded] = field(default_factory=list)
    verdicts: set[bytes] = field(default_factory=set)
    receipts: list[bytes] = field(default_factory=list)
    lost: bool = False  # its conductor crashed, and what it had written down is gone
    rolled_back: bool = False  # its conductor's home became an old copy of itself
    late_ms: int = 0  # how long after the deadline its conductor came back
    resumed_ms: int = 0  # when it last did
    kept: set[UnitId] = field(default_factory=set)  # steps whose results were there at a restart
    slack_ms: int = SLACK_MS
    called_ms: dict[str, int] = field(default_factory=dict)
    awarded_ms: dict[tuple[str, int], int] = field(default_factory=dict)
    hedged: dict[UnitId, NodeId] = field(default_factory=dict)  # units with rivals: the stragglers
    ended_ms: int = 0
    cost: dict[tuple[UnitId, Epoch], int] = field(default_factory=dict)  # of all generations
    workers: set[int] = field(default_factory=set)  # nodes that worked on it, but its conductor
    awards: int = 0
    """How many of its awards were seen."""
    refused_plans: set[str] = field(default_factory=set)
    conductors: int = 1
    """How many nodes conducted it, one after the other or at once."""
    lost_ms: int = 0
    """When its conductor was lost for good."""
    authors: list[bytes] = field(default_factory=list)
    """Who gave a verdict."""
    ended_at: list[int] = field(default_factory=list)
    """The nodes that said how it ended."""


@dataclass(slots=True)
class Checks:
    """Collects violations, marks and measures of one run."""

    verify: Verifier
    kinds: frozenset[str] = frozenset()
    violations: list[str] = field(default_factory=list)
    marks: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    award_ms: list[int] = field(default_factory=list)
    tasks: dict[TaskId, Watch] = field(default_factory=dict)
    task_of: dict[UnitId, TaskId] = field(default_factory=dict)

    def violate(self, text: str) -> None:
        self.violations.append(text)

    def appended(self, entry: Entry, *, own: bool) -> None:
        """An entry was accepted; `own` by its author. One may come back that its author lost."""
        if own and entry.kind == Kind.VERDICT and entry.body is not None:
            watch = self.tasks[TaskId(VERDICT.decode(entry.body).task)]
            watch.verdicts.add(entry.id)
            others = watch.authors.count(entry.author)
            watch.authors.append(entry.author)
            twice = others > 0 if watch.script.spec.durable else len(watch.verdicts) > 1
            if twice and not watch.rolled_back:
                self.violate(f"a second verdict for task {_name(watch)}")

    def told(self, now_ms: int, event: Event, node: int) -> None:
        """An event of any node: marks, measures, and the end of tasks."""
        match event:
            case TaskTakenOver() | TaskSteppedBack() | TaskAccepted():
                self._in_line(event)
            case BeaconSent(task, at_ms, units, _):
                called = self.tasks[task].called_ms
                for unit in units:
                    if unit in called:
                        self.marks.add("called again")
                    called.setdefault(unit, at_ms)
            case TaskResumed():
                self._resumed(now_ms, event)
            case UnitAwarded():
                if unit_id(event.task, event.unit) in self.tasks[event.task].kept:
                    self.violate(f"{event.unit} was done already, and is awarded again")
                self.task_of[unit_id(event.task, event.unit)] = event.task
                self.tasks[event.task].awarded_ms[event.unit, event.epoch] = now_ms
                if self.tasks[event.task].script.node == node:
                    self._measure(self.tasks[event.task], event)
            case UnitHedged():
                self.marks.add("hedged")
                self.counts["hedges"] += 1
                hedged = self.tasks[event.task].hedged
                hedged[unit_id(event.task, event.unit)] = event.straggler
            case UnitDone():
                if event.unit.startswith("judge/"):
                    self.marks.add("answers compared")
                straggler = self.tasks[event.task].hedged.get(unit_id(event.task, event.unit))
                if straggler is not None:
                    won = "straggler" if straggler == event.owner else "rival"
                    self.marks.add(f"hedge won by the {won}")
            case FailedOver():
                self.tasks[event.task].called_ms.setdefault(event.unit, event.at_ms)
                if event.reason.startswith("bad plan"):
                    self.tasks[event.task].refused_plans.add(event.unit)
                self._mark_failover(event.reason)
            case TaskEnded():
                self._ended(now_ms, event, node)
            case PlanMade(task=task, chain=chain):
                if event.fallback:
                    self.marks.add("plan fell back")
                elif f"plan/{chain}" in self.tasks[task].refused_plans:
                    self.marks.add("plan mended")
            case _:
                pass

    def _in_line(self, event: TaskTakenOver | TaskSteppedBack | TaskAccepted) -> None:
        """What happens to durable tasks only."""
        watch = self.tasks[event.task]
        match event:
            case TaskTakenOver():
                self.marks.add("task taken over")
                watch.conductors += 1
                watch.kept.clear()
                watch.called_ms.clear()
            case TaskSteppedBack():
                self.marks.add("stepped back")
            case TaskAccepted() if watch.script.spec.durable:
                self.marks.add("durable task")

    def crashed(self, watch: Watch, steps: set[UnitId] | None) -> None:
        """The conductor of a task died; `steps` are those whose results are on its disk, None if
        nothing is there of the task at all.
        """
        watch.run = None
        watch.lost = watch.lost or steps is None
        watch.kept = steps or set()
        watch.called_ms.clear()
        watch.awards = 0

    def _resumed(self, now_ms: int, event: TaskResumed) -> None:
        watch = self.tasks[event.task]
        watch.resumed_ms = now_ms
        deadline_ms = watch.submitted_ms + watch.script.spec.deadline_ms
        watch.late_ms = max(watch.late_ms, now_ms - deadline_ms)
        self.marks.add("task resumed")
        if event.done:
            self.marks.add("task resumed with steps done")
        if event.running:
            self.marks.add("task resumed with owners at work")

    def _measure(self, watch: Watch, event: UnitAwarded) -> None:
        """How long did the unit wait for its owner, since it needed one? One that was called for
        ahead and whose turn came later did not wait, and is not counted.
        """
        called_ms = watch.called_ms.pop(event.unit, event.at_ms)
        waited_ms = event.at_ms - called_ms
        if watch.run is not None and len(watch.run.award_waits_ms) > watch.awards:
            needed_ms = watch.run.award_waits_ms[watch.awards]
            watch.awards += 1
            ahead = needed_ms == 0 < waited_ms
            waited_ms = min(waited_ms, needed_ms)
        else:
            ahead = False
        if not ahead:
            self.award_ms.append(waited_ms)
        self.counts["awards"] += 1
        self.counts["bids"] += event.bids

    def _mark_failover(self, reason: str) -> None:
        for part, mark in (
            ("connection broke", "failover: connection broke"),
            ("silent", "failover: silent for a lease"),
            ("engine", "failover: engine failed"),
            ("refused", "failover: refused"),
            ("bad plan", "bad plan"),
        ):
            if reason.startswith(part) or part in reason:
                self.marks.add(mark)

    def _ended(self, now_ms: int, event: TaskEnded, node: int) -> None:
        watch = self.tasks[event.task]
        name = _name(watch)
        if node in watch.ended_at and not watch.rolled_back:
            self.violate(f"task {name} ended twice")
        watch.ended.append(event)
        watch.ended_at.append(node)
        if len(watch.ended) > 1 and watch.script.spec.durable:
            return  # another of its line says so, too; see `bequest`
        watch.ended_ms = now_ms
        late_ms = now_ms - watch.submitted_ms - watch.script.spec.deadline_ms
        durable_ms = allowed_ms(watch, self.kinds) if watch.script.spec.durable else 0
        if late_ms > watch.slack_ms + max(watch.late_ms, durable_ms):
            self.violate(f"task {name} ended {late_ms} ms after its deadline")
        self._mark_end(event)
        if event.outcome == "answered" and watch.conductors > 1:
            self.marks.add("task taken over and answered")
        if event.error == "ledger_invalid" or node != watch.script.node:
            watch.run = None  # its conductor's log is over: there is no verdict
        if watch.run is not None and watch.run.tokens_reserved != 0:
            self.violate(f"task {name} ended with {watch.run.tokens_reserved} tokens reserved")
        if event.tokens > watch.script.spec.budget_tokens:
            self.violate(f"task {name} used {event.tokens} tokens, more than its budget")
        if event.receipt and not watch.rolled_back and not watch.script.spec.durable:
            self._check_receipt(watch, event)
        if event.outcome == "answered" and "task resumed" in self.marks and watch.kept:
            self.marks.add("task resumed and answered")

    def _mark_end(self, event: TaskEnded) -> None:
        self.counts[f"tasks {event.outcome}"] += 1
        if event.stop.startswith("exact"):
            self.marks.add("exact stop")
        for mark, holds in (
            ("answered", event.outcome == "answered"),
            ("not certified", event.outcome == "not_certified"),
            ("cancelled", event.outcome == "cancelled"),
            ("deadline", "deadline" in event.stop),
            ("no bids", event.error == "no_bids"),
            ("budget exhausted", event.error == "budget_exhausted"),
        ):
            if holds:
                self.marks.add(mark)

    def _check_receipt(self, watch: Watch, event: TaskEnded) -> None:
        name = _name(watch)
        if len(watch.receipts) != 1:
            self.violate(f"task {name} has {len(watch.receipts)} receipts")
            return
        try:
            report = verify_receipt(watch.receipts[0], verify=self.verify)
        except ReceiptInvalid as error:
            self.violate(f"the receipt of task {name} does not hold: {error.message}")
            return
        said = (event.outcome, event.answer or None, len(event.ballots))
        if said != (report.outcome, report.answer, len(report.ballots)):
            self.violate(f"the receipt of task {name} says otherwise than its last event")

    def finished(self, expect: Iterable[tuple[str, int]]) -> None:
        """After the second phase: did every task end, and as many as expected as expected?"""
        for outcome, least in expect:
            if self.counts[f"tasks {outcome}"] < least:
                self.violate(
                    f"{self.counts[f'tasks {outcome}']} tasks {outcome}, fewer than {least}"
                )
        for watch in self.tasks.values():
            if not watch.ended and not watch.lost:
                self.violate(f"task {_name(watch)} never ended")
            said = watch.ended and watch.ended[-1].receipt and not watch.rolled_back
            few, many = not watch.verdicts, len(watch.verdicts) > 1
            if said and (few or (many and not watch.script.spec.durable)):
                self.violate(f"task {_name(watch)} ended with {len(watch.verdicts)} verdicts")


def _name(watch: Watch) -> str:
    return f"at node {watch.script.node}, {watch.script.at_ms} ms"
