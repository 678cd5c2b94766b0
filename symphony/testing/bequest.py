"""Durable tasks in simulated swarms, and conductors that are lost for good.

Drawn by a generator of their own, after everything else, so that an old seed still has what it had
when it failed (`hardships`). Not in runs with hostile nodes: two stewards that lie are as good as
none, and what lies do to a swarm is another scenario's.

What must hold of a durable task, besides what holds of all:

- it ends, as long as its conductor or one node that holds anything of it runs, and in calm weather
  within its deadline or two leases after it was lost;
- nobody in its line gives two verdicts; each receipt holds; of several verdicts one counts, and it
  has an answer if any has (`line`);
- a second verdict needs a cut, a pause or a restart: where a conductor just dies there is one.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from symphony.core import limits
from symphony.core.ids import TaskId
from symphony.core.receipts.receipt import verify_receipt
from symphony.core.spec import TaskSpec
from symphony.core.stewards.line import rank
from symphony.errors import ReceiptInvalid
from symphony.testing.faults import Lose
from symphony.testing.scenario import Scenario

if TYPE_CHECKING:
    from symphony.core.receipts.report import ReceiptReport
    from symphony.testing.checks import Watch
    from symphony.testing.sim import World

MARKS = (
    "durable task",
    "conductor lost for good",
    "task taken over",
    "task taken over and answered",
    "stepped back",
    "two verdicts, one counts",
)
CALM = frozenset({"drift", "skew", "repeats", "bad_plans", "no_encoder", "engine_fails", "poor"})
"""Faults that keep nobody from hearing anybody."""
LATE_MS = 2 * limits.LEASE_MS + limits.TEND_EVERY_MS + 2_000
"""After its deadline, or after the loss of its conductor, a task ends within this."""
REST_MS = 120_000
"""And when the network is not calm, within this."""


def bequeath(drawn: Scenario, *, always: bool = False) -> Scenario:
    """The scenario with its durable tasks, and with the conductor of one that is lost; in every
    fourth run, or `always`, and then with time enough to take over.
    """
    random = Random(f"bequest/{drawn.seed}")
    hostile = any(node.hostile or node.mischief for node in drawn.nodes)
    wanted = random.random() < 0.25 or always
    if not wanted or hostile or len(drawn.nodes) < 3:
        return drawn
    tasks = tuple(
        task
        if task.spec.privacy == "local" or random.random() < 0.3
        else replace(task, spec=_durable(task.spec, always))
        for task in drawn.tasks
    )
    durable = [task for task in tasks if task.spec.durable]
    if not durable:
        return drawn
    actions = list(drawn.actions)
    if random.random() < (0.8 if always else 0.6):
        task = random.choice(durable)
        actions.append(Lose(task.at_ms + random.choice((20, 300, 1_500, 4_000)), task.node))
    actions.sort(key=lambda action: action.at_ms)
    return replace(drawn, tasks=tasks, actions=tuple(actions), kinds=drawn.kinds | {"durable"})


def _durable(spec: TaskSpec, patient: bool) -> TaskSpec:
    return replace(spec, durable=True, deadline_ms=70_000 if patient else spec.deadline_ms)


def lose(world: World, node: int) -> None:
    """A node dies, and never comes back."""
    machine = world.machines[node]
    if machine.swarm is None:
        machine.gone = True
        _lost(world, node)
        return
    conducted = {task for task, run in machine.swarm.conductor.runs.items() if run.line}
    machine.gone = True
    world.stop(machine, "is lost for good")
    _lost(world, node)
    if any(not world.checks.tasks[task].lost for task in conducted):
        world.checks.marks.add("conductor lost for good")


def _lost(world: World, node: int) -> None:
    """Its tasks end only where another node holds something of them; its tail may be nowhere."""
    for task, watch in world.checks.tasks.items():
        if watch.script.node == node and not watch.ended:
            watch.lost = not _held(world, task)
            watch.lost_ms = world.now_ms
    disk = world.machines[node].disk
    own = disk.store.range(world.machines[node].id, 1, 1 << 30, 1 << 30)
    others = [machine for machine in world.machines if machine.index != node]
    world.ledger.rolled_back(own, others)


def _held(world: World, task: TaskId) -> bool:
    """Does any node that runs, or comes back, hold boxes about a task?"""
    for machine in world.machines:
        if machine.gone:
            continue
        swarm = machine.swarm
        charge = None if swarm is None else swarm.conductor.stewarding.keeping.charge(task)
        if charge is not None and charge.best() is not None:
            return True
        if machine.disk.notes.get(task):
            return True
    return False


def waiting(world: World) -> bool:
    """Does a durable task wait for somebody to take it over?"""
    swarms = [machine.swarm for machine in world.machines if machine.swarm is not None]
    return any(
        charge.over is None and charge.best() is not None
        for swarm in swarms
        for charge in swarm.conductor.stewarding.keeping
    )


def allowed_ms(watch: Watch, kinds: frozenset[str]) -> int:
    """How long after its deadline a durable task may end."""
    if not kinds - CALM <= {"durable"}:
        return REST_MS
    after_loss_ms = watch.lost_ms - watch.submitted_ms - watch.script.spec.deadline_ms
    return LATE_MS + max(0, after_loss_ms)


def check(world: World) -> None:
    """All that was said about durable tasks, at the end of a run."""
    checks = world.checks
    for watch in checks.tasks.values():
        if not watch.script.spec.durable or watch.rolled_back:
            continue
        name = f"durable task at node {watch.script.node}, {watch.script.at_ms} ms"
        reports = [report for raw in watch.receipts if (report := _report(world, raw)) is not None]
        if len(reports) < len(watch.receipts):
            checks.violate(f"a receipt of the {name} does not hold")
            continue
        by_author: dict[bytes, set[tuple[str, str | None]]] = {}
        for report in reports:
            said = by_author.setdefault(report.author, set())
            said.add((report.outcome, report.answer))
        if any(len(said) > 1 for said in by_author.values()):
            checks.violate(f"one node gave two verdicts on the {name}")
        _check_count(world, watch, name, reports)


def _check_count(world: World, watch: Watch, name: str, reports: list[ReceiptReport]) -> None:
    ranks = {rank(r.in_line.outcome, r.in_line.place): r for r in reports}
    if len(ranks) > 1:
        world.checks.marks.add("two verdicts, one counts")
        best = ranks[min(ranks)]
        if best.outcome != "answered" and any(r.outcome == "answered" for r in reports):
            world.checks.violate(f"an answer of the {name} does not count")
        if world.scenario.kinds - CALM <= {"durable"}:
            world.checks.violate(f"two verdicts on the {name} in calm weather")
    if len(watch.verdicts) > len(reports) and not watch.lost_ms:
        world.checks.violate(f"a verdict of the {name} has no receipt")


def _report(world: World, raw: bytes) -> ReceiptReport | None:
    try:
        return verify_receipt(raw, verify=world.keys.verify)
    except ReceiptInvalid as error:
        world.checks.violate(f"receipt: {error.message}")
        return None
