"""Does a text belong to a grammar? Earley's recogniser.

Servers enforce grammars while they sample, but a server may ignore one, and an answer that was
cut is no text of it; so the check on the way back needs to know the language itself. Earley's
algorithm (1970), with the prediction of nullable rules of Aycock and Horspool (2002), takes any
context-free grammar, recurses nowhere, and is linear on what people write; it is cubic at
worst, so its work is counted and bounded.
"""

from __future__ import annotations

from collections import defaultdict

from symphony.engines import limits
from symphony.engines.gbnf import Body, CharSet, Rules

_Item = tuple[int, Body, int, int]
"""Rule, one of its bodies, the place of the dot in it, and where in the text it began."""


class TooHard(Exception):
    """The check would take more steps than `limits.GRAMMAR_STEPS`."""


def accepts(rules: Rules, text: str) -> bool:
    """Whether `text` is derived from `root`. Raises `TooHard`."""
    return _Recogniser(rules).run(text)


class _Recogniser:
    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._nullable = _nullable(rules)
        self._steps = 0

    def run(self, text: str) -> bool:
        root = self._rules.root
        # waiting[p][r]: the items at place p whose dot stands before rule r.
        waiting: list[dict[int, list[_Item]]] = []
        items: dict[_Item, None] = {(root, body, 0, 0): None for body in self._rules.bodies[root]}
        for place in range(len(text) + 1):
            waiting.append(defaultdict(list))
            code = ord(text[place]) if place < len(text) else None
            following: dict[_Item, None] = {}
            queue = list(items)
            while queue:
                self._count()
                item = queue.pop()
                rule, body, dot, origin = item
                fresh: list[_Item]
                if dot == len(body):
                    fresh = [(r, b, d + 1, o) for r, b, d, o in waiting[origin][rule]]
                elif isinstance(body[dot], CharSet):
                    self._shift(item, code, following)
                    continue
                else:
                    fresh = self._predict(item, place, waiting)
                for one in fresh:
                    if one not in items:
                        items[one] = None
                        queue.append(one)
            if place == len(text):
                return any(i[0] == root and i[3] == 0 and i[2] == len(i[1]) for i in items)
            if not following:
                return False
            items = following
        raise AssertionError("the loop ends by returning")

    def _shift(self, item: _Item, code: int | None, following: dict[_Item, None]) -> None:
        rule, body, dot, origin = item
        symbol = body[dot]
        if code is not None and isinstance(symbol, CharSet) and symbol.holds(code):
            following[rule, body, dot + 1, origin] = None

    def _predict(
        self, item: _Item, place: int, waiting: list[dict[int, list[_Item]]]
    ) -> list[_Item]:
        rule, body, dot, origin = item
        wanted = body[dot]
        assert isinstance(wanted, int)
        waiting[place][wanted].append(item)
        fresh: list[_Item] = [(wanted, one, 0, place) for one in self._rules.bodies[wanted]]
        if wanted in self._nullable:
            fresh.append((rule, body, dot + 1, origin))
        return fresh

    def _count(self) -> None:
        self._steps += 1
        if self._steps > limits.GRAMMAR_STEPS:
            raise TooHard(f"more than {limits.GRAMMAR_STEPS} steps")


def _nullable(rules: Rules) -> frozenset[int]:
    """The rules that derive the empty text, by iteration to the fixed point."""
    found: set[int] = set()
    while True:
        more = {
            rule
            for rule, bodies in enumerate(rules.bodies)
            if rule not in found
            and any(all(isinstance(s, int) and s in found for s in body) for body in bodies)
        }
        if not more:
            return frozenset(found)
        found |= more
