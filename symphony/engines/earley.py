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
from symphony.engines.gbnf import CharSet, Rules

_Item = tuple[int, int, int, int]
"""Rule, the number of one of its bodies, the place of the dot in it, where in the text it began."""


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
        bodies = self._rules.bodies
        items: dict[_Item, None] = {(root, n, 0, 0): None for n in range(len(bodies[root]))}
        for place in range(len(text) + 1):
            waiting.append(defaultdict(list))
            code = ord(text[place]) if place < len(text) else None
            following: dict[_Item, None] = {}
            queue = list(items)
            while queue:
                item = queue.pop()
                rule, number, dot, origin = item
                body = bodies[rule][number]
                fresh: list[_Item]
                if dot == len(body):
                    fresh = [(r, n, d + 1, o) for r, n, d, o in waiting[origin][rule]]
                else:
                    symbol = body[dot]
                    if isinstance(symbol, CharSet):
                        self._count(1 + len(symbol.ranges))
                        if code is not None and symbol.holds(code):
                            following[rule, number, dot + 1, origin] = None
                        continue
                    fresh = self._predict(item, symbol, place, waiting)
                self._count(1 + len(fresh))
                for one in fresh:
                    if one not in items:
                        items[one] = None
                        queue.append(one)
            if place == len(text):
                return any(r == root and o == 0 and d == len(bodies[r][n]) for r, n, d, o in items)
            if not following:
                return False
            items = following
        raise AssertionError("the loop ends by returning")

    def _predict(
        self, item: _Item, wanted: int, place: int, waiting: list[dict[int, list[_Item]]]
    ) -> list[_Item]:
        rule, number, dot, origin = item
        waiting[place][wanted].append(item)
        count = len(self._rules.bodies[wanted])
        fresh: list[_Item] = [(wanted, one, 0, place) for one in range(count)]
        if wanted in self._nullable:
            fresh.append((rule, number, dot + 1, origin))
        return fresh

    def _count(self, steps: int) -> None:
        self._steps += steps
        if self._steps > limits.GRAMMAR_STEPS:
            raise TooHard(f"more than {limits.GRAMMAR_STEPS} steps")


def _nullable(rules: Rules) -> frozenset[int]:
    """The rules that derive the empty text: each body waits for the rules in it, one by one."""
    found: set[int] = set()
    lacking: list[int] = []  # of each body of rules alone, how many were not found yet
    owners: list[int] = []
    users: dict[int, list[int]] = defaultdict(list)
    queue: list[int] = []
    for rule, bodies in enumerate(rules.bodies):
        for body in bodies:
            inner = [symbol for symbol in body if isinstance(symbol, int)]
            if len(inner) < len(body):
                continue  # a character is not empty
            for symbol in inner:
                users[symbol].append(len(owners))
            owners.append(rule)
            lacking.append(len(inner))
            if not inner:
                queue.append(rule)
    while queue:
        rule = queue.pop()
        if rule in found:
            continue
        found.add(rule)
        for body_number in users[rule]:
            lacking[body_number] -= 1
            if not lacking[body_number]:
                queue.append(owners[body_number])
    return frozenset(found)
