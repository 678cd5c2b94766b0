"""From a model's last words to an answer that can be counted.

`extract` finds the answer in an output, `canonical` maps equal answers to one key, so that
"1,000", "1000.0" and "$1000" are one class. Both are pure and total: an output without an
answer gives None, and a chain without an answer never votes.
"""

from __future__ import annotations

import json
import re
import unicodedata
from fractions import Fraction

from symphony.core.records import AnswerType

# White space is bounded: an owner that sends 64 KiB of it must not stall whoever looks for a mark.
_MARK = re.compile(
    r"(?:^|\n|[.!?]\s|\*\*)\s{0,8}(?:the\s{1,8})?(?:final\s{1,8})?answer\s{0,8}(?:is)?\s{0,8}[:=]",
    re.IGNORECASE,
)
_BOXED = re.compile(r"\\boxed\{([^{}]{1,100})\}")
_HASHES = re.compile(r"####\s*(.+)")
_SAID = re.compile(r"\banswer\s+is\s+(.+)", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?(?:\d[\d,]*)(?:\.\d+)?(?:\s*/\s*\d+)?%?(?:[eE][-+]?\d{1,3})?")
_YES = frozenset({"yes", "true", "correct", "right"})
_NO = frozenset({"no", "false", "incorrect", "wrong"})
_MAX_DIGITS = 64  # longer numbers are noise, and big powers are an attack on memory


def extract(
    output: str, kind: AnswerType, choices: tuple[str, ...] = (), *, cut: bool = False
) -> str | None:
    """The answer in `output`, as the model wrote it, or None.

    Without a mark ("Answer: …") the last number, word or choice counts; but not in an output
    that was `cut` by its limit, whose last number is only the last one that fitted.
    """
    text = output.strip()
    if not text:
        return None
    rest = "" if cut else text
    match kind:
        case "text":
            return text
        case "json":
            return text if _parsed_json(text) is not None else None
        case "number":
            return _number(_marked(text), first=True) or _number(rest, first=False)
        case "boolean":
            return _last_of(_marked(text), _YES | _NO) or _last_of(rest, _YES | _NO)
        case "choice":
            return _chosen(_marked(text), choices) or _chosen(rest, choices)


def canonical(answer: str, kind: AnswerType) -> str:
    """The key of the class that `answer` belongs to."""
    match kind:
        case "number":
            value = _value(answer)
            return str(value) if value is not None else answer.strip()
        case "boolean":
            return "true" if answer.lower() in _YES else "false"
        case "json":
            return _canonical_json(_parsed_json(answer))
        case "choice" | "text":
            folded = unicodedata.normalize("NFKC", answer).casefold()
            return " ".join(folded.split()).strip(" .!\"'")


def _marked(text: str) -> str:
    """What follows the last mark of an answer; empty if there is none."""
    for pattern in (_BOXED, _HASHES):
        found = pattern.findall(text)
        if found:
            return str(found[-1]).strip()
    marks = list(_MARK.finditer(text))
    if marks:
        return text[marks[-1].end() :].strip().split("\n")[0]
    said = _SAID.findall(text)
    return str(said[-1]).strip().split("\n")[0] if said else ""


def _number(text: str, *, first: bool) -> str | None:
    """After a mark the first number counts ("Answer: 42 (= 6 x 7)"), else the last one."""
    found: list[str] = [item.strip() for item in _NUMBER.findall(text) if len(item) <= _MAX_DIGITS]
    if not found:
        return None
    return found[0] if first else found[-1]


def _value(text: str) -> Fraction | None:
    bare = text.strip().replace(",", "").replace(" ", "").lstrip("$€£+")
    percent = bare.endswith("%")
    try:
        value = Fraction(bare.rstrip("%"))
    except (ValueError, ZeroDivisionError):
        return None
    return value / 100 if percent else value


def _last_of(text: str, words: frozenset[str]) -> str | None:
    found = [word for word in re.findall(r"[a-z]+", text.lower()) if word in words]
    return found[-1] if found else None


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
    try:
        value: object = json.loads(text)
        _canonical_json(value)
    except (ValueError, RecursionError):
        return None
    return value


def _canonical_json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
