"""From a model's last words to an answer that can be counted.

`extract` finds the answer in an output, `canonical` maps equal answers to one key, so that
"1,000", "1000.0" and "$1000" are one class. Both are pure and total: an output without an
answer gives None, and a chain without an answer never votes.

    number      its exact value (`numerals`); units are dropped
    expression  its exact normal form (`expression`)
    boolean     true or false; "not correct" is false
    choice      one of the given ones
    text        up to case, blanks, compatibility forms of Unicode and marks at the ends
    json        up to layout, order of keys, and how numbers are written

Equality of answers is equality of keys, so it is an equivalence by construction.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from symphony.core.records import AnswerType
from symphony.core.votes.expression import normal_form
from symphony.core.votes.numerals import numerals, plain, value_of

# White space is bounded: an owner that sends 64 KiB of it must not stall whoever looks for a mark.
_MARK = re.compile(
    r"(?:^|\n|[.!?]\s|\*\*)\s{0,8}(?:the\s{1,8})?(?:final\s{1,8})?answer\s{0,8}(?:is)?\s{0,8}[:=]",
    re.IGNORECASE,
)
_BOXED = re.compile(r"\\(?:f?boxed|framebox)\s{0,4}\{")
_HASHES = re.compile(r"####\s*(.+)")
_SAID = re.compile(r"\banswer\s+is\s+(.+)", re.IGNORECASE)
_YES = frozenset({"yes", "true", "correct", "right", "y"})
_NO = frozenset({"no", "false", "incorrect", "wrong", "n"})
_NOT = frozenset({"not", "isn", "never"})
_WORD = re.compile(r"[a-z]+|[.!?;\n]")
_UNSEEN = frozenset({"Cc", "Cf", "Cs"})  # controls, zero-width marks, halves of characters
_MAX_BOXED = 400  # characters: a final answer, not a derivation
_MAX_LINE = 300  # the same, of an expression that nothing marks
_MAX_EXPONENT = 64  # of a JSON number that is written out; beyond, its exponent is kept


def extract(
    output: str, kind: AnswerType, choices: tuple[str, ...] = (), *, cut: bool = False
) -> str | None:
    """The answer in `output`, as the model wrote it, or None.

    Without a mark ("Answer: …") the last number, word or choice counts; but not in an output
    that was `cut` by its limit, whose last number is only the last one that fitted.
    """
    text = output.strip()
    if is_empty(text):
        return None
    rest = "" if cut else text
    match kind:
        case "text":
            return text
        case "json":
            return text if _parsed_json(text) is not None else None
        case "number":
            return _number(_marked(text), first=True) or _number(rest, first=False)
        case "expression":
            return _line(_marked(text)) or _line(rest)
        case "boolean":
            return _affirmed(_marked(text)) or _affirmed(rest)
        case "choice":
            return _chosen(_marked(text), choices) or _chosen(rest, choices)


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
            return _truth(answer)
        case "json":
            return _canonical_json(_parsed_json(answer))
        case "choice" | "text":
            folded = unicodedata.normalize("NFKC", answer).casefold()
            return " ".join(unicodedata.normalize("NFKC", folded).split()).strip(" .!\"'")


def _marked(text: str) -> str:
    """What follows the last mark of an answer; empty if there is none."""
    boxed = _boxed(text)
    if boxed:
        return boxed
    hashes = _HASHES.findall(text)
    if hashes:
        return str(hashes[-1]).strip()
    marks = list(_MARK.finditer(text))
    if marks:
        return text[marks[-1].end() :].strip().split("\n")[0]
    said = _SAID.findall(text)
    return str(said[-1]).strip().split("\n")[0] if said else ""


def _boxed(text: str) -> str:
    """What the last box holds, up to the brace that closes it."""
    starts = [found.end() for found in _BOXED.finditer(text)]
    if not starts:
        return ""
    depth = 1
    for at, mark in enumerate(text[starts[-1] : starts[-1] + _MAX_BOXED], start=starts[-1]):
        depth += (mark == "{") - (mark == "}")
        if depth == 0:
            return text[starts[-1] : at].strip()
    return ""


def _number(text: str, *, first: bool) -> str | None:
    """After a mark the first number counts ("Answer: 42 (= 6 x 7)"), else the last one."""
    found = numerals(plain(text))
    if not found:
        return None
    return found[0] if first else found[-1]


def _line(text: str) -> str | None:
    """The last line, without the marks of mathematics around it; none that is as long as prose."""
    line = text.strip().rsplit("\n", 1)[-1].strip(" \t$*.")
    return line if 0 < len(line) <= _MAX_LINE else None


def _affirmed(text: str) -> str | None:
    """The last word that affirms or denies, with the "not" that turns it."""
    said: str | None = None
    turned = ""
    for word in _words(text):
        if word in _YES or word in _NO:
            said, turned = turned + word, ""
        elif word in _NOT:
            turned = "not "
        elif not word.isalpha():
            turned = ""
    return said


def _truth(answer: str) -> str:
    said = _affirmed(answer) or ""
    return "true" if (said.removeprefix("not ") in _YES) != said.startswith("not ") else "false"


def _words(text: str) -> Iterator[str]:
    return (found[0] for found in _WORD.finditer(text.lower()))


def _chosen(text: str, choices: tuple[str, ...]) -> str | None:
    """The choice named last in `text`; at the same place, the longest."""
    best: tuple[int, int, str] | None = None
    for choice in choices:
        pattern = r"(?<![^\W_])" + re.escape(choice) + r"(?![^\W_])"
        for found in re.finditer(pattern, text, re.IGNORECASE):
            place = (found.end(), len(choice), choice)
            best = max(best, place) if best else place
    return best[2] if best else None


def _parsed_json(text: str) -> object | None:
    """The JSON value of a text; None for no JSON, and for what readers may take differently."""
    try:
        value: object = json.loads(
            text, parse_float=Decimal, parse_int=Decimal, object_pairs_hook=_object
        )
        _canonical_json(value)
    except (ValueError, RecursionError, InvalidOperation):
        return None
    return value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _canonical_json(value: object) -> str:
    """Keys sorted, no blanks, and numbers by their value: 1, 1.0 and 10e-1 are one."""
    match value:
        case dict():
            inner = (f"{json.dumps(key)}:{_canonical_json(value[key])}" for key in sorted(value))
            return "{" + ",".join(inner) + "}"
        case list():
            return "[" + ",".join(map(_canonical_json, value)) + "]"
        case Decimal():
            return _canonical_number(value)
        case _:
            return json.dumps(value, allow_nan=False)


def _canonical_number(value: Decimal) -> str:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise InvalidOperation  # NaN and the infinities
    text = "".join(map(str, digits)).lstrip("0")
    kept = text.rstrip("0")
    exponent += len(text) - len(kept)
    if not kept:
        return "0"
    head = "-" if sign else ""
    if 0 <= exponent <= _MAX_EXPONENT:
        return head + kept + "0" * exponent
    return f"{head}{kept}e{exponent}"
