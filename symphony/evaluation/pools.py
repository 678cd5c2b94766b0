"""Which agents vote together.

    equal       nine neighbours in the order of strength
    mixed       nine at random: dealt from the shuffled whole, so that all take part equally often
    one-strong  one of the best quarter and four of the weaker half
    consumer    the models of 7 to 12 billion parameters, which a consumer's GPU runs

Strength is the rate of right answers over all questions of the folder: it says which pools are
formed, and never enters a weight. Pools are drawn from a fixed seed, so an evaluation can be
repeated.
"""

from __future__ import annotations

import random
import re
from typing import Literal, assert_never, get_args

from symphony.errors import UsageError
from symphony.evaluation import limits
from symphony.evaluation.calibration import folds
from symphony.evaluation.recordings import Recording

PoolKind = Literal["equal", "mixed", "one-strong", "consumer"]
POOL_KINDS: tuple[PoolKind, ...] = get_args(PoolKind)

_SIZE = re.compile(r"(?<![\dxX.])(?:7|8|9|1[0-2])(?:\.\d)?[bB](?![a-zA-Z])")
# Names that do not say their size. Sizes are those that their makers give.
_SIZED = re.compile(r"nemo-instruct|t_lite|saiga|vikhr|yandexgpt_5_lite", re.IGNORECASE)


def is_consumer(agent: str) -> bool:
    """Does the name say that a consumer's GPU runs it?"""
    return bool(_SIZE.search(agent) or _SIZED.search(agent))


def check(recording: Recording, kind: PoolKind) -> None:
    """Can anything be measured with these? Raises `UsageError` with what is missing."""
    if not folds(recording):
        raise UsageError(f"{recording.bench} has too few questions", hint="use a larger set")
    draw_pools(recording, kind, 1)


def draw_pools(recording: Recording, kind: PoolKind, count: int) -> list[tuple[str, ...]]:
    """`count` pools, or one if there is but one. Raises `UsageError` if agents are too few."""
    chance = random.Random(f"{recording.bench}/{kind}")  # noqa: S311 - repeatable, not secret
    strength = sorted(recording.agents, key=lambda agent: (-recording.rate(agent), agent))
    size = min(limits.POOL_AGENTS, len(strength))
    match kind:
        case "equal":
            starts = [chance.randrange(len(strength) - size + 1) for _ in range(count)]
            pools = [strength[start : start + size] for start in starts]
        case "mixed":
            pools = _dealt(chance, strength, size, count)
        case "one-strong":
            best = strength[: max(1, len(strength) // 4)]
            weak = strength[len(strength) // 2 :]
            few = min(limits.WEAK_AGENTS, len(weak))
            pools = [[chance.choice(best), *chance.sample(weak, few)] for _ in range(count)]
        case "consumer":
            small = [agent for agent in strength if is_consumer(agent)]
            if len(small) < 2:
                raise UsageError(
                    f"{recording.bench} has no two models of 7 to 12 B", hint="use another --pool"
                )
            if len(small) <= size:
                return [tuple(small)]
            pools = _dealt(chance, small, size, count)
        case _:
            assert_never(kind)
    for pool in pools:
        chance.shuffle(pool)  # the order in which ballots are numbered, and ties broken
    return [tuple(pool) for pool in pools]


def _dealt(chance: random.Random, agents: list[str], size: int, count: int) -> list[list[str]]:
    """Pools dealt like cards; the deck is shuffled again when it is short."""
    deck: list[str] = []
    pools = []
    for _ in range(count):
        if len(deck) < size:
            deck = chance.sample(agents, len(agents))
        pools.append(deck[:size])
        deck = deck[size:]
    return pools
