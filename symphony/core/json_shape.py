"""How deep a JSON text is nested and how much it holds, told before a parser sees it.

A parser that recurses gives up where its stack ends, and where that is depends on who called it:
two readers of one text could disagree. So both bounds are counted in the text, outside of its
strings, which is the same everywhere. As far as a parser gets before it finds a mistake, the count
is exact.
"""

from __future__ import annotations

import re
from itertools import accumulate

from symphony.core import limits

_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = re.compile(r"[^\[\]{}]+")
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}


def is_too_large(text: str) -> bool:
    """Does JSON break `limits.MAX_JSON_DEPTH`, or hold more than `limits.MAX_JSON_VALUES`?"""
    bare = _STRING.sub("", text)
    if sum(map(bare.count, ",:[{")) > limits.MAX_JSON_VALUES:  # each begins a key or a value
        return True
    depths = accumulate(map(_STEP.__getitem__, _NO_BRACKETS.sub("", bare)))
    return max(depths, default=0) > limits.MAX_JSON_DEPTH
