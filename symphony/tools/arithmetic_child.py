"""Exact arithmetic, in a process of its own: one expression in, one number out.

    python -I -S …/symphony/tools/arithmetic_child.py

reads one expression from standard input and prints its exact value: an integer, or a fraction
with its decimals. Numbers are fractions from the first digit to the last, so 0.1 + 0.2 is 0.3.

The expression was written by a model, so the process is bounded before it is read: two seconds
of processor, 256 MiB, no files, no other processes, and no descriptor beyond the three it was
born with, which also means no socket. And it is never code: a parser of four precedences knows
numbers, operators and a handful of functions, nothing else. Run as a file, importing nothing of
Symphony.

The rule: what can be read in two ways is refused, because a wrong exact value is worse than none.
`1,234` is one number where no function is around it; in `gcd(48,180)` a comma is between two
arguments, and in `max(1,500, 2)` it could be either. `%` is the remainder, as in `17 % 5`, never a
percentage: `15% - 30` could be both, and is told so.
"""

from __future__ import annotations

import math
import re
import resource
import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Final

EXPRESSION_CHARS: Final = 200
DEPTH: Final = 30
DIGITS: Final = 400
LARGEST_EXPONENT: Final = 1000
LARGEST_FACTORIAL: Final = 150
DECIMALS: Final = 12

_LIMITS: Final = (
    (resource.RLIMIT_CPU, 2),
    (resource.RLIMIT_AS, 256 * 1024 * 1024),
    (resource.RLIMIT_FSIZE, 0),
    (resource.RLIMIT_NPROC, 0),
    (resource.RLIMIT_CORE, 0),
    (resource.RLIMIT_NOFILE, 3),
)
_TOKEN: Final = re.compile(r"\s*(\d+(?:\.\d+)?|\*\*|//|[-+*/%^(),]|[a-z]+)", re.ASCII)
_THOUSANDS: Final = re.compile(r"\s*(\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d+)?)", re.ASCII)
_REMAINDER: Final = re.compile(r"(?:(?<=\s)%\s[\da-z(]|(?<!\s)%\d)", re.ASCII)
_TRIPLE: Final = re.compile(r",(\d{3})(?!\d)", re.ASCII)
_MEANT: Final = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "_": ""})
_COMMAS: Final = "write numbers without commas, and a space behind a comma between two numbers"
_PERCENT: Final = "% may be a percentage here: write 15 / 100 for 15%, mod(17, 5) for a remainder"


class BadExpression(Exception):
    """It can't be computed; the text says why."""


def main() -> None:
    for kind, most in _LIMITS:
        resource.setrlimit(kind, (most, most))
    sys.set_int_max_str_digits(2 * DIGITS + 1000)
    text = sys.stdin.read(EXPRESSION_CHARS + 1)
    try:
        sys.stdout.write(written(value_of(text)))
    except ZeroDivisionError:
        sys.stdout.write("error: division by zero")
    except (BadExpression, ArithmeticError, MemoryError) as error:
        sys.stdout.write(f"error: {error}")


def value_of(text: str) -> Fraction:
    """The exact value. Raises `BadExpression`, or `ZeroDivisionError`."""
    if len(text) > EXPRESSION_CHARS:
        raise BadExpression(f"longer than {EXPRESSION_CHARS} characters")
    reader = _Reader(_tokens(text.lower().translate(_MEANT)))
    value = reader.sum(0)
    if reader.next == ",":
        raise BadExpression(f"a comma there: {_COMMAS}")
    if reader.next is not None:
        raise BadExpression(f"{reader.next!r} was not expected")
    return value


def written(value: Fraction) -> str:
    """How the value is told: exactly, and with decimals where it is no integer."""
    bounded(value)
    if value.denominator == 1:
        return str(value.numerator)
    scale = 10**DECIMALS
    shown = abs(round(value * scale))
    sign = "-" if value < 0 else ""
    decimals = f"{sign}{shown // scale}.{shown % scale:0{DECIMALS}d}".rstrip("0").rstrip(".")
    exact = scale % value.denominator == 0
    return decimals if exact else f"{value.numerator}/{value.denominator} (about {decimals})"


def bounded(value: Fraction) -> Fraction:
    """The value, unless it has more digits than anybody reads."""
    if max(abs(value.numerator), value.denominator).bit_length() > DIGITS * 4:
        raise BadExpression(f"the value has more than {DIGITS} digits")
    return value


def _tokens(text: str) -> list[str]:
    """The words of an expression, numbers without their commas. Raises `BadExpression`, also for
    what could be read in two ways.
    """
    tokens: list[str] = []
    around: list[_Parentheses] = []
    at, text = 0, " ".join(text.split())
    while at < len(text):
        called = bool(around) and around[-1].called
        found = (not called and _THOUSANDS.match(text, at)) or _TOKEN.match(text, at)
        if found is None:
            raise BadExpression(f"{text[at]!r} is no part of an expression")
        word, start = found[1], found.start(1)
        if word == "%" and _REMAINDER.match(text, start) is None:
            raise BadExpression(_PERCENT)
        if word == "(":
            around.append(_Parentheses(called or (bool(tokens) and tokens[-1].isalpha())))
        elif word == ")" and around:
            around.pop()
        elif word == "," and called:
            around[-1].comma(tokens[-1], _TRIPLE.match(text, start))
        tokens.append(word.replace(",", "") if len(word) > 1 else word)
        at = found.end()
    return tokens


