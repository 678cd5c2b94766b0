"""The edge of probing: now and then, ask others something that is known here.

Half of the questions come from the probes of this node's own manifests, half are generated. They
are asked with the options that users have by default, so that they look like any other task; what
the core does with them is in `symphony.core.beacon.probing`, which also bounds their rate again.
The pauses are drawn anew each time between half and one and a half of the mean, and the first comes
before the first probe: a node that was just started has better things to do.
"""

from __future__ import annotations

import os
import random
from collections.abc import Awaitable, Callable, Sequence

import trio

from symphony.core.ids import TASK_ID_BYTES, TaskId
from symphony.core.inputs import Input
from symphony.core.inputs import Probe as Ask
from symphony.core.spec import TaskSpec
from symphony.manifests.families import generated
from symphony.manifests.probes import Probe
from symphony.node import limits

_HOUR_S = 3600


async def probe_others(
    own: Sequence[Probe],
    per_hour: float,
    feed: Callable[[Input], Awaitable[None]],
    draw: random.Random | None = None,
) -> None:
    """Feed probes to the core for ever, `per_hour` in the mean; none at all for 0."""
    draw = draw or random.SystemRandom()
    while per_hour > 0:
        await trio.sleep(_HOUR_S / per_hour * draw.uniform(0.5, 1.5))
        await feed(ask(chosen(own, draw)))


def chosen(own: Sequence[Probe], draw: random.Random) -> Probe:
    """An own probe or a generated one."""
    return draw.choice(own) if own and draw.random() < 0.5 else generated(draw)


def ask(probe: Probe) -> Ask:
    """The task that a probe is asked as."""
    spec = TaskSpec(
        probe.prompt,
        planning="never",
        answer_type=probe.type,
        choices=probe.choices,
        skill=probe.skill,
        budget_tokens=limits.PROBE_TOKENS,
        deadline_ms=limits.PROBE_DEADLINE_MS,
    )
    return Ask(TaskId(os.urandom(TASK_ID_BYTES)), os.urandom(16), spec, probe.answer)
