"""One comparison: a judge says which of two answers is better, twice, in both orders.

The rule `ranked` asks judges where answers differ. A unit `judge/N/I-J` shows one judge the final
outputs of chains I and J, without saying whose they are. Models favour a place, so the judge's
node runs its model on both orders and hands over two words, one a line, each naming a *place* as
it was shown: `first`, `second` or `tie`. So "first, second" means I both times, "first, first"
only that the judge likes the first place.

The order is a pure function of the task's prompt, the unit and the two outputs: a receipt holds
all of these, and its reader checks that the judge signed for having seen just them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from symphony.core import limits
from symphony.core.ids import UnitId
from symphony.core.messages import Order, Quote
from symphony.core.votes.answers import extract
from symphony.core.votes.vote import Class
from symphony.core.weighing import Comparison

PLACES = ("first", "second", "tie")
NOBODY = bytes(32)  # judges are not told whose answers they compare

Pair = tuple[int, int]


def unit_name(number: int, pair: Pair) -> str:
    return f"judge/{number}/{pair[0]}-{pair[1]}"


def pair_in(name: str) -> Pair:
    """The chains whose outputs a unit of this name compares, the one shown first first."""
    first, second = name.rsplit("/", 1)[1].split("-")
    return int(first), int(second)


def pairs_to_compare(classes: Sequence[Class]) -> list[Pair]:
    """The pairs of answers that are worth a judge, each by the first chain that gave it; none where
    all agree. Only the most frequent ones, and among equals those that were given by the first
    chains: a lone answer among many is seldom saved.
    """
    frequent = sorted(classes, key=lambda item: (-len(item.votes), item.votes[0].chain))
    ahead = frequent[: limits.MAX_COMPARED]
    return list(combinations(sorted(item.votes[0].chain for item in ahead), 2))


def comparison_order(prompt: str, unit: UnitId, first: str, second: str) -> Order:
    """What a judge is told: the question, and two outputs, shortened."""
    texts = (first[: limits.MAX_INPUT_CHARS], second[: limits.MAX_INPUT_CHARS])
    return Order(
        role="judge",
        question=prompt,
        quotes=tuple(
            Quote(place, "", NOBODY, text) for place, text in zip(PLACES, texts, strict=False)
        ),
        answer_type="choice",
        choices=PLACES,
        max_tokens=limits.JUDGE_TOKENS,
        seed=int.from_bytes(unit[:4], "big"),
    )


def swapped(order: Order) -> Order:
    """The same order with the two outputs in each other's place."""
    one, two = order.quotes
    return replace(order, quotes=(replace(two, step=one.step), replace(one, step=two.step)))


def told(outputs: Sequence[str]) -> str | None:
    """What a judge hands over, from what its model wrote on the two orders; None if it did not say
    which is better.
    """
    words = [extract(output, "choice", PLACES) for output in outputs]
    return None if None in words else "\n".join(word or "" for word in words)


def places_in(output: str) -> tuple[str, str] | None:
    """The two words that a judge handed over; None if it handed over anything else."""
    words = output.split("\n")
    return (words[0], words[1]) if len(words) == 2 and set(words) <= set(PLACES) else None


def shown_to_judges(pairs: Sequence[Pair]) -> list[Pair]:
    """The comparisons to call for, in order: each pair by two judges, to the second the other way
    round.
    """
    return [shown for pair in pairs for shown in (pair, pair[::-1])[: limits.JUDGES_PER_PAIR]]


def comparisons_in(
    name: str, output: str, agent: str, node: str, operator: str = ""
) -> tuple[Comparison, ...]:
    """Both words of a judge, in terms of chains; nothing, if it handed over anything else."""
    words = places_in(output)
    if words is None:
        return ()
    pair = pair_in(name)
    found = []
    for word, shown in zip(words, (pair, pair[::-1]), strict=True):
        preferred = dict(zip(PLACES, shown, strict=False)).get(word)
        found.append(Comparison(agent, node, *shown, preferred, operator))
    return tuple(found)
