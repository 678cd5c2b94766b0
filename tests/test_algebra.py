"""Equality by algebra: a second opinion from a library that not everybody has."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from symphony.algebra import equal_by_algebra
from symphony.core.votes.expression import normal_form
from symphony.errors import ExtraMissing

PAIRS = [("\\frac{1}{1+\\sqrt{2}}", "\\sqrt{2}-1"), ("x+1", "x+2"), ("y" * 600, "y" * 600)]


def test_without_the_extra_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("symphony.algebra.find_spec", lambda name: None)
    with pytest.raises(ExtraMissing, match="math-verify") as caught:
        equal_by_algebra(PAIRS)
    assert "symphony-swarm[math]" in caught.value.hint


@pytest.mark.skipif(find_spec("math_verify") is None, reason="the extra `math` is not installed")
def test_it_knows_more_than_the_normal_form() -> None:
    assert normal_form(PAIRS[0][0]) != normal_form(PAIRS[0][1])
    assert equal_by_algebra(PAIRS) == (True, False, False)
