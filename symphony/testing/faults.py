"""The menu of faults. Each kind is switched on or off per run (swarm testing).

Switching kinds off matters as much as switching them on: a run in which everything fails at once
hides the bug that needs crashes but no losses. What really happened leaves a *mark*; a batch of
seeds reports the share of marks it hit, so that a simulator that stopped simulating is noticed.

Theory: Groce et al., "Swarm Testing" (2012); marks after TigerBeetle's simulator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from symphony.testing.network import Weather

NETWORK_KINDS = (
    "loss",
    "repeats",
    "reorder",
    "far",
    "crash",
    "partition",
    "one_way",
    "pause",
    "drift",
    "skew",
)
"""What the network, the machines and their clocks do; any scenario may have them. Seeds depend on
the order of all of these.
"""

KINDS = (
    *NETWORK_KINDS,
    "slow",
    "engine_fails",
    "engine_hangs",
    "bad_plans",
    "no_encoder",
    "cancel",
    "poor",
    "hurry",
    "crowd",
)
"""Every kind of fault, or of hard circumstance, that a run may have."""

NETWORK_MARKS = (
    "loss",
    "repeat",
    "overtaking",
    "crash",
    "restart",
    "as many nodes as may",
    "hedged",
    "hedge won by the rival",
    "hedge won by the straggler",
    "task resumed",
    "task resumed with steps done",
    "task resumed with owners at work",
    "task resumed and answered",
    "partition",
    "one-way partition",
    "silent partition",
    "pause",
    "clock drift",
    "clock skew",
)
"""What those leave."""

MARKS = (
    *NETWORK_MARKS,
    "crash of a conductor",
    "crash of an owner",
    "engine failed",
    "engine hung",
    "work cancelled",
    "step begun ahead",
    "failover: connection broke",
    "failover: silent for a lease",
    "failover: engine failed",
    "failover: refused",
    "bad plan",
    "plan mended",
    "plan fell back",
    "called again",
    "no bids",
    "budget exhausted",
    "deadline",
    "cancelled",
    "answered",
    "not certified",
    "exact stop",
    "answers compared",
    "sync by heads",
    "wire form",
    "real keys",
)
"""Everything worth noticing that a batch of seeds should have run into."""


@dataclass(frozen=True, slots=True)
class Crash:
    """A node stops dead and comes back after `down_ms` with what it had stored.

    With `in_wait` the blow falls later: within milliseconds after the node has accepted entries
    of others that are not on its disk yet.
    """

    at_ms: int
    node: int
    down_ms: int
    in_wait: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """The nodes `apart` are cut off from all others, in one direction or both.

    A cut that is not `noticed` leaves the connections standing: what is sent just vanishes.
    """

    at_ms: int
    apart: frozenset[int]
    both_ways: bool
    for_ms: int
    noticed: bool = True


@dataclass(frozen=True, slots=True)
class Pause:
    """A node does nothing for a while, then goes on as if nothing had been (SIGSTOP, swapping)."""

    at_ms: int
    node: int
    for_ms: int


@dataclass(frozen=True, slots=True)
class Write:
    """A node writes `count` entries to its own log: it hosts as many agents more, or fewer."""

    at_ms: int
    node: int
    count: int


@dataclass(frozen=True, slots=True)
class Tear:
    """A node dies, and its database comes back without its last `commits` transactions, although
    they were synced and spoken of. The mark beside it stays.
    """

    at_ms: int
    node: int
    down_ms: int
    commits: int


@dataclass(frozen=True, slots=True)
class Restore:
    """A node dies, and its whole directory comes back as it was at `copied_ms`, mark and all.

    `in_place`: over the living files, as a snapshot of a whole disk is; a copy is noticed.
    """

    at_ms: int
    node: int
    down_ms: int
    copied_ms: int
    in_place: bool


@dataclass(frozen=True, slots=True)
class Forge:
    """A hostile node signs `length` entries a second time, from `back` before the end of its log
    (0: the next number), and shows and serves this branch to the nodes `to` only, but for its
    first `hidden` entries. `deaf`: it goes on as if nobody had told it of the proof.
    """

    at_ms: int
    node: int
    back: int
    length: int
    to: frozenset[int]
    deaf: bool
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class Jump:
    """The wall clock of a node is set forward or back; its monotonic clock goes on."""

    at_ms: int
    node: int
    by_ms: int


@dataclass(frozen=True, slots=True)
class Lose:
    """A node stops dead and never comes back."""

    at_ms: int
    node: int


@dataclass(frozen=True, slots=True)
class Flood:
    """A node sends `count` frames of junk to everybody it is connected to."""

    at_ms: int
    node: int
    count: int


@dataclass(frozen=True, slots=True)
class Sever:
    """What one node says to the other vanishes, and `both_ways` what the other says to it; their
    connection stands, and so do all others.
    """

    at_ms: int
    node: int
    other: int
    both_ways: bool
    for_ms: int


Action = Crash | Split | Pause | Write | Tear | Restore | Forge | Jump | Flood | Lose | Sever


def draw_kinds(random: Random, *, crash: bool) -> frozenset[str]:
    """About a third of the menu; one run in eight has a clear sky."""
    if random.random() < 0.125:
        return frozenset()
    kinds = frozenset(kind for kind in KINDS if random.random() < 0.35)
    return kinds if crash else kinds - {"crash"}


def draw_weather(random: Random, kinds: frozenset[str], loss: float | None) -> Weather:
    """`loss` overrides the seed's rate."""
    rate = random.choice((0.01, 0.05, 0.15)) if "loss" in kinds else 0.0
    return Weather(
        delay_ms=60 if "far" in kinds else 4,
        jitter_ms=40 if "reorder" in kinds else 2,
        loss=rate if loss is None else loss,
        repeats=0.05 if "repeats" in kinds else 0.0,
        reorders="reorder" in kinds,
    )


def draw_actions(
    random: Random,
    kinds: frozenset[str],
    nodes: int,
    busy: Sequence[tuple[int, int]],
    within_ms: int,
) -> tuple[Action, ...]:
    """When which node crashes, pauses or is cut off, all over before `within_ms`.

    Things break where something is going on: soon after one of the (time, conductor) pairs of
    `busy`, and every third time at that conductor.
    """
    actions: list[Action] = []

    def victim(longest_ms: int) -> tuple[int, int]:
        at_ms, conductor = random.choice(busy)
        at_ms = min(at_ms + random.randrange(2_500), within_ms - longest_ms - 500)
        return at_ms, conductor if random.random() < 0.33 else random.randrange(nodes)

    if "crash" in kinds:
        for _ in range(random.randint(1, 3)):
            down_ms = random.choice((50, 1_000, 8_000))
            actions.append(Crash(*victim(8_000), down_ms))
    for kind in ("partition", "one_way"):
        if kind in kinds and nodes > 1:
            size = random.randint(1, nodes - 1)
            apart = frozenset(random.sample(range(nodes), size))
            for_ms = random.choice((300, 4_000, 15_000))
            at_ms, _ = victim(15_000)
            noticed = random.random() < 0.5
            actions.append(Split(at_ms, apart, kind == "partition", for_ms, noticed))
    if "pause" in kinds:
        for_ms = random.choice((500, 9_500, 15_000))
        actions.append(Pause(*victim(15_000), for_ms))
    return tuple(sorted(actions, key=lambda action: action.at_ms))
