"""Answers that are one of few words: the first behind a mark, the last without one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.core import limits
from symphony.core.votes.answers import canonical, extract

LETTERS = tuple("ABCDEFGHIJ")


def said(output: str, kind: str, choices: tuple[str, ...] = ()) -> str | None:
    answer = extract(output, kind, choices)  # type: ignore[arg-type]
    return None if answer is None else canonical(answer, kind)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("output", "key"),
    [
        ("Answer: yes, since n is prime", "true"),
        ("Answer: no, since y > 3", "false"),
        ("Answer: Yes, there is no doubt", "true"),
        ("Answer: no because yes would be wrong", "false"),
        ("**Answer**: No prime is even, but 2 is right", "false"),
        ("Answer: there is no doubt: true", "true"),
        ("Answer: it isn't wrong. No.", "true"),
        ("Answer: \\boxed{\\text{no}}", "false"),
        ("Answer: y", "true"),
        ("n.", "false"),
        ("Yes, for all x, y and n", "true"),
        ("It is true that there is no such x", "true"),
        ("So the answer is: no. It would be right for n.", "false"),
        ("for y and n", None),
    ],
)
def test_a_marked_verdict_begins_its_answer(output: str, key: str | None) -> None:
    assert said(output, "boolean") == key


@pytest.mark.parametrize(
    ("output", "key"),
    [
        ("Answer: B. It is a metal.", "b"),
        ("Answer: C, I think", "c"),
        ("Answer: I think C", "c"),
        ("Answer: I'd say C", "c"),
        ("Answer: A metal, so D", "d"),
        ("Answer: A is right, not B", "a"),
        ("Answer: I", "i"),
        ("Answer: a", "a"),
        ("Answer: b) a metal", "b"),
        ("Answer: the metal (b), not (C)", "b"),
        ("Answer: **D**", "d"),
        ("Answer: $\\text{(d)}$", "d"),
        ("\\boxed{\\text{e}}", "e"),
        ("Answer: i.e. a metal", None),
        ("A or B? Both lack a metal, so I go for C, I think", "c"),
        ("It is a metal.", None),
        ("We looked at (a) and at (c).", "c"),
    ],
)
def test_letters_of_prose_choose_nothing(output: str, key: str | None) -> None:
    assert said(output, "choice", LETTERS) == key


@pytest.mark.parametrize(
    ("output", "choices", "key"),
    [
        ("Answer: The first answer is better than the second", ("first", "second"), "first"),
        ("I like the first, but take the Second", ("first", "second"), "second"),
        ("Answer: Dark red, not red", ("red", "dark red"), "dark red"),
        ("Answer: B", ("a", "b"), "b"),
        ("Answer: 1.5, so 2", ("1", "2", "5"), "2"),
        ("Answer: -1", ("1", "-1"), "-1"),
    ],
)
def test_choices_of_more_letters(output: str, choices: tuple[str, ...], key: str) -> None:
    assert said(output, "choice", choices) == key


@given(
    st.sampled_from(LETTERS), st.sampled_from(LETTERS), st.sampled_from([".", ",", ")", ":", "**"])
)
def test_whatever_follows_a_marked_letter_does_not_change_it(
    one: str, other: str, end: str
) -> None:
    for form in (one, f"({one.lower()})", f"{one}. It is a"):
        assert (
            said(f"Answer: {form}{end} {other} {other.lower()}", "choice", LETTERS) == one.lower()
        )


@given(st.sampled_from(["yes", "No", "true", "FALSE"]), st.sampled_from(["yes", "no", "y", "n"]))
def test_a_reason_does_not_change_a_marked_verdict(one: str, other: str) -> None:
    key = "true" if one in {"yes", "true"} else "false"
    assert said(f"Answer: {one}, since {other}", "boolean") == key
    assert said(f"{other}. But {one.lower()}", "boolean") == key


def test_what_is_looked_at_is_bounded() -> None:
    far, near = limits.MAX_MARKED_FROM_END + 9, limits.MAX_UNMARKED_CHARS
    assert said("Answer: 1" + " -" * (far // 2 - 9), "number") == "1"
    assert said("Answer: 1" + " -" * far, "number") is None
    assert said("42 " + "- " * (near // 2 - 2), "number") == "42"
    assert said("42 " + "- " * near, "number") is None
    assert said("1" * 64 + " - " + "5" * near, "number") is None, "no part of a number is one"
    assert said("Answer: " + "x" * limits.MAX_ANSWER_CHARS + " 5", "number") == "5", "as the last"
    wide = "\uff21" * limits.MAX_FOLDED_CHARS
    assert canonical(wide, "text") == "a" * len(wide)
    assert canonical(wide + "\uff21", "text") == "\uff41" * (len(wide) + 1)
