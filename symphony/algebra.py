"""Are two mathematical answers equal by algebra? Asked of `math-verify`, in a bounded child.

Votes count answers by an exact normal form (`symphony.core.votes.expression`): everybody gets the
same classes, without any library. It never joins what differs, but may keep apart what only algebra
shows to be equal, such as 1/(1+√2) and √2-1. `math-verify` (extra `math`) knows more; it simplifies
symbolically, which can take for ever on a text that was written for it. So it is asked afterwards
and outside: for a person who reads a receipt, or to grade a recorded run. The child has a limit on
its CPU time and memory, gets texts on its stdin and answers true or false for each pair.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from symphony.errors import EngineError, ExtraMissing

MAX_PAIRS = 120  # all pairs of sixteen answers
MAX_CHARS = 512  # of one answer, as in the normal form
CPU_S = 30  # for all pairs: the library alone takes two seconds to load
MEMORY_BYTES = 2 * 1024**3


def equal_by_algebra(pairs: Sequence[tuple[str, str]]) -> tuple[bool, ...]:
    """For each pair, whether `math-verify` finds it equal; False for what is too long to ask.

    Raises `ExtraMissing` without the extra `math`, and `EngineError` if the child ran out of time
    or memory.
    """
    if find_spec("math_verify") is None:
        raise ExtraMissing(
            "comparing expressions by algebra needs math-verify",
            hint="pip install 'symphony-swarm[math]'",
        )
    asked = [[left[:MAX_CHARS], right[:MAX_CHARS]] for left, right in pairs[:MAX_PAIRS]]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "symphony.algebra"],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=2 * CPU_S,
            check=True,
        )
        found = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, ValueError, IndexError):
        raise EngineError(
            "the comparison by algebra ran out of time or memory",
            hint="compare the answers by hand",
        ) from None
    fits = [max(len(left), len(right)) <= MAX_CHARS for left, right in pairs]
    answers = [bool(value) for value in found] + [False] * (len(pairs) - len(found))
    return tuple(short and equal for short, equal in zip(fits, answers, strict=True))


def _child() -> None:
    """Read pairs, write one line with an answer for each."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    import math_verify  # noqa: PLC0415 - only here, under the limits

    def read(text: str) -> list[object]:
        found: list[object] = math_verify.parse(f"${text}$", parsing_timeout=None)
        return found

    answers = []
    for left, right in json.load(sys.stdin):
        one, other = read(left), read(right)
        verdicts = [math_verify.verify(*both, timeout_seconds=None) for both in _orders(one, other)]
        answers.append(bool(one) and bool(other) and any(verdicts))
    sys.stdout.write(json.dumps(answers) + "\n")


def _orders(
    one: list[object], other: list[object]
) -> tuple[tuple[list[object], list[object]], ...]:
    """Both ways: the library's `verify` is not symmetric."""
    return (one, other), (other, one)


if __name__ == "__main__":
    _child()
