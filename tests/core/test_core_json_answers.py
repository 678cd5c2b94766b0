"""JSON from others: one class per value, and bounds that are told from the text alone."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.core import limits
from symphony.core.json_shape import is_too_large
from symphony.core.tasks.plan import BadPlan, parse_plan
from symphony.core.votes.answers import canonical, extract

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


def depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    opened = isinstance(value, dict | list)
    return opened + max(map(depth, inner), default=0)


@given(VALUES, VALUES)
def test_classes_are_values(one: object, other: object) -> None:
    texts = [json.dumps(one), json.dumps(other, indent=2, ensure_ascii=False)]
    if one is not None and other is not None:
        keys = [canonical(text, "json") for text in texts]
        same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
        assert (keys[0] == keys[1]) == same
        assert canonical(keys[0], "json") == keys[0]


@given(VALUES, st.integers(0, 4))
def test_the_depth_in_the_text_is_that_of_the_value(value: object, at: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "MAX_JSON_DEPTH", at)
        assert is_too_large(json.dumps(value)) == (depth(value) > at)


@pytest.mark.parametrize(("levels", "read"), [(64, True), (65, False), (30_000, False)])
def test_how_deep_is_told_by_a_number_and_not_by_the_stack(levels: int, read: bool) -> None:
    text = "[" * levels + '"]]]"' + "]" * levels

    def below(frames: int) -> str | None:
        return below(frames - 1) if frames else extract(text, "json")

    assert (extract(text, "json") is not None) == read
    assert (below(sys.getrecursionlimit() - 400) is not None) == read
    with pytest.raises(BadPlan, match="steps" if read else "too deep"):
        parse_plan(text[: limits.MAX_PLAN_BYTES])


@pytest.mark.parametrize(("values", "read"), [(2_047, True), (2_048, False)])
def test_a_table_is_no_answer(values: int, read: bool) -> None:
    assert (extract("[" + "1," * values + "1]", "json") is not None) == read
    assert extract(json.dumps(",:[{" * 5_000), "json") is not None, "marks in a string are text"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("-0e5", "0", True),
        ("100e-2", "1.000", True),
        ("1e999999999", "10e999999998", True),
        ("-1.50e1", "-15", True),
        ("1e999999998", "1e999999999", False),
        ("9" * 5_000, "9" * 5_000 + ".0", True),
        ('"1e3"', "1e3", False),
    ],
)
def test_numbers_go_by_their_value(one: str, other: str, same: bool) -> None:
    assert extract(one, "json") is not None
    assert (canonical(one, "json") == canonical(other, "json")) == same


def test_what_no_reader_means() -> None:
    assert extract("1e9999999999", "json") is None
    assert canonical("1e9999999999", "json") != canonical("1e9999999998", "json")
