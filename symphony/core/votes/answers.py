"""From a model's last words to an answer that can be counted.

`extract` finds the answer in an output, `canonical` maps equal answers to one key, so that
"1,000", "1000.0" and "$1000" are one class. Both are pure, total and bounded: an output without
an answer gives None, and a chain without an answer never votes.

    number      its exact value (`numerals`); units are dropped
    expression  its exact normal form (`expression`)
    boolean     true or false (`choosing`); "not correct" is false
    choice      one of the given ones (`choosing`)
    text        up to case, blanks, compatibility forms of Unicode and marks at the ends
    json        up to layout, order of keys, and how numbers are written (`json_class`)

Where in an output the answer stands is told by `marks`. Equality of answers is equality of keys,
so it is an equivalence by construction. docs/answers.md states the rules for other programs.
"""

from __future__ import annotations

import unicodedata

from symphony.core import limits
from symphony.core.records import AnswerType
from symphony.core.schema import fits
from symphony.core.votes import json_class
from symphony.core.votes.choosing import affirmed, chosen, truth
from symphony.core.votes.expression import normal_form
from symphony.core.votes.marks import marked, unmarked
from symphony.core.votes.numerals import first_numeral, last_numeral, plain, value_of

_UNSEEN = frozenset({"Cc", "Cf", "Cs"})  # controls, zero-width marks, halves of characters
_MAX_LINE = 300  # characters: an expression, not prose


def extract(
    output: str, kind: AnswerType, choices: tuple[str, ...] = (), *, cut: bool = False
) -> str | None:
    """The answer in `output`, as the model wrote it, or None.

    Behind a mark ("Answer: …") the first number, word or choice counts, without a mark the last
    one; but not in an output that was `cut` by its limit, whose last number is only the last one
    that fitted.
    """
    text = output.strip()
    if is_empty(text):
        return None
    match kind:
        case "text":
            return text
        case "json":
            return text if json_class.parsed(text) is not None else None
        case _:
            found = _found(marked(text), kind, choices, first=True)
            if found is None and not cut:
                found = _found(unmarked(text), kind, choices, first=False)
            return found


def fitting(answer: str | None, kind: AnswerType, schema: str) -> str | None:
    """An answer that `extract` found, if it is what the task's schema asks for."""
    if answer is None or kind != "json" or not schema:
        return answer
    return answer if fits(schema, answer) else None


def _found(text: str, kind: AnswerType, choices: tuple[str, ...], *, first: bool) -> str | None:
    match kind:
        case "number":
            return first_numeral(plain(text)) if first else last_numeral(plain(text))
        case "boolean":
            return affirmed(text, first=first)
        case "choice":
            return chosen(text, choices, first=first)
        case _:
            return _line(text)


def is_empty(output: str) -> bool:
    """Does an output say nothing: no character in it that a person would see?"""
    return all(c.isspace() or unicodedata.category(c) in _UNSEEN for c in output)


def canonical(answer: str, kind: AnswerType) -> str:
    """The key of the class that `answer` belongs to."""
    match kind:
        case "number":
            value = value_of(answer)
            return str(value) if value is not None else answer.strip()
        case "expression":
            return normal_form(answer)
        case "boolean":
            return "true" if truth(answer) else "false"
        case "json":
            parsed = json_class.parsed(answer)
            return json_class.key(parsed) if parsed is not None else answer.strip()
        case "choice" | "text":
            return _folded(answer)


def _folded(text: str) -> str:
    """A text up to case, blanks and marks at its ends, unless it is nothing but such marks; a short
    one also up to compatibility forms, which take time with the square of a text made for it.
    """
    short = len(text) <= limits.MAX_FOLDED_CHARS
    folded = (unicodedata.normalize("NFKC", text) if short else text).casefold()
    same = unicodedata.normalize("NFKC", folded) if short else folded
    joined = " ".join(same.split())
    return joined.strip(" .!\"'") or joined


def _line(text: str) -> str | None:
    """The last line, without the marks of mathematics around it; none that is as long as prose."""
    line = text.strip().rsplit("\n", 1)[-1].strip(" \t$*.")
    return line if 0 < len(line) <= _MAX_LINE else None
