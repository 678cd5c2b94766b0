"""What befalls the nodes of a world: each action of a scenario, done at its time.

Whatever really happened leaves its mark; an action that found nobody there leaves none.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, assert_never

from symphony.core import limits
from symphony.core.events import FailedOver, PeerSilent, SelfDoubted
from symphony.core.ids import unit_id
from symphony.core.messages import Entries
from symphony.testing.bequest import lose
from symphony.testing.disk import Copy
from symphony.testing.faults import (
    Action,
    Crash,
    Flood,
    Forge,
    Jump,
    Lose,
    Pause,
    Restore,
    Sever,
    Split,
    Tear,
    Write,
)
from symphony.testing.mischief import flood

if TYPE_CHECKING:
    from symphony.testing.machine import Machine
    from symphony.testing.sim import World

STRIKE_MS = 24
"""A crash that lies in wait strikes before entries have waited long enough for a commit."""
TRY_AGAIN_MS = 15_000
"""When a node that refused to start is started again: by then others may be up."""
FAR_BACK = 10
"""Further back than the headers that a book remembers."""


def prepare(world: World, action: Action) -> None:
    """Put an action into the world's calendar."""
    if isinstance(action, Restore):
        copies: list[Copy] = []
        disk = world.machines[action.node].disk
        world.at(action.copied_ms, lambda: copies.append(disk.copy()))
        world.at(action.at_ms, partial(_restore, world, action, copies))
    else:
        world.at(action.at_ms, partial(_befall, world, action))


def _befall(world: World, action: Action) -> None:
    match action:
        case Crash(_, node, down_ms, in_wait):
            if in_wait:
                world.machines[node].doomed = True
            else:
                crash(world, world.machines[node], down_ms)
        case Split():
            _split(world, action)
        case Pause(_, node, for_ms):
            _pause(world, world.machines[node], for_ms)
        case Write(_, node, count):
            world.machines[node].write(count)
        case Tear():
            _tear(world, action)
        case Forge():
            _forge(world, action)
        case Restore():
            pass  # prepared with its copy
        case Jump():
            _jump(world, world.machines[action.node], action.by_ms)
        case Lose(_, node):
            lose(world, node)
        case Sever():
            _sever(world, action)
        case Flood(_, node, count):
            flood(world, world.machines[node], count)
        case _:
            assert_never(action)


def crash(world: World, machine: Machine, down_ms: int) -> bool:
    """A node stops dead, if it runs, and starts again later."""
    if machine.swarm is None:
        return False
    marks = world.checks.marks
    marks.add("crash")
    if machine.bench.running:
        marks.add("crash of an owner")
    if len(machine.swarm.conductor):
        marks.add("crash of a conductor")
    world.stop(machine, "crashes")
    world.at(world.now_ms + down_ms, partial(world.boot, machine))
    return True


def strike(world: World, machine: Machine) -> None:
    """The crash that lay in wait: a moment from now."""
    life = machine.incarnation
    after_ms = world.random.randrange(STRIKE_MS)

    def now() -> None:
        if machine.incarnation == life:
            crash(world, machine, world.random.choice((50, 1_000, 8_000)))

    world.at(world.now_ms + after_ms, now)


def stopped_short(world: World, machine: Machine) -> None:
    """A node found that its log lacks what it said already: it ends, and a person tries again."""
    world.checks.marks.add("own log short")
    world.stop(machine, "refuses to go on")
    world.at(world.now_ms + TRY_AGAIN_MS, partial(world.boot, machine))


def _tear(world: World, tear: Tear) -> None:
    machine = world.machines[tear.node]
    if crash(world, machine, tear.down_ms):
        _rolled_back(world, machine, copied=False)
        gone = machine.disk.tear(tear.commits)
        if gone:
            world.checks.marks.add("torn database")
            world.note(f"node {tear.node} loses {len(gone)} entries of its disk")
        world.ledger.rolled_back(gone, world.machines)


def _rolled_back(world: World, machine: Machine, *, copied: bool) -> None:
    """What this node had written down of its tasks may be gone, and so may be a verdict."""
    for watch in world.checks.tasks.values():
        if watch.script.node == machine.index:
            watch.lost = True
            watch.kept.clear()
            watch.rolled_back = watch.rolled_back or copied


def _restore(world: World, restore: Restore, copies: list[Copy]) -> None:
    machine = world.machines[restore.node]
    if copies and crash(world, machine, restore.down_ms):
        _rolled_back(world, machine, copied=True)
        gone = machine.disk.restore(copies[0], in_place=restore.in_place)
        if gone:
            mark = "copy over the living files" if restore.in_place else "restored copy"
            world.checks.marks.add(mark)
            world.note(f"node {restore.node} comes back as it was {len(gone)} entries ago")
        world.ledger.rolled_back(gone, world.machines)


