"""Classes of equal answers: what is equal is one class, what differs never is."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.core.votes.answers import canonical, extract
from symphony.core.votes.numerals import numerals, plain, value_of


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
        (("0,125", "0.125", "1/8", "00,125"), "1/8"),
        (("1 000,125", "1.000,125", "1'000.125", "1,000.125"), "8001/8"),
    ],
)
def test_one_number_however_it_is_written(writings: tuple[str, ...], value: str) -> None:
    for text in writings:
        found = extract(f"We count.\nAnswer: {text}", "number")
        assert found is not None, text
        assert canonical(found, "number") == value, text


@pytest.mark.parametrize(
    "text",
    [
        "1/0",
        "0^-1",
        "9^999",
        "1.2.3",
        "",
        "x",
        "12 34",
        "1e999",
        "-",
        "1,2.5",
        "12.5,0",
        "0,125.5",
        "0 125",
        "0'125",
        "0_125",
        "1_00",
        "5'10",
        "0,125,000",
    ],
)
def test_what_is_no_number(text: str) -> None:
    assert value_of(text) is None


def test_several_numbers_are_not_one() -> None:
    assert numerals(plain("1,2,3")) == ["1", "2", "3"]
    assert numerals(plain("1,2.5 and 0 125")) == ["1", "2.5", "0", "125"]
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
