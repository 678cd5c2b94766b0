r"""Mathematical answers in an exact normal form, so that equal ones are counted together.

    \frac{1}{2} = 0.5     (x-1)(x+1) = x^2-1     \sqrt{8} = 2\sqrt2     x = 5 is 5

An expression is read as a sum of terms, each a rational number times the root of a square-free
integer times powers of names: sums, products, integer powers, quotients by one term and roots of
rationals are worked out exactly (`polynomial`). What lies outside of that, sin(x) or the
root of a sum, is a name of its own with the normal form of what is inside. Two answers of one
class are therefore equal; two that are equal by deeper reasons may stay apart, which costs a vote
and never joins what differs. What can't be read at all is compared as text. Three things are
dropped before, because the question asks for them: units and words in `\text` behind a number
(`math_text`), and the one name that an equation begins with, so that x = 5 and y = 5 are both 5.

The reading is bounded (`MAX_CHARS`, `MAX_DEPTH`, the sizes and the `Work` in `polynomial`),
because the text comes from somebody else, and needs no library, so that everybody gets the same
class.
"""

from __future__ import annotations

import re
from fractions import Fraction

from symphony.core.votes.math_text import as_words, is_word, made_plain
from symphony.core.votes.numerals import value_of
from symphony.core.votes.polynomial import Poly, TooMuch, Work, constant, name, root

MAX_CHARS = 512
MAX_DEPTH = 24

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[1-9]\d{0,2}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)"
    r"|(?P<name>\\?[A-Za-z]+)|(?P<sign>[^\s]))"
)
_FUNCTIONS = frozenset(
    {"sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan"}
    | {"sinh", "cosh", "tanh", "log", "ln", "exp", "abs"}
)
_WORDS = frozenset({"pi", "sqrt", "frac", "infty", "theta", "alpha", "beta", "gamma", "lambda"})
_OPEN = {"(": ")", "[": "]", "{": "}"}
_CLOSE = frozenset(")]}")


class _Unread(ValueError):
    """Not of the small language that is read here."""


def normal_form(text: str) -> str:
    """The key of the class of a mathematical answer. Total; equal keys mean equal answers."""
    if len(text) > MAX_CHARS:
        return "text:" + as_words(text)
    bare = made_plain(text)
    if len(bare) > MAX_CHARS:
        return "text:" + as_words(bare)
    try:
        return _Reader(bare).answer()
    except (_Unread, TooMuch):
        return "text:" + as_words(bare)


