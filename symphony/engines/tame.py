"""Which JSON schemas are checked for others, and how much work one output may make.

The schema of an answer comes with an order, so from somebody else, and it is applied inside the
node. JSON Schema can ask for work without end: regular expressions that backtrack, references
that go round in circles, comparisons of all items with all others. So only keywords whose cost is
known are taken, and references stay inside the schema and end. What is left can still be much, a
thousand alternatives for each of a thousand items, so before an output is checked its steps are
counted: how often a part of the schema meets a part of the output. Counting a step is a hundred
times cheaper than making it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from symphony.engines import limits
from symphony.errors import UsageError

_MAPS = frozenset({"properties", "$defs", "definitions"})
_LISTS = frozenset({"anyOf", "allOf", "oneOf", "prefixItems"})
_SINGLE = frozenset({"items", "additionalProperties", "not", "if", "then", "else", "contains"})
_PLAIN = frozenset(
    """
    type enum const required default title description examples $schema $id $comment deprecated
    minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength minItems
    maxItems minProperties maxProperties minContains maxContains format readOnly writeOnly
    """.split()  # noqa: SIM905 - one word each would fill a page
)
_HINT = "use " + ", ".join(sorted(_MAPS | _LISTS | _SINGLE)) + ", local $ref and plain bounds"


def parts_of(schema: Any) -> int:
    """How many parts a schema has with its references expanded. Raises `UsageError` for one that
    uses other keywords, refers outside or in circles, or has too many parts.
    """
    return _count(schema, schema, ())


def steps_of(schema: Any, value: Any) -> int:
    """How many steps checking this value takes at most. Raises `UsageError` for too many."""
    return limits.SCHEMA_STEPS - _walk(schema, value, schema, limits.SCHEMA_STEPS)


def _walk(schema: Any, value: Any, root: Any, left: int) -> int:
    """How many of `left` steps remain when `value` was checked."""
    left -= 1
    if left < 0:
        raise UsageError(
            f"checking this output takes more than {limits.SCHEMA_STEPS} steps",
            hint="simplify the schema, or ask for less",
        )
    for part, met in _meetings(schema, value, root):
        left = _walk(part, met, root, left)
    return left


def _meetings(schema: Any, value: Any, root: Any) -> Iterator[tuple[Any, Any]]:
    """Which parts of a schema meet which parts of a value, at most."""
    if not isinstance(schema, dict):
        return
    for keyword, part in schema.items():
        if keyword == "$ref":
            yield _resolved(root, part), value
        elif keyword in _LISTS and keyword != "prefixItems":
            yield from ((one, value) for one in part)
        elif keyword in ("not", "if", "then", "else"):
            yield part, value
        elif keyword == "properties" and isinstance(value, dict):
            yield from ((part[name], value[name]) for name in part.keys() & value.keys())
        elif keyword == "additionalProperties" and isinstance(value, dict):
            yield from ((part, one) for one in value.values())
        elif keyword == "prefixItems" and isinstance(value, list):
            yield from zip(part, value, strict=False)
        elif keyword in ("items", "contains") and isinstance(value, list):
            yield from ((part, one) for one in value)


def _count(schema: Any, root: Any, path: tuple[str, ...]) -> int:
    if isinstance(schema, bool):
        return 1
    if not isinstance(schema, dict):
        raise UsageError("a schema is an object, true or false")
    if len(path) > limits.SCHEMA_DEPTH:
        raise UsageError(f"the schema is nested deeper than {limits.SCHEMA_DEPTH}")
    total = 1
    for part, reference in _parts(schema):
        if reference and reference in path:
            raise UsageError(f"the schema refers in a circle: {reference}")
        inner = _resolved(root, reference) if reference else part
        total += _count(inner, root, (*path, reference))
        if total > limits.SCHEMA_PARTS:
            raise UsageError(f"the schema has more than {limits.SCHEMA_PARTS} parts")
    return total


def _parts(schema: dict[str, Any]) -> Iterator[tuple[Any, str]]:
    """The schemas inside a schema, or references to them, but not definitions nobody uses."""
    for keyword, value in schema.items():
        if keyword == "$ref" and isinstance(value, str):
            yield None, value
        elif keyword == "properties" and isinstance(value, dict):
            yield from ((part, "") for part in value.values())
        elif keyword in _LISTS and isinstance(value, list):
            yield from ((part, "") for part in value)
        elif keyword in _SINGLE:
            yield value, ""
        elif keyword == "enum" and isinstance(value, list):
            yield from ((True, "") for _ in value)
        elif keyword not in _PLAIN and keyword not in _MAPS:
            raise UsageError(f"the keyword {keyword[:40]!r} is not taken here", hint=_HINT)


def _resolved(root: Any, reference: str) -> Any:
    """What `#/$defs/name` stands for."""
    start, _, name = reference.rpartition("/")
    if start in ("#/$defs", "#/definitions") and isinstance(root, dict):
        defined = root.get(start[2:])
        if isinstance(defined, dict) and name in defined:
            return defined[name]
    raise UsageError(f"the schema refers to {reference[:80]!r}, which is not in its $defs")