def _forge(world: World, forge: Forge) -> None:
    machine = world.machines[forge.node]
    if machine.swarm is None or machine.equivocator is None:
        return
    if machine.equivocator.lies:
        world.checks.marks.add("equivocation again")
    if forge_entries(machine, forge):
        world.checks.marks.add("equivocation")
        if forge.back > FAR_BACK:
            world.checks.marks.add("equivocation far back")
        to = sorted(forge.to)
        world.note(f"node {forge.node} signs {forge.length} entries twice, for nodes {to}")


def _pause(world: World, machine: Machine, for_ms: int) -> None:
    machine.paused_until_ms = world.now_ms + for_ms
    world.checks.marks.add("pause")
    world.note(f"node {machine.index} pauses for {for_ms} ms")
    for watch in world.checks.tasks.values():
        if watch.script.node == machine.index:
            watch.slack_ms += for_ms


def _jump(world: World, machine: Machine, by_ms: int) -> None:
    world.checks.marks.add("clock jump")
    world.note(f"the clock of node {machine.index} jumps by {by_ms} ms")
    machine.jump(by_ms)
    for watch in world.checks.tasks.values():
        if watch.script.node == machine.index and by_ms < 0:
            # Restarted, it can't know how much time went by: a deadline may begin anew.
            watch.slack_ms += watch.script.spec.deadline_ms


def _split(world: World, split: Split) -> None:
    others = set(range(len(world.machines))) - split.apart
    world.network.cut(set(split.apart), others, both_ways=split.both_ways, noticed=split.noticed)
    if not split.noticed:
        world.checks.marks.add("silent partition")
    world.checks.marks.add("partition" if split.both_ways else "one-way partition")
    arrow = "<-/->" if split.both_ways else "-/->"
    world.note(f"partition: {sorted(split.apart)} {arrow} {sorted(others)}")
    world.links_changed()
    world.at(world.now_ms + split.for_ms, world.heal_links)


def _sever(world: World, cut: Sever) -> None:
    """Ends by itself, or with the next partition that heals."""
    links = {(cut.node, cut.other)} | ({(cut.other, cut.node)} if cut.both_ways else set())
    world.network.blocked |= links
    world.checks.marks.add("link severed")
    arrow = "<-/->" if cut.both_ways else "-/->"
    world.note(f"severed: {cut.node} {arrow} {cut.other}")
    world.at(world.now_ms + cut.for_ms, lambda: world.network.blocked.difference_update(links))


def mark_silence(world: World, event: PeerSilent | SelfDoubted) -> None:
    """What a node made of not hearing another."""
    if isinstance(event, SelfDoubted):
        world.checks.marks.add("self-doubt")
    else:
        world.checks.marks.add("suspected" if event.by is None else "heard by another")


def check_let_go(world: World, conductor: Machine, event: FailedOver) -> None:
    """A lease that ran out at the conductor must have run out at its owner before.

    The owner's first lease begins when the work arrives. If that took more than 0.1 lease,
    both may hold for a moment; the fence makes it harmless, and it is not counted here. An award
    that was written down but never told of (its conductor died in between) is told by who resumes.
    """
    owner, watch = world.machines[world.index_of[event.owner]], world.checks.tasks[event.task]
    award = (unit_id(event.task, event.unit), event.epoch)
    awarded_ms = watch.awarded_ms.get((event.unit, event.epoch), watch.resumed_ms)
    if watch.conductors > 1:
        return  # the owner may report to another of the task's line
    held = award in owner.bench.running and (
        owner.bench.taken_ms[award] - awarded_ms <= limits.LEASE_MS // 10
    )
    if held and owner.paused_until_ms <= world.now_ms and owner is not conductor:
        world.checks.violate(f"{event.unit} was given away while node {owner.index} held it")


def forge_entries(machine: Machine, forge: Forge) -> bool:
    """Sign entries of numbers that are taken. False if there was nothing to lie about."""
    if machine.equivocator is None:
        return False
    machine.disk.commit()
    store, world = machine.disk.store, machine.world
    end = len(store.ids(machine.id, 1, machine.disk.mark))
    first = max(1, end + 1 - forge.back)
    before, said = store.get(machine.id, first - 1), machine.agents()[0]
    branch = machine.equivocator.forge(
        before, machine.wall_ms(), said, forge.length, hidden=forge.hidden
    )
    victims = {world.machines[index].id for index in forge.to}
    machine.equivocator.show_to(victims, deaf=forge.deaf)
    world.ledger.forged |= {entry.encode(): entry for entry in branch}
    frame = Entries(tuple(entry.encode() for entry in branch))
    for index in sorted(forge.to & machine.connected):
        world.send(machine, index, frame)
    return end > 0
