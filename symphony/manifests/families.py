"""Generated probes: questions that nobody can have learnt by heart, with exact answers.

A family draws its numbers anew each time, so its answer keys can't be collected, and its wording is
varied, so that it does not give itself away. With the extra `probes` installed, families of
`reasoning-gym` are drawn from as well: those whose answer is one whole number, so that there is
no doubt about it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from random import Random

from symphony.manifests.probes import Probe

SKILL = "answering questions and solving problems step by step"
"""What a generated probe calls for: the words of a task without a skill of its own."""

GYM = ("chain_sum", "basic_arithmetic", "leg_counting", "gcd", "lcm", "count_primes")
"""Families of `reasoning-gym` with one whole number as the answer."""
_WHOLE = re.compile(r"-?\d{1,18}")
_GYM_TRIES = 8  # some families also draw fractions: those are drawn again
_THINGS = ("apples", "pages", "tickets", "bricks", "seats", "letters", "coins", "shelves")


def generated(random: Random, *, gym: bool = True) -> Probe:
    """A fresh probe. `gym`: from `reasoning-gym` half of the time, where that is installed."""
    if gym and find_spec("reasoning_gym") is not None and random.random() < 0.5:
        found = _from_gym(random)
        if found is not None:
            return found
    return random.choice(FAMILIES)(random)


def _from_gym(random: Random) -> Probe | None:
    """One question of a family of `reasoning-gym`; None if no answer was a whole number."""
    create = import_module("reasoning_gym").create_dataset
    for _ in range(_GYM_TRIES):
        item = create(random.choice(GYM), size=1, seed=random.randrange(2**31))[0]
        question, answer = str(item["question"]), str(item["answer"]).strip()
        if _WHOLE.fullmatch(answer) and 0 < len(question) <= 4_000:
            return Probe(prompt=question, answer=answer, type="number", skill=SKILL[:64])
    return None


def _number(prompt: str, answer: object) -> Probe:
    return Probe(prompt=prompt, answer=str(answer), type="number", skill=SKILL[:64])


def rows_and_rest(random: Random) -> Probe:
    """Groups of a size, some added, some taken away."""
    groups, size, more, less = (random.randint(3, 19) for _ in range(4))
    thing = random.choice(_THINGS)
    stored = (
        f"There are {groups} boxes with {size} {thing} each. {more} more come in, {less} go out."
    )
    found = f"Somebody has {groups} rows of {size} {thing}, finds {more} and gives {less} away."
    asked = f"{random.choice((stored, found))} How many {thing} are there now?"
    return _number(asked, groups * size + more - less)


def share(random: Random) -> Probe:
    """A percentage that comes out even."""
    percent = random.choice((5, 10, 15, 20, 25, 30, 40, 60, 75))
    whole = 20 * random.randint(3, 60)
    thing = random.choice(_THINGS)
    asked = random.choice(
        (
            f"What is {percent}% of {whole}?",
            f"Of {whole} {thing}, {percent} percent are blue. How many are blue?",
        )
    )
    return _number(asked, whole * percent // 100)


def clock(random: Random) -> Probe:
    """Time between two moments of one day, in minutes."""
    start = random.randint(5 * 60, 15 * 60)
    minutes = random.randint(20, 400)
    first, last = (f"{at // 60:02d}:{at % 60:02d}" for at in (start, start + minutes))
    asked = random.choice(
        (
            f"A journey begins at {first} and ends at {last}. How many minutes does it take?",
            f"How many minutes pass from {first} to {last} on the same day?",
        )
    )
    return _number(asked, minutes)


def remainder(random: Random) -> Probe:
    """Division with a rest."""
    by, times = random.randint(3, 17), random.randint(5, 60)
    rest = random.randrange(by)
    thing = random.choice(_THINGS)
    asked = f"{times * by + rest} {thing} are packed in bags of {by}. How many are left over?"
    return _number(asked, rest)


def larger(random: Random) -> Probe:
    """Which of two products is larger, as yes or no."""
    a, b, c = (random.randint(4, 29) for _ in range(3))
    d = a * b // c + random.choice((-1, 0, 1, 2))
    asked = f"Is {a} times {b} more than {c} times {d}?"
    return Probe(prompt=asked, answer=str(a * b > c * d).lower(), type="boolean", skill=SKILL[:64])


FAMILIES: tuple[Callable[[Random], Probe], ...] = (rows_and_rest, share, clock, remainder, larger)
