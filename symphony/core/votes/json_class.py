"""The class of a JSON answer: its value, however it is laid out.

Keys are sorted, blanks dropped, and numbers go by their value: 1, 1.0 and 10e-1 are one. What
readers may take differently is no answer: a key that is there twice, NaN and the infinities, what
is too large (`json_shape`), and exponents that nobody means. `null` says nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from typing import NoReturn

from symphony.core import limits
from symphony.core.json_shape import is_too_large


@dataclass(frozen=True, slots=True)
class _Number:
    """A number in its one way of writing."""

    text: str


def parsed(text: str) -> object | None:
    """The JSON value of a text, for `key`; None where it has none."""
    if is_too_large(text):
        return None
    try:
        value: object = json.loads(
            text,
            parse_int=_number,
            parse_float=_number,
            parse_constant=_refused,
            object_pairs_hook=_object,
        )
    except ValueError:
        return None
    return value


def key(value: object) -> str:
    """The key of the class of a value that `parsed` gave."""
    match value:
        case str():
            return encode_basestring_ascii(value)
        case _Number():
            return value.text
        case list():
            return "[" + ",".join(map(key, value)) + "]"
        case dict():
            inner = (
                f"{encode_basestring_ascii(name)}:{key(value[name])}" for name in sorted(value)
            )
            return "{" + ",".join(inner) + "}"
        case None:
            return "null"
        case _:
            return "true" if value else "false"


def _number(written: str) -> _Number:
    """Raises `ValueError` for an exponent beyond `limits.MAX_JSON_EXPONENT_DIGITS`."""
    head, _, raised = written.lower().partition("e")
    if len(raised) > limits.MAX_JSON_EXPONENT_DIGITS:
        raise ValueError("an exponent that nobody means")
    sign = "-" if head[0] == "-" else ""
    whole, _, part = head.lstrip("-").partition(".")
    digits = (whole + part).lstrip("0")
    kept = digits.rstrip("0")
    if not kept:
        return _Number("0")
    exponent = int(raised or 0) - len(part) + len(digits) - len(kept)
    if 0 <= exponent <= limits.MAX_JSON_ZEROS:
        return _Number(sign + kept + "0" * exponent)
    return _Number(f"{sign}{kept}e{exponent}")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _refused(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")
