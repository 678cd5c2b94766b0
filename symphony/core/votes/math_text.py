r"""How mathematics is written, made plain before it is read: what is dropped, and what is prose.

Dropped is what only dresses an answer: `$`, `\left`, degrees, and units. A unit is a `\text{…}` of
one to three words behind a number and at the end of a value: `5\text{ cm}^2` is 5, and so is
`5\text{ m}`; the question asks for it. All other words in `\text{…}` are kept, as if they stood
there without it: `\text{Evelyn}` is Evelyn, and `3\text{ or }4` is not `3\text{ and }4`.

Letters in a row are a product, xy, or a word. What is longer than three letters, or one of
`_PROSE`, is a word. Shorter ones are a product where a sign or number touches them (2rh, mgh/2);
where they stand alone, only in the order of the alphabet. So no two words become one product.
"""

from __future__ import annotations

import re

from symphony.core.votes.numerals import plain

_DROPPED = re.compile(r"\^\s*\{?\s*\\circ\s*\}?|[°~$]|\\displaystyle|\\limits")
_WRAPPED = re.compile(r"\\(?:text(?:bf|it|rm)?|math(?:bf|it|rm)|mbox)\s*\{([^{}]*)\}")
_UNIT = re.compile(r"\s*[A-Za-z]+\.?(?:[\s/-]{1,2}[A-Za-z]+){0,2}\.?\s*")
_POWER = re.compile(r"\s*\^\s*(?:\{\s*\d\s*\}|\d)")
_VALUE_ENDS = re.compile(r"\s*(?:$|[,=)\]}.]|\\right|\\\})")
_COMMAND = re.compile(r"\\(?:[A-Za-z]+|.)")
_NUMBER_ENDS = re.compile(r"(?:[\d)}\]%]|\\pi)\s*$")
_SPACING = re.compile(r"\\[,;:! ]")
_LAST_AND = re.compile(r",\s*and\b")
_FRAC = re.compile(r"\\[dtc]?frac(?![A-Za-z])")
_MIXED = re.compile(
    r"(?<![\d/^.,}])(\d{1,9})(?:\s*\\frac\s*\{(\d{1,9})\}\s*\{(\d{1,9})\}|\s+(\d{1,9})/(\d{1,9}))"
)
_PROSE = frozenset(
    {"or", "and", "nor", "if", "iff", "is", "no", "not", "yes", "but", "for", "to", "by"}
    | {"of", "on", "in", "all", "any", "the", "odd", "even", "only"}
)
_NO_UNIT = _PROSE - {"in"}  # inches
_TOUCHING = frozenset("+-*/^·÷")
MAX_RUN = 3  # letters of a product that is written in one word


def made_plain(text: str) -> str:
    """The text of a mathematical answer in one form, ready to be read."""
    bare = _DROPPED.sub(" ", text.replace("√", "\\sqrt").replace("π", "\\pi "))
    bare = _LAST_AND.sub(",", _unwrapped(bare))  # 1, 2, and 3
    bare = _MIXED.sub(_mixed, _FRAC.sub(r"\\frac", bare))
    for written, meant in (("\\{", "{"), ("\\}", "}"), ("\\%", "%")):
        bare = bare.replace(written, meant)
    return plain(bare).strip().rstrip(".")


def as_words(text: str) -> str:
    """The text without the blanks that say nothing: "x < 2" is "x<2", but "1 1" is not "11"."""
    return re.sub(r"(?<!\w) | (?!\w)", "", " ".join(text.split()))


def is_word(text: str, start: int, end: int) -> bool:
    """Are these letters of a plain text a word, and not a product of names?"""
    run = text[start:end]
    if len(run) > MAX_RUN or run.lower() in _PROSE:
        return True
    left, right = text[:start], text[end:].lstrip()[:1]
    before = left.rstrip()
    if left[-1:].isdigit() or left[-1:] in {")", "]", "}"} or right in _TOUCHING:
        return False
    if before[-1:] in _TOUCHING or re.search(r"(?:\\[A-Za-z]+|.\{)$", before):
        return False
    return list(run) != sorted(run)


def _unwrapped(text: str) -> str:
    """Without its units, and with other words as they are."""
    done, at = "", 0
    for found in _WRAPPED.finditer(text):
        done += text[at : found.start()]
        at = found.end()
        power = _POWER.match(text, at)
        behind = power.end() if power else at
        if _VALUE_ENDS.match(text, behind) and _is_unit(found[1]) and _is_number(done):
            at = behind
        else:
            done += f" {found[1]} "
    return done + text[at:]


def _is_unit(words: str) -> bool:
    unit = _UNIT.fullmatch(words) is not None
    return unit and not _NO_UNIT.intersection(re.findall(r"[a-z]+", words.lower()))


def _is_number(text: str) -> bool:
    """Does a text end with a value that no name is part of?"""
    value = re.split(r"[,=]", _SPACING.sub(" ", text))[-1]
    return _NUMBER_ENDS.search(value) is not None and not re.search(
        r"[^\W\d_]", _COMMAND.sub("", value)
    )


def _mixed(found: re.Match[str]) -> str:
    """2 1/2 is five halves, not a product."""
    whole, *parts = [part for part in found.groups() if part is not None]
    return f"({whole}+{'/'.join(parts)})"
