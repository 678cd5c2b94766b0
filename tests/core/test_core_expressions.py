"""Classes of mathematical answers: an exact normal form that never joins what differs."""

import time
from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symphony.core.votes.answers import canonical, extract
from symphony.core.votes.expression import MAX_CHARS, normal_form
from symphony.core.votes.polynomial import TooMuch, Work, constant, name, root


@pytest.mark.parametrize(
    "equal",
    [
        ("1/2", "\\frac{1}{2}", "0.5", "\\dfrac12", "\\frac 2 4", "50\\%"),
        ("x^2-1", "(x-1)(x+1)", "-1 + x^{2}", "$x^2-1$."),
        ("2\\sqrt{2}", "\\sqrt{8}", "\\sqrt 8", "\\frac{4}{\\sqrt2}", "8^{1/2}", "2√2"),
        ("x = 5", "5", "5.0", "5\\text{ cm}", "$5$"),
        ("\\pi/2", "\\frac{\\pi}{2}", "0.5\\pi", "\\frac12 π"),
        ("(1,2)", "\\left( 1, \\frac{4}{2} \\right)"),
        ("\\{1,2\\}", "\\{2, 1, 1\\}"),
        ("x^2+y^2=1", "1 = y^2+x^2"),
        ("\\sin^2 x", "\\sin(x)^2"),
        ("2\\frac{1}{2}", "5/2", "2 1/2"),
        ("\\frac{\\sqrt3}{3}", "1/\\sqrt{3}"),
        ("1,000x", "1000 \\cdot x"),
        ("90^\\circ", "90"),
        ("5", "5\\text{ cm}^2", "5\\mathrm{m}", "5\\text{ square feet}.", "x = 5\\text{ m}^{3}"),
        ("(5,3)", "(5\\text{ cm}, 3\\text{ cm})"),
        ("\\frac12", "\\frac{1}{2}\\text{ miles per hour}"),
        ("Evelyn", "\\text{Evelyn}", "\\textbf{Evelyn}.", "$\\text{Evelyn}$"),
        ("(B)", "\\text{(B)}", "\\textbf{(B)}", "B"),
        ("3 or 4", "3\\text{ or }4", "3 \\text{or} 4"),
        ("2\\pi rh", "2 \\pi hr", "2rh*\\pi"),
        ("mgh/2", "\\frac{mgh}{2}", "0.5hmg"),
        ("lw + wh", "hw+wl"),
        ("xy", "x y", "y*x"),
        ("90", "90\\, \\text{square\nunits}", "90~\\mbox{in}", "90\\;\\text{sq. cm}^2"),
        ("7, -2, \\text{ and } -5", "7,-2,-5", "7, -2, and -5"),
    ],
)
def test_one_expression_however_it_is_written(equal: tuple[str, ...]) -> None:
    assert len({normal_form(text) for text in equal}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("(1,2)", "1.2"),
        ("(1,2)", "(2,1)"),
        ("(1,2)", "[1,2]"),
        ("[1,2)", "[1,2]"),
        ("\\sqrt{x^2}", "x"),
        ("0.333", "1/3"),
        ("x < 2", "x > 2"),
        ("2^x", "x^2"),
        ("5 apples", "5 pears"),
        ("1/0", "2/0"),
        ("x", "-x"),
        ("\\text{Evelyn}", "\\text{Briana}"),
        ("\\text{Mr. }\\text{Smith}", "\\text{Mr. }\\text{Jones}"),
        ("5 \\text{ or } -5", "0"),
        ("3\\text{ or }4", "3\\text{ and }4"),
        ("3\\text{ or }4", "2 or 6"),
        ("3 or 4", "2 or 6"),
        ("no", "on"),
        ("x = cat", "x = act"),
        ("12 tea", "12 eat"),
        ("5\\text{ cm}^2", "25"),
        ("5\\text{ odd}", "5"),
        ("x\\text{ increasing}", "x\\text{ decreasing}"),
        ("f(x)\\text{ grows}", "f(x)\\text{ falls}"),
        ("1\\text{ if }x>0", "1\\text{ if }x<0"),
        ("3 45", "34 5"),
        ("3 45", "345"),
        ("\\text{3}4", "34"),
        ("0,125", "125"),
        ("x=2, y=3", "x=3, y=2"),
    ],
)
def test_what_differs_stays_apart(one: str, other: str) -> None:
    assert normal_form(one) != normal_form(other)


@given(st.text("aeinort", min_size=1, max_size=3), st.sampled_from(["{}", "\\text{{{}}}", "x={}"]))
def test_no_two_words_are_one(word: str, form: str) -> None:
    words = {"".join(letters) for letters in permutations(word)}
    assert len({normal_form(form.format(other)) for other in words}) == len(words)


