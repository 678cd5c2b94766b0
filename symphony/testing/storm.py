"""The ledger scenario: everything that is hard on a ledger, and little work beside it.

Nodes write entries, alone and in bursts, while links break and heal, processes die between a
promise and its fsync, databases come back torn, directories come back as old copies, and hostile
nodes sign two histories and tell each to other peers. What must hold is in `ledger_checks`.

As in the other scenario a seed switches each kind of fault on or off. A disk that lies is drawn
for few nodes of a run: what nobody has any more can't be found again.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from symphony.testing.faults import (
    NETWORK_KINDS,
    NETWORK_MARKS,
    Action,
    Crash,
    Forge,
    Pause,
    Restore,
    Split,
    Tear,
    Write,
    draw_weather,
)
from symphony.testing.scenario import NodeScript, Scenario, draw_node, draw_task

STORM_MS = 90_000
"""How long it lasts: longer than the minute after which a checkpoint is due."""

KINDS = (
    *NETWORK_KINDS,
    "torn",
    "restored",
    "equivocators",
    "bursts",
    "work",
)

MARKS = (
    *NETWORK_MARKS,
    "crash with a lost tail",
    "torn database",
    "restored copy",
    "copy over the living files",
    "own entries fetched from peers",
    "own log unconfirmed",
    "own log short",
    "equivocation",
    "equivocation again",
    "equivocation far back",
    "log frozen",
    "freeze moved down",
    "checkpoint",
    "cosignature",
    "early entries waited",
    "sync by heads",
    "wire form",
    "real keys",
)
"""What a batch of this scenario's seeds should have run into."""


def draw_storm(
    seed: int, *, nodes: int = 7, loss: float | None = None, crash: bool = True
) -> Scenario:
    """The ledger scenario of a seed. `loss` and `crash` override what the seed says; without
    crashes disks don't lie either.
    """
    random = Random(f"storm/{seed}")
    kinds = frozenset(kind for kind in KINDS if random.random() < 0.45)
    if random.random() < 0.05:
        kinds = frozenset()
    if not crash:
        kinds -= {"crash", "torn", "restored"}
    hostile = _hostile(random, kinds, nodes)
    writes = list(_writes(random, kinds, nodes))
    actions: list[Action] = [*writes]
    if nodes > 1:
        actions += _splits(random, kinds, nodes)
        actions += _forgeries(random, hostile, nodes)
    actions += _deaths(random, kinds, nodes, hostile, writes)
    if "pause" in kinds:
        length_ms = random.choice((500, 5_000, 20_000))
        actions.append(Pause(_any_ms(random, length_ms), random.randrange(nodes), length_ms))
    quiet = kinds & {"drift", "skew"}
    return Scenario(
        seed=seed,
        nodes=tuple(_node(random, quiet, index, hostile) for index in range(nodes)),
        tasks=tuple(
            draw_task(random, quiet, nodes, STORM_MS - 30_000)
            for _ in range(random.randint(1, 2) if "work" in kinds else 0)
        ),
        weather=draw_weather(random, kinds, loss),
        actions=tuple(sorted(actions, key=lambda action: action.at_ms)),
        kinds=kinds,
        real_keys=random.random() < 0.03,
        faults_ms=STORM_MS,
        audit=True,
    )


def _any_ms(random: Random, length_ms: int = 0) -> int:
    return random.randrange(2_000, STORM_MS - length_ms - 1_000)


def _hostile(random: Random, kinds: frozenset[str], nodes: int) -> frozenset[int]:
    """One equivocator or two, never the first node, which everybody else was invited by."""
    if "equivocators" not in kinds or nodes < 3:
        return frozenset()
    return frozenset(random.sample(range(1, nodes), random.randint(1, 1 + (nodes > 4))))


def _node(random: Random, kinds: frozenset[str], index: int, hostile: frozenset[int]) -> NodeScript:
    drawn = draw_node(random, kinds, index)
    return NodeScript(
        drawn.agents, drawn.offset_ms, drawn.drift_ppm, drawn.skew_ms, hostile=index in hostile
    )


def _writes(random: Random, kinds: frozenset[str], nodes: int) -> Iterator[Write]:
    for _ in range(random.randint(10, 40)):
        yield Write(_any_ms(random), random.randrange(nodes), random.randint(1, 3))
    if "bursts" in kinds:  # enough for a checkpoint, and below what one author may say at once
        node, at_ms = random.randrange(nodes), _any_ms(random, 20_000)
        for step in range(random.randint(4, 8)):
            yield Write(at_ms + 2_000 * step, node, 12)


def _splits(random: Random, kinds: frozenset[str], nodes: int) -> Iterator[Split]:
    for kind in ("partition", "one_way"):
        for _ in range(random.randint(1, 2) if kind in kinds else 0):
            apart = frozenset(random.sample(range(nodes), random.randint(1, nodes - 1)))
            for_ms = random.choice((300, 4_000, 15_000, 40_000))
            at_ms, noticed = _any_ms(random, for_ms), random.random() < 0.5
            yield Split(at_ms, apart, kind == "partition", for_ms, noticed)


def _forgeries(random: Random, hostile: frozenset[int], nodes: int) -> Iterator[Forge]:
    for node in sorted(hostile):
        others = [index for index in range(nodes) if index != node]
        deaf = random.random() < 0.7
        for _ in range(random.choice((1, 1, 2, 3))):
            length = random.choice((1, 1, 2, 6, 20))
            yield Forge(
                at_ms=_any_ms(random),
                node=node,
                back=random.choice((0, 0, 1, 2, 5, 12, 30)),
                length=length,
                to=frozenset(random.sample(others, random.randint(1, len(others)))),
                deaf=deaf,
                hidden=random.randrange(length) if random.random() < 0.3 else 0,
            )


def _deaths(
    random: Random,
    kinds: frozenset[str],
    nodes: int,
    hostile: frozenset[int],
    writes: list[Write],
) -> Iterator[Action]:
    """Deaths come soon after the victim, or anybody else, has written something."""
    honest = [index for index in range(nodes) if index not in hostile]

    def soon(longest_ms: int) -> tuple[int, int]:
        write = random.choice(writes)
        at_ms = write.at_ms + random.choice((random.randrange(100), random.randrange(3_000)))
        node = write.node if write.node not in hostile else random.choice(honest)
        return min(at_ms, STORM_MS - longest_ms - 1_000), node

    for _ in range(random.randint(1, 4) if "crash" in kinds else 0):
        at_ms, node = soon(8_000)
        in_wait = random.random() < 0.6
        victim = random.randrange(nodes) if in_wait else node
        yield Crash(at_ms, victim, random.choice((50, 1_000, 8_000)), in_wait)
    for _ in range(random.randint(1, 2) if "torn" in kinds else 0):
        down_ms = random.choice((100, 1_000, 8_000))
        yield Tear(*soon(down_ms), down_ms, random.choice((1, 2, 5, 20, 100)))
    for _ in range(random.choice((1, 1, 2)) if "restored" in kinds else 0):
        down_ms = random.choice((100, 3_000, 10_000))
        at_ms, node = soon(down_ms)
        copied_ms = random.randrange(1_000, max(1_001, at_ms))
        yield Restore(at_ms, node, down_ms, copied_ms, in_place=random.random() < 0.25)
        if random.random() < 0.3:  # and it finds nobody whom it could ask
            alone_ms = min(15_000, STORM_MS - 1_000 - at_ms - down_ms)
            yield Split(at_ms + down_ms, frozenset({node}), both_ways=True, for_ms=alone_ms)
