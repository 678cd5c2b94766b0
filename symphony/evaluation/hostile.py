"""Hostile voters added to a pool: three of ten ballots are theirs.

    random   an answer picked blindly among all that were ever given to the question
    collude  all give one wrong answer: the wrong one that most models gave, where they gave one
    copy     all repeat whatever the pool's strongest agent says, to multiply its vote

They behave so from the start, so evidence on them exists when they vote. An agent that is honest
until it has a reputation and then turns is not among them: no rule that learns from the past can
see it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Literal, assert_never, get_args

from symphony.core.weighing import draw_order
from symphony.evaluation.recordings import Recording, Reply

Attack = Literal["random", "collude", "copy"]
ATTACKS: tuple[Attack, ...] = get_args(Attack)
Replies = tuple[Reply, ...]
_HONEST, _HOSTILE = 7, 3


def mixed_in(
    honest: Sequence[Replies], hostile: Sequence[Replies], seed: bytes
) -> dict[str, Replies]:
    """All voters by name, in the order of their chains. Of answers that are level the earlier one
    wins, so the hostile take places at random among the honest, who keep their order.
    """
    places = draw_order(len(honest) + len(hostile), seed)
    taken = sorted(places[: len(hostile)])
    rows = {at: (f"hostile{at}", row) for at, row in zip(taken, hostile, strict=True)}
    free = (at for at in sorted(places) if at not in taken)
    rows |= {at: (f"honest{at}", row) for at, row in zip(free, honest, strict=True)}
    return dict(rows[at] for at in sorted(rows))


def how_many(honest: int) -> int:
    """So many that three of ten voters are hostile, rounded to the nearest."""
    return max(1, (honest * _HOSTILE + _HONEST // 2) // _HONEST)


def attackers(recording: Recording, pool: Sequence[str], attack: Attack) -> list[Replies]:
    """The replies of each hostile voter to every question of the recording."""
    count = how_many(len(pool))
    match attack:
        case "random":
            chance = random.Random(f"{recording.bench}/{pool[0]}")  # noqa: S311 - repeatable
            said = [sorted(_said(recording, at)) for at in range(len(recording.questions))]
            picks = [[chance.choice(keys) for keys in said] for _ in range(count)]
            return [
                tuple(Reply(key, _is_right(recording, at, key)) for at, key in enumerate(row))
                for row in picks
            ]
        case "collude":
            one = tuple(
                Reply(_worst(recording, at), right=False) for at in range(len(recording.questions))
            )
            return [one] * count
        case "copy":
            strongest = max(pool, key=lambda agent: (recording.rate(agent), agent))
            return [recording.replies[strongest]] * count
        case _:
            assert_never(attack)


def _said(recording: Recording, at: int) -> Counter[str]:
    keys = (recording.replies[agent][at].key for agent in recording.agents)
    return Counter(key for key in keys if key is not None) or Counter({"nothing": 1})


def _is_right(recording: Recording, at: int, key: str) -> bool:
    replies = (recording.replies[agent][at] for agent in recording.agents)
    return any(reply.right and reply.key == key for reply in replies)


def _worst(recording: Recording, at: int) -> str:
    wrong = Counter(
        reply.key
        for reply in (recording.replies[agent][at] for agent in recording.agents)
        if reply.key is not None and not reply.right
    )
    return max(wrong, key=lambda key: (wrong[key], key)) if wrong else "a lie"
