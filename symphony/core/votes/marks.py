r"""Where in an output its answer stands: behind a mark, or at the end.

A mark is a box (`\boxed{…}`), else `####`, else `Answer:` at the beginning of a line or sentence,
else `answer is`; of each kind the last one counts, because models correct themselves. What follows
a mark *begins* with the answer and may go on with reasons; what an output without a mark ends with
*ends* with the answer. So readers take the first of what they look for in `marked`, and the last
in `unmarked`. Both are bounded: the text comes from somebody else.
"""

from __future__ import annotations

import re

from symphony.core import limits

# White space is bounded: an owner that sends 64 KiB of it must not stall whoever looks for a mark.
_MARK = re.compile(
    r"(?:^|\n|[.!?]\s|\*\*)\s{0,8}+(?:the\s{1,8}+)?(?:final\s{1,8}+)?answer"
    r"(?:\*\*)?\s{0,8}+(?:is)?\s{0,8}+[:=]",
    re.IGNORECASE,
)
_BOXED = re.compile(r"\\(?:f?boxed|framebox)\s{0,4}\{")
_HASHES = re.compile(r"####\s{0,8}+(?=\S)")
_SAID = re.compile(r"\banswer\s{1,8}is(?:\s{0,8}[:=])?\s{1,8}(?=\S)", re.IGNORECASE)
_MAX_BOXED = 400  # characters: a final answer, not a derivation


def marked(text: str) -> str:
    """The first line of what follows the last mark; empty if there is none."""
    box = _boxed(text)
    if box:
        return box
    for mark in (_HASHES, _MARK, _SAID):
        at = _last_end(mark, text)
        if at is not None:
            rest = text[at : at + limits.MAX_ANSWER_CHARS].strip()
            return rest.split("\n", 1)[0]
    return ""


def unmarked(text: str) -> str:
    """The end of an output, from a blank on."""
    tail = text[-limits.MAX_UNMARKED_CHARS :]
    return tail if len(tail) == len(text) else (tail.split(maxsplit=1) or [""])[-1]


def _last_end(mark: re.Pattern[str], text: str) -> int | None:
    """Where the last of these marks ends, in the part of an output that may hold one."""
    ends = [found.end() for found in mark.finditer(text, _from(text))]
    return ends[-1] if ends else None


def _from(text: str) -> int:
    return max(0, len(text) - limits.MAX_MARKED_FROM_END)


def _boxed(text: str) -> str:
    """What the last box holds, up to the brace that closes it."""
    start = _last_end(_BOXED, text)
    if start is None:
        return ""
    depth = 1
    for at, mark in enumerate(text[start : start + _MAX_BOXED], start=start):
        depth += (mark == "{") - (mark == "}")
        if depth == 0:
            return text[start:at].strip()
    return ""
