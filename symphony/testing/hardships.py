"""Hardships that the menu got later: clocks that jump, slow disks, newer versions, mischief.

Seeds depend on the order in which things are drawn. So these are drawn by a generator of their
own, after everything else: an old seed still has the tasks, agents, crashes and partitions that it
had when it failed.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from symphony.testing.faults import Action, Flood, Jump, Sever
from symphony.testing.mischief import Mischief
from symphony.testing.scenario import NodeScript, Scenario

KINDS = ("jump", "slow_disk", "newer", "silent", "withholder", "flooder")
MARKS = (
    "clock jump",
    "slow disk",
    "version skew",
    "silent owner",
    "entries withheld",
    "flood refused",
    "link severed",
    "heard by another",
    "suspected",
)
JUMP_MS = 600_000
SEVERED = 0.2
"""The share of runs in which a link is severed."""
SEVERED_MS = 28_000
"""Longer than it takes to find a peer quiet, and to judge."""
MIN_NODES = 4
"""Of three nodes, two honest ones can be alone with a hostile one for most of a run."""


def harden(drawn: Scenario) -> Scenario:
    """The scenario with the hardships of its seed."""
    return _sever(_harden(drawn))


def _sever(drawn: Scenario) -> Scenario:
    """One link of a conductor, for long enough to be noticed. Later than the others on this menu,
    so with dice of its own.
    """
    random = Random(f"severed/{drawn.seed}")
    nodes = range(len(drawn.nodes))
    if random.random() >= SEVERED or len(nodes) < MIN_NODES or not (drawn.kinds and drawn.tasks):
        return drawn
    node = random.choice(drawn.tasks).node
    other = random.choice([index for index in nodes if index != node])
    if random.random() < 0.5:
        node, other = other, node
    at_ms = random.randrange(2_000, drawn.faults_ms - SEVERED_MS - 1_000)
    cut = Sever(at_ms, node, other, random.random() < 0.5, SEVERED_MS)
    actions = sorted([*drawn.actions, cut], key=lambda action: action.at_ms)
    return replace(drawn, actions=tuple(actions), kinds=drawn.kinds | {"severed"})


def _harden(drawn: Scenario) -> Scenario:
    random = Random(f"hardships/{drawn.seed}")
    kinds = frozenset(kind for kind in KINDS if random.random() < 0.2)
    if not kinds or not drawn.kinds:
        return drawn
    nodes, actions = list(drawn.nodes), list(drawn.actions)
    if "slow_disk" in kinds:
        _change(nodes, random.randrange(len(nodes)), disk_ms=random.choice((10, 60)))
    if "newer" in kinds:
        for index in random.sample(range(len(nodes)), (len(nodes) + 1) // 2):
            _change(nodes, index, newer=True)
    if "jump" in kinds:
        actions += _jumps(random, drawn)
    wicked = [kind for kind in ("silent", "withholder", "flooder") if kind in kinds]
    if len(nodes) >= MIN_NODES:
        for kind in wicked[:2]:
            _mischief(random, drawn, kind, nodes, actions)
    return replace(
        drawn,
        nodes=tuple(nodes),
        actions=tuple(sorted(actions, key=lambda action: action.at_ms)),
        kinds=drawn.kinds | kinds,
    )


def _change(nodes: list[NodeScript], index: int, **fields: object) -> None:
    nodes[index] = replace(nodes[index], **fields)  # type: ignore[arg-type]


def _jumps(random: Random, drawn: Scenario) -> list[Action]:
    """A clock is set right, or wrong, by up to ten minutes."""
    jumps: list[Action] = []
    for _ in range(random.randint(1, 2)):
        at_ms = random.randrange(2_000, drawn.faults_ms - 5_000)
        by_ms = random.choice((-1, 1)) * random.choice((1_000, 60_000, JUMP_MS))
        jumps.append(Jump(at_ms, random.randrange(len(drawn.nodes)), by_ms))
    return jumps


def _mischief(
    random: Random, drawn: Scenario, kind: str, nodes: list[NodeScript], actions: list[Action]
) -> None:
    """One more hostile node; never the first, which invited the others."""
    found: dict[str, Mischief] = {
        "silent": "silent",
        "withholder": "withholder",
        "flooder": "flooder",
    }
    index = random.randrange(1, len(nodes))
    _change(nodes, index, mischief=found[kind])
    if kind == "flooder":
        for _ in range(3):
            at_ms = random.randrange(2_000, drawn.faults_ms - 1_000)
            actions.append(Flood(at_ms, index, random.choice((1, 20))))
