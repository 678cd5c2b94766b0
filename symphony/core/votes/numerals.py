r"""Numbers as people and models write them, and the exact value that each stands for.

    1,000  1 000  1'000  1.000,00  $1000  1000.0  1e3  1 × 10^3  1 thousand  ->  1000
    1/2  0.5  50%  ½  \frac{1}{2}                                           ->  1/2

The value is a `Fraction`, never a float, so that equality is an equivalence. What stands behind
a number as its unit is dropped, not converted: "42 cm" is 42. A comma or a point separates
thousands where it stands like one (groups of three, or the 1,00,000 of India, the first of them
without a leading zero); else it is the decimal mark; "1,000" is a thousand, "0,125" is an eighth,
and "3,14" is not 314. Everything is bounded and linear: the
text comes from somebody else.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

MAX_DIGITS = 64  # longer numbers are noise, and big powers are an attack on memory
MAX_EXPONENT = 300
MAX_BITS = 2048  # of a power: beyond it nobody means a number

_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_RAISED = re.compile(r"[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]{1,8}")
_VULGAR = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")
_SIGNS = str.maketrans(
    {"\u2212": "-", "\u2013": "-", "\u2044": "/", "\u2215": "/", "\u00d7": "*", "\u2019": "'"}
)
_FRACTION = re.compile(
    r"\\[dt]?frac\s{0,4}\{\s{0,4}(\d{1,64})\s{0,4}\}\s{0,4}\{\s{0,4}(\d{1,64})\s{0,4}\}"
)
_NOISE = re.compile(r"\\[,;:! ]|\\left|\\right|\{,\}|[\u200b-\u200f\u2060\ufeff]")
_TIMES = re.compile(r"\\times|\\cdot")
_SCALES = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}

_BODY = r"\d(?:[\d,.'_]|[ \u00a0\u202f](?=\d{3}(?!\d)))*"
_NUMERAL = re.compile(
    rf"(?<![\w.])[-+]?\s{{0,2}}[$€£¥]?\s{{0,2}}(?:{_BODY}|\.\d+)"
    r"(?:\s{0,2}\^\s{0,2}\{?-?\d{1,3}\}?"
    r"|\s{1,2}\d{1,9}\s{0,2}/\s{0,2}\d{1,64}|\s{0,2}/\s{0,2}\d{1,64})?"
    r"(?:[eE][-+]?\d{1,3}|\s{0,2}\*\s{0,2}10\s{0,2}\^\s{0,2}\{?[-+]?\d{1,3}\}?)?"
    r"(?:\s{0,2}\\?%|\s{1,2}(?:thousand|million|billion|trillion)\b)?",
    re.IGNORECASE,
)
_PARTS = re.compile(
    r"(?P<sign>[-+]?)(?P<body>[\d.,'_ ]{0,128}?)(?: (?P<up>\d{1,9}))?(?:/(?P<down>\d{1,64}))?"
    r"(?:\^\{?(?P<raised>-?\d{1,3})\}?)?"
    r"(?:(?:e|\*10\^\{?)(?P<power>[-+]?\d{1,3})\}?)?"
    r"(?P<percent>%)?(?P<scale>thousand|million|billion|trillion)?"
)
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:,\d{2,3})*,\d{3}")
_SPACED = re.compile(r"[1-9]\d{0,2}([ '_])\d{3}(?:\1\d{3})*(?:[.,]\d+)?")
_ODD = re.compile(r"[,^]|\d \d|\..*\.")  # may be several numbers, or none


def plain(text: str) -> str:
    """The text with one form for signs, digits, raised digits, fractions and blanks."""
    text = _RAISED.sub(lambda found: "^" + found[0].translate(_SUPERSCRIPT), text)
    text = unicodedata.normalize("NFKC", _VULGAR.sub(" ", text)).translate(_SIGNS)
    text = _TIMES.sub("*", _NOISE.sub(lambda found: "," if found[0] == "{,}" else "", text))
    return _FRACTION.sub(r" \1/\2", text)


def numerals(text: str) -> list[str]:
    """The numbers in `text`, in their order, as they are written; it must be `plain`."""
    return [item for match in _NUMERAL.finditer(text) for item in _items(match)]


def first_numeral(text: str) -> str | None:
    """The first of the `numerals`, without a look at the others."""
    return next((items[0] for match in _NUMERAL.finditer(text) if (items := _items(match))), None)


def last_numeral(text: str) -> str | None:
    """The last of the `numerals`, without a look at what the others are worth."""
    matches = reversed(list(_NUMERAL.finditer(text)))
    return next((items[-1] for match in matches if (items := _items(match))), None)


def _items(match: re.Match[str]) -> list[str]:
    """The numbers in what looks like one: mostly one, none if it is too long."""
    item = match[0].strip().rstrip(".,'_")
    if sum(map(str.isdigit, item)) > MAX_DIGITS:
        return []
    clear = _ODD.search(item) is None or value_of(item) is not None
    return [item] if clear else re.split(r"[,\s]+", item)


def value_of(text: str) -> Fraction | None:
    """What one number stands for; None for anything else."""
    bare = re.sub(r"[$€£¥\\]", "", plain(text)).strip().lower()
    bare = re.sub(r"\s*([-+/*^%])\s*", r"\1", bare)
    bare = re.sub(r"\s+(?=[a-z])|\s+$", "", bare)
    parts = _PARTS.fullmatch(bare)
    if parts is None or sum(map(str.isdigit, bare)) > MAX_DIGITS:
        return None
    value = _decimal(parts["body"])
    if value is None:
        return None
    if parts["down"] is not None:
        down = int(parts["down"])
        if not down:
            return None
        value = value + Fraction(int(parts["up"]), down) if parts["up"] else value / down
    elif parts["up"]:
        value = _decimal(f"{parts['body']} {parts['up']}")
        if value is None:
            return None
    if parts["raised"] is not None:
        raised = int(parts["raised"])
        size = value.numerator.bit_length() + value.denominator.bit_length()
        if abs(raised) * size > MAX_BITS or (not value and raised < 0):
            return None
        value = Fraction(value**raised)
    power = int(parts["power"] or 0) + _SCALES.get(parts["scale"] or "", 0)
    if abs(power) > MAX_EXPONENT:
        return None
    value *= Fraction(10) ** (power - (2 if parts["percent"] else 0))
    return -value if parts["sign"] == "-" else value


def _decimal(body: str) -> Fraction | None:
    """Digits with their separators: which of them is the decimal mark?"""
    if re.search(r"[ '_]", body):
        if not _SPACED.fullmatch(body):
            return None
        body = re.sub(r"[ '_]", "", body)
        if body.count(",") == 1:
            body = body.replace(",", ".")  # 1 000,125: the blank separates the thousands
    if not any(map(str.isdigit, body)):
        return None
    if "," in body and "." in body:
        last = max(body.rfind(","), body.rfind("."))
        whole, part = re.sub(r"[.,]", "", body[:last]), body[last + 1 :]
        if body.count(body[last]) > 1 or not _GROUPED.fullmatch(body[:last].replace(".", ",")):
            return None  # 1,000,000.5 has one of its last mark; 1,2.5 is two numbers
    elif body.count(",") == 1 and not _GROUPED.fullmatch(body):
        whole, _, part = body.partition(",")
    elif "," in body:
        if not _GROUPED.fullmatch(body):
            return None
        whole, part = body.replace(",", ""), ""
    elif body.count(".") > 1:
        if not _GROUPED.fullmatch(body.replace(".", ",")):
            return None
        whole, part = body.replace(".", ""), ""
    else:
        whole, _, part = body.partition(".")
    return Fraction(f"{whole or '0'}.{part or '0'}")
