"""Sums of terms `q · √m · x^a · y^b …`, exactly: the arithmetic behind `expression`.

`q` is rational, `m` a square-free integer, the exponents are integers. Such terms with different
`(m, exponents)` are linearly independent over the rationals as long as the names are, so the
sorted sum of non-zero terms is a normal form: equal sums have equal texts.

All sizes are bounded; what would exceed them raises `TooMuch`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, isqrt

from symphony.core import limits

MAX_TERMS = 48
MAX_POWER = 24
MAX_BITS = 512  # of a coefficient: a hundred digits and more, and cheap to reduce
MAX_RADICAND = 10**9  # square factors are found by trial division up to its cube root

_OVERHEAD = 8  # products that any operation costs, be its terms as few as they may
_PRIMES = tuple(n for n in range(2, 1_001) if all(n % d for d in range(2, isqrt(n) + 1)))
"""Up to the cube root of `MAX_RADICAND`."""

Monomial = tuple[int, tuple[tuple[str, int], ...]]
"""A square-free radicand and the names with their exponents, sorted by name."""
_ONE: Monomial = (1, ())


class TooMuch(ValueError):
    """The exact form would be larger than an answer can be."""


@dataclass(frozen=True, slots=True)
class Poly:
    """A sum of terms; zero has none."""

    terms: Mapping[Monomial, Fraction]

    def __add__(self, other: Poly) -> Poly:
        total = dict(self.terms)
        for key, factor in other.terms.items():
            total[key] = total.get(key, Fraction(0)) + factor
        return _checked(total)

    def __mul__(self, other: Poly) -> Poly:
        total: dict[Monomial, Fraction] = {}
        for left, a in self.terms.items():
            for right, b in other.terms.items():
                factor, key = _times(left, right)
                total[key] = total.get(key, Fraction(0)) + a * b * factor
            if len(total) > 4 * MAX_TERMS:
                raise TooMuch
        return _checked(total)

    def scaled(self, by: Fraction) -> Poly:
        return _checked({key: factor * by for key, factor in self.terms.items()})

    def inverse(self) -> Poly:
        """1 / self: exact for one term, else a name of its own. Raises `TooMuch` for 1 / 0."""
        if not self.terms:
            raise TooMuch
        if len(self.terms) > 1:
            return name(f"inv({self})")
        ((radicand, powers), factor) = next(iter(self.terms.items()))
        turned = tuple((word, -exponent) for word, exponent in powers)
        return _checked({(radicand, turned): 1 / (factor * radicand)})

    def value(self) -> Fraction | None:
        """The number that this is; None if it is no rational one."""
        if not self.terms:
            return Fraction(0)
        return self.terms[_ONE] if len(self.terms) == 1 and _ONE in self.terms else None

    def __str__(self) -> str:
        if not self.terms:
            return "0"
        return "+".join(_text(key, self.terms[key]) for key in sorted(self.terms))


@dataclass(slots=True)
class Work:
    """What one answer may cost: its operations together are bounded, not only each of them."""

    left: int = limits.MAX_TERM_PRODUCTS

    def times(self, one: Poly, other: Poly) -> Poly:
        """Raises `TooMuch` where the work would be more than is left."""
        self._spend(_OVERHEAD + len(one.terms) * len(other.terms))
        return one * other

    def plus(self, one: Poly, other: Poly) -> Poly:
        """A sum copies its terms. Raises `TooMuch` like `times`."""
        self._spend(_OVERHEAD + (len(one.terms) + len(other.terms)) // 4)
        return one + other

    def power(self, base: Poly, exponent: int) -> Poly:
        """Raises `TooMuch` beyond `MAX_POWER`, and for a power that does not exist."""
        if abs(exponent) > MAX_POWER:
            raise TooMuch
        if exponent < 0:
            return self.power(base.inverse(), -exponent)
        total = constant(Fraction(1))
        for _ in range(exponent):
            total = self.times(total, base)
        return total

    def _spend(self, products: int) -> None:
        self.left -= products
        if self.left < 0:
            raise TooMuch


def constant(value: Fraction) -> Poly:
    return _checked({_ONE: value})


def name(word: str) -> Poly:
    if len(word) > 2_000:
        raise TooMuch
    return Poly({(1, ((word, 1),)): Fraction(1)})


def root(value: Fraction) -> Poly | None:
    """The square root of a rational that is not negative; None if it is too large to split."""
    inside = value.numerator * value.denominator
    if value < 0 or inside > MAX_RADICAND:
        return None
    outside, radicand, rest = 1, 1, inside
    for prime in _PRIMES:
        if prime**3 > rest:
            break
        while rest % (prime * prime) == 0:
            rest //= prime * prime
            outside *= prime
        if rest % prime == 0:
            rest //= prime
            radicand *= prime
    last = isqrt(rest)  # two primes are left at most: a square, or square-free
    if last * last == rest:
        outside *= last
    else:
        radicand *= rest
    return _checked({(radicand, ()): Fraction(outside, value.denominator)})


def _times(left: Monomial, right: Monomial) -> tuple[int, Monomial]:
    shared = gcd(left[0], right[0])
    powers = dict(left[1])
    for word, exponent in right[1]:
        powers[word] = powers.get(word, 0) + exponent
        if abs(powers[word]) > 4 * MAX_POWER:
            raise TooMuch
    kept = tuple(sorted((word, power) for word, power in powers.items() if power))
    return shared, (left[0] // shared * (right[0] // shared), kept)


def _checked(terms: dict[Monomial, Fraction]) -> Poly:
    kept = {key: factor for key, factor in terms.items() if factor}
    if len(kept) > MAX_TERMS or any(key[0] > MAX_RADICAND for key in kept):
        raise TooMuch
    for factor in kept.values():
        if max(factor.numerator.bit_length(), factor.denominator.bit_length()) > MAX_BITS:
            raise TooMuch
    return Poly(kept)


def _text(key: Monomial, factor: Fraction) -> str:
    radicand, powers = key
    parts = [str(factor)] if factor != 1 or key == _ONE else []
    parts += [f"sqrt({radicand})"] if radicand != 1 else []
    parts += [word if power == 1 else f"{word}^{power}" for word, power in powers]
    return "*".join(parts)