class _Reader:
    """A recursive descent over the tokens of one answer."""

    def __init__(self, text: str) -> None:
        self.work = Work()
        self.tokens: list[tuple[str, str]] = []
        for found in _TOKEN.finditer(text):
            kind = found.lastgroup
            if kind is None:
                continue
            word = found[kind]
            if kind == "name":
                self.tokens += _names(word, text, found.start(kind))
            elif word.isdigit() and self._bare_fraction():
                self.tokens += [("number", digit) for digit in word]  # \\frac12 is one half
            else:
                self.tokens.append((kind, word))
        self.at = 0
        self.depth = 0

    def _bare_fraction(self) -> bool:
        """Does a fraction without braces begin here?"""
        before = [word for _, word in self.tokens[-2:]]
        return before[-1:] == ["frac"] or (before[:1] == ["frac"] and before[1].isdigit())

    def answer(self) -> str:
        """The whole text: values between commas, or both sides of an equation."""
        if not self.tokens:
            raise _Unread
        sides = [self._list()]
        while self._take("="):
            sides.append(self._list())
        if self.at != len(self.tokens) or len(sides) > 2:
            raise _Unread
        if len(sides) == 1:
            return sides[0]
        left, right = sides
        if re.fullmatch(r"[A-Za-z]|[a-z]+", left):
            return right  # "x = 5" answers 5
        return "=".join(sorted(sides))

    def _list(self) -> str:
        parts = [str(self._sum())]
        while self._take(","):
            parts.append(str(self._sum()))
        return ",".join(parts)

    def _peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def _take(self, *words: str) -> str:
        word = self._peek()
        if word and word in words:
            self.at += 1
            return word
        return ""

    def _sum(self) -> Poly:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _Unread
        sign = self._take("+", "-")
        total = self._product()
        if sign == "-":
            total = total.scaled(Fraction(-1))
        while sign := self._take("+", "-"):
            part = self._product()
            total = self.work.plus(total, part if sign == "+" else part.scaled(Fraction(-1)))
        self.depth -= 1
        return total

    def _product(self) -> Poly:
        total = self._power()
        while self.at < len(self.tokens):
            word = self._peek()
            if word in {"*", "·"}:
                self.at += 1
                total = self.work.times(total, self._signed())
            elif word in {"/", "÷"}:
                self.at += 1
                total = self.work.times(total, self._signed().inverse())
            elif word == "%":
                self.at += 1
                total = total.scaled(Fraction(1, 100))
            elif word in _CLOSE or word in {"+", "-", "=", ",", "^", "|"}:
                break
            elif self.tokens[self.at][0] == "number" == self.tokens[self.at - 1][0]:
                raise _Unread  # "3 4" is no product
            else:
                total = self.work.times(total, self._power())
        return total

    def _signed(self) -> Poly:
        sign = self._take("-", "+")
        value = self._power()
        return value.scaled(Fraction(-1)) if sign == "-" else value

    def _power(self) -> Poly:
        base = self._atom()
        if not self._take("^"):
            return base
        sign = self._take("-")
        exponent = self._atom()
        if sign:
            exponent = exponent.scaled(Fraction(-1))
        value = exponent.value()
        if value is None:
            return name(f"pow({base};{exponent})")
        if value.denominator == 1:
            return self.work.power(base, value.numerator)
        if value.denominator == 2:
            return self.work.power(self._root(base), value.numerator)
        return name(f"pow({base};{value})")

    def _root(self, inner: Poly) -> Poly:
        value = inner.value()
        exact = root(value) if value is not None else None
        return exact if exact is not None else name(f"sqrt({inner})")

    def _atom(self) -> Poly:
        if self.at >= len(self.tokens):
            raise _Unread
        kind, word = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            value = value_of(word)
            if value is None:
                raise _Unread
            return constant(value)
        if kind == "name":
            return self._named(word)
        if word in _OPEN:
            return self._group(word)
        raise _Unread

    def _named(self, word: str) -> Poly:
        if word == "frac":
            return self.work.times(self._atom(), self._atom().inverse())
        if word == "sqrt":
            if self._peek() == "[":
                raise _Unread  # other roots than square ones
            return self._root(self._atom())
        if word in _FUNCTIONS:
            raised = self._atom() if self._take("^") else constant(Fraction(1))
            inner = self._atom()
            called = name(f"{word}({inner})")
            times = raised.value()
            if times is None or times.denominator != 1:
                raise _Unread
            return self.work.power(called, times.numerator)
        return name(word)

    def _group(self, opened: str) -> Poly:
        """What stands in brackets: one value, or several, which are a tuple, interval or set."""
        parts = [self._sum()]
        while self._take(","):
            parts.append(self._sum())
        closed = self._peek()
        if closed not in _CLOSE:
            raise _Unread
        self.at += 1
        if len(parts) == 1:
            if _OPEN[opened] != closed:
                raise _Unread
            return parts[0]
        texts = [str(part) for part in parts]
        if opened == "{":
            texts = sorted(set(texts))
        return name(f"{opened}{','.join(texts)}{closed}")


def _names(word: str, text: str, at: int) -> list[tuple[str, str]]:
    """The letters at a place of the text: a name that is known, or one name after the other."""
    bare = word.removeprefix("\\")
    if bare in _WORDS or bare in _FUNCTIONS or len(bare) == 1:
        return [("name", bare)]
    if word.startswith("\\") or is_word(text, at, at + len(word)):
        raise _Unread
    return [("name", letter) for letter in bare]