class _Parentheses:
    """One pair, while it is read: whether a function is around it, and what its commas may be."""

    def __init__(self, called: bool) -> None:
        self.called = called
        self._commas = 0
        self._in_numbers = 0

    def comma(self, before: str, triple: re.Match[str] | None) -> None:
        """A comma between arguments. One that may as well stand in a number, as in `1,500`, is
        refused, except where there would be one number for a function that wants several.
        """
        self._commas += 1
        if triple and before.isdigit() and len(before) < 4:
            self._in_numbers += 1
            if triple[1].startswith("0"):
                raise BadExpression(f"{before}{triple[0]} in a function: {_COMMAS}")
        if self._in_numbers and self._commas > 1:
            raise BadExpression(f"these commas may be in numbers or between them: {_COMMAS}")


class _Reader:
    """Recursive descent; each method reads one precedence and returns its value."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def next(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def take(self) -> str:
        token = self.next
        if token is None:
            raise BadExpression("it ends too early")
        self._at += 1
        return token

    def want(self, token: str) -> None:
        if self.next != token:
            raise BadExpression(f"{token!r} is missing")
        self._at += 1

    def sum(self, depth: int) -> Fraction:
        if depth > DEPTH:
            raise BadExpression("nested too deep")
        value = self.product(depth)
        while self.next in ("+", "-"):
            sign = 1 if self.take() == "+" else -1
            value = bounded(value + sign * self.product(depth))
        return value

    def product(self, depth: int) -> Fraction:
        value = self.signed(depth)
        while self.next in ("*", "/", "//", "%"):
            operator, other = self.take(), self.signed(depth)
            match operator:
                case "*":
                    value = bounded(value * other)
                case "/":
                    value = bounded(value / other)
                case "//":
                    value = Fraction(value // other)
                case _:
                    value = value % other
        return value

    def signed(self, depth: int) -> Fraction:
        sign = 1
        while self.next in ("+", "-"):
            sign = sign if self.take() == "+" else -sign
        return sign * self.power(depth)

    def power(self, depth: int) -> Fraction:
        base = self.atom(depth)
        if self.next not in ("**", "^"):
            return base
        self.take()
        if depth > DEPTH:
            raise BadExpression("nested too deep")
        sign = 1
        while self.next in ("+", "-"):
            sign = sign if self.take() == "+" else -sign
        exponent = sign * self.power(depth + 1)
        if exponent.denominator != 1 or abs(exponent) > LARGEST_EXPONENT:
            raise BadExpression(f"an exponent is an integer up to {LARGEST_EXPONENT}")
        size = max(abs(base.numerator), base.denominator).bit_length() * abs(exponent)
        if size > DIGITS * 4 + LARGEST_EXPONENT:
            raise BadExpression(f"the value has more than {DIGITS} digits")
        return bounded(base**exponent.numerator)

    def atom(self, depth: int) -> Fraction:
        word = self.take()
        if word == "(":
            value = self.sum(depth + 1)
            self.want(")")
            return value
        if word[0].isdigit():
            return bounded(Fraction(word))
        function = FUNCTIONS.get(word)
        if function is None:
            raise BadExpression(f"{word!r} is not known here")
        self.want("(")
        values = [self.sum(depth + 1)]
        while self.next == ",":
            self.take()
            values.append(self.sum(depth + 1))
        self.want(")")
        return bounded(function(values))


def _whole(values: list[Fraction]) -> list[int]:
    if any(value.denominator != 1 for value in values):
        raise BadExpression("this function wants integers")
    return [value.numerator for value in values]


def _one(values: list[Fraction]) -> Fraction:
    if len(values) != 1:
        raise BadExpression(f"this function wants one number: {_COMMAS}")
    return values[0]


def _remainder(values: list[Fraction]) -> Fraction:
    if len(values) != 2:
        raise BadExpression("mod wants two numbers")
    return values[0] % values[1]


def _root(values: list[Fraction]) -> Fraction:
    value = _one(values)
    if value < 0:
        raise BadExpression("no root of a negative number")
    up, down = math.isqrt(value.numerator), math.isqrt(value.denominator)
    if up * up != value.numerator or down * down != value.denominator:
        raise BadExpression(f"the root of {value} is no fraction")
    return Fraction(up, down)


def _factorial(values: list[Fraction]) -> Fraction:
    (value,) = _whole([_one(values)])
    if not 0 <= value <= LARGEST_FACTORIAL:
        raise BadExpression(f"factorials go from 0 to {LARGEST_FACTORIAL}")
    return Fraction(math.factorial(value))


FUNCTIONS: Final[dict[str, Callable[[list[Fraction]], Fraction]]] = {
    "abs": lambda values: abs(_one(values)),
    "min": min,
    "max": max,
    "mod": _remainder,
    "gcd": lambda values: Fraction(math.gcd(*_whole(values))),
    "lcm": lambda values: Fraction(math.lcm(*_whole(values))),
    "floor": lambda values: Fraction(math.floor(_one(values))),
    "ceil": lambda values: Fraction(math.ceil(_one(values))),
    "sqrt": _root,
    "factorial": _factorial,
}


if __name__ == "__main__":
    main()