@given(*[st.text("0123456789 +-or/\\text{}", max_size=9)] * 2)
def test_words_between_values_are_kept(one: str, other: str) -> None:
    keys = {normal_form(f"{one}\\text{{ {word} }}{other}") for word in ("or", "and", "if", "maybe")}
    assert len(keys) == 4 or not other.strip("} \\")


Value = tuple[str, str, Fraction]
"""An expression in two ways of writing, and what it is at x = 7/3."""
AT = Fraction(7, 3)


def _sum(left: Value, right: Value) -> Value:
    return f"({left[0]}+{right[0]})", f"({right[1]} + {left[1]})", left[2] + right[2]


def _product(left: Value, right: Value) -> Value:
    return f"{left[0]}*{right[0]}", f"({right[1]})({left[1]})", left[2] * right[2]


def _square(inner: Value) -> Value:
    return f"({inner[0]})^2", f"({inner[1]})({inner[1]})", inner[2] ** 2


NUMBERS = st.integers(1, 9).map(lambda n: (str(n), f"\\frac{{{2 * n}}}{{2}}", Fraction(n)))
TREES: st.SearchStrategy[Value] = st.recursive(
    NUMBERS | st.just(("x", "x", AT)),
    lambda inner: (
        st.tuples(inner, inner).map(lambda pair: _sum(*pair))
        | st.tuples(inner, inner).map(lambda pair: _product(*pair))
        | inner.map(_square)
    ),
    max_leaves=5,
)


@settings(max_examples=60)
@given(TREES, TREES)
def test_the_normal_form_is_sound(one: Value, other: Value) -> None:
    keys = [normal_form(text) for text in (one[0], one[1], other[0])]
    if not keys[0].startswith("text:") and not keys[1].startswith("text:"):
        assert keys[0] == keys[1]
    if keys[0] == keys[2]:
        assert one[2] == other[2]


@given(st.text(max_size=80))
def test_any_text_has_a_class(text: str) -> None:
    assert normal_form(text) == normal_form(text)
    canonical(text, "boolean")


@pytest.mark.parametrize("piece", ["(", "x+y)^9*(", "\\sqrt{", "^2", "\\frac{", "1,", "x+", "{"])
def test_no_expression_stalls_the_vote(piece: str) -> None:
    began_s = time.process_time()
    normal_form((piece * MAX_CHARS)[:MAX_CHARS])
    normal_form(piece * 20_000)
    assert time.process_time() - began_s < 1


@pytest.mark.parametrize(
    "text",
    [
        "((1+\\sqrt2)(1+\\sqrt3)(1+\\sqrt5)(1+\\sqrt7)(1+\\sqrt{11}))^{24}",
        "*".join(["(x+y+z)^9"] * 9),
        "+".join(["(a+b+c)^6"] * 40),
    ],
)
def test_the_work_of_one_answer_is_bounded(text: str) -> None:
    assert normal_form(text).startswith("text:")


@given(st.integers(0, 10**9))
def test_roots_are_split_by_small_primes(inside: int) -> None:
    found = root(Fraction(inside))
    assert found is not None
    ((radicand, _), factor) = next(iter(found.terms.items()), ((1, ()), Fraction(0)))
    assert factor.denominator == 1
    assert factor**2 * radicand == inside
    assert all(radicand % (n * n) for n in range(2, 32_000) if n * n <= radicand)


def test_arithmetic_is_bounded() -> None:
    x = name("x") + constant(Fraction(1))
    work = Work()
    for grow in (lambda: work.power(x, 99), lambda: work.power(work.power(x, 20), 3)):
        with pytest.raises(TooMuch):
            grow()
    with pytest.raises(TooMuch):
        constant(Fraction(0)).inverse()
    assert root(Fraction(-1)) is None
    assert root(Fraction(10**12)) is None
    assert str(root(Fraction(9, 8))) == "3/4*sqrt(2)"
    assert str(root(Fraction(0))) == "0"


@pytest.mark.parametrize(
    ("output", "key"),
    [
        ("So \\boxed{\\frac{1}{\\sqrt{2}}} it is.", "1/2*sqrt(2)"),
        ("Work.\nAnswer: $x^2 - 1$", "-1+x^2"),
        ("Some steps.\n\n$2\\pi r$", "2*pi*r"),
        ("", None),
        ("x" * 400, None),
    ],
)
def test_expressions_are_found(output: str, key: str | None) -> None:
    found = extract(output, "expression")
    assert (normal_form(found) if found is not None else None) == key
