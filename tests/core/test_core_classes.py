"""Classes of equal answers: what is equal is one class, what differs never is."""

import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symphony.core.votes.answers import canonical, extract
from symphony.core.votes.expression import MAX_CHARS, normal_form
from symphony.core.votes.numerals import numerals, plain, value_of
from symphony.core.votes.polynomial import TooMuch, constant, name, root


@pytest.mark.parametrize(
    ("writings", "value"),
    [
        (("1,000", "1 000", "1'000", "1_000", "1.000,00", "1,000.0", "$1000", "1e3"), "1000"),
        (
            (
                "1 × 10^3",
                "1.0 \\times 10^{3}",
                "10³",
                "1 thousand",
                "1{,}000",
                "\uff11000",
            ),
            "1000",
        ),
        (("1/2", "0.5", ".5", "50%", "50 \\%", "½", "\\frac{1}{2}", "2/4", "0,5"), "1/2"),
        (("1½", "1 1/2", "1.5", "3/2", "1\\dfrac{1}{2}"), "3/2"),
        (("-3", "−3", "- 3", "-$3", "-3.00"), "-3"),
        (("1,00,000", "100,000", "0.1 million", "100 000 km"), "100000"),
        (("3,14", "3.14"), "157/50"),
    ],
)
def test_one_number_however_it_is_written(writings: tuple[str, ...], value: str) -> None:
    for text in writings:
        found = extract(f"We count.\nAnswer: {text}", "number")
        assert found is not None, text
        assert canonical(found, "number") == value, text


@pytest.mark.parametrize("text", ["1/0", "0^-1", "9^999", "1.2.3", "", "x", "12 34", "1e999", "-"])
def test_what_is_no_number(text: str) -> None:
    assert value_of(text) is None


def test_several_numbers_are_not_one() -> None:
    assert numerals(plain("1,2,3")) == ["1", "2", "3"]
    assert numerals(plain("on 2024-05-06 there are 3-2=1, so 12 34.")) == (
        ["2024", "05", "06", "3", "2", "1", "12", "34"]
    )


@given(st.fractions(max_denominator=10**6), st.booleans())
def test_every_rational_has_one_key(value: Fraction, latex: bool) -> None:
    text = f"\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}" if latex else str(abs(value))
    assert value_of(("-" if value < 0 else "") + text) == value
    assert canonical(str(value), "number") == str(value)


@given(st.integers(-(10**12), 10**12))
def test_thousands(value: int) -> None:
    for text in (f"{value:,}", f"{value:_}", f"{value:,}".replace(",", "\u202f"), f"{value}.0"):
        assert value_of(text) == value


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
    ],
)
def test_what_differs_stays_apart(one: str, other: str) -> None:
    assert normal_form(one) != normal_form(other)


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


def test_arithmetic_is_bounded() -> None:
    x = name("x") + constant(Fraction(1))
    for grow in (lambda: x.power(99), lambda: x.power(20) * x.power(20) * x.power(20)):
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


@pytest.mark.parametrize(
    ("output", "key"),
    [("Answer: not true", "false"), ("It isn't wrong.", "true"), ("Not so. Answer: yes", "true")],
)
def test_a_not_turns_a_verdict(output: str, key: str) -> None:
    found = extract(output, "boolean")
    assert found is not None
    assert canonical(found, "boolean") == key


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"a": 1, "b": [1.0]}', '{"b":[10e-1],"a":1.00}', True),
        ("1e3", "1000", True),
        ("-0", "0.0", True),
        ("1e70", "1" + "0" * 70, True),
        ("[1,2]", "[2,1]", False),
        ('"1"', "1", False),
        ("true", "1", False),
        ("0.1", "0.10000000000000000001", False),
    ],
)
def test_json_is_compared_by_value(one: str, other: str, same: bool) -> None:
    keys = [canonical(found, "json") for text in (one, other) if (found := extract(text, "json"))]
    assert len(keys) == 2
    assert (keys[0] == keys[1]) == same


@pytest.mark.parametrize("text", ['{"a":1,"a":2}', "Infinity", "[NaN]", "nul"])
def test_json_that_readers_may_take_differently(text: str) -> None:
    assert extract(text, "json") is None
