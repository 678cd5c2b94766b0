"""The edge of probing: now and then, ask others something that is known here.

Half of the questions come from the probes of this node's own manifests, half are generated. They
are asked with the options that users have by default, every one of them: a budget, a plan or a
skill of their own would tell the owners, in the task's entry or in the call, that somebody only
tests them. Most users don't name the form of an answer either, so half of the probes ask in words
for a number at the end, or for yes or no. A probe is planned where users' tasks are, and measures
what their votes rest on: whoever writes the last step. What bounds its cost is the pause before the
next one: here, and again in `symphony.core.beacon.probing`, where it is graded.

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

_HOUR_S = 3600
_IN_WORDS = {  # models may work it out, but briefly: they do so where the form is given, too
    "number": (
        "Work it out in a few lines and end with the number.",
        "Be brief, and give the number on the last line.",
        "Explain it in short, and say the number at the end.",
    ),
    "boolean": (
        "Work it out in a few lines and end with yes or no.",
        "Be brief, and give yes or no on the last line.",
        "Explain it in short, and then say yes or no.",
    ),
}


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
        await feed(ask(chosen(own, draw), draw))


def chosen(own: Sequence[Probe], draw: random.Random) -> Probe:
    """An own probe or a generated one."""
    return draw.choice(own) if own and draw.random() < 0.5 else generated(draw)


def ask(probe: Probe, draw: random.Random) -> Ask:
    """The task that a probe is asked as: the question, the form of its answer, and nothing else."""
    if probe.type in _IN_WORDS and draw.random() < 0.5:
        spec = TaskSpec(f"{probe.prompt} {draw.choice(_IN_WORDS[probe.type])}")
    else:
        spec = TaskSpec(probe.prompt, answer_type=probe.type, choices=probe.choices)
    task = TaskId(os.urandom(TASK_ID_BYTES))
    return Ask(task, os.urandom(16), spec, probe.answer, probe.type)
