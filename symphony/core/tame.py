"""Which JSON schemas are checked for others, and how much work one output may make.

The schema of an answer comes with an order, so from somebody else, and it is applied inside the
node. JSON Schema can ask for work without end: regular expressions that backtrack, references
that go round in circles, comparisons of all items with all others. So only keywords whose cost is
known are taken, and references stay inside the schema and end.

The rule: what was counted is what is checked. `tamed` writes a schema anew, with each reference
replaced by what it stands for, and only that is ever applied, so no validator can understand a
reference otherwise than the count did. What could make one mean something else is refused: escapes
in its name, and an `$id` or `$schema` below the root. Definitions that nobody uses and words for
people are left out.

What is left can still be much, a thousand alternatives for each of a thousand items, so before an
output is checked its steps are counted: how often a part of the schema meets a part of the output,
a long list of values in a part being several steps. Counting a step is a hundred times cheaper
than making it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from symphony.core import limits
from symphony.errors import UsageError

_MAPS: Final = frozenset({"$defs", "definitions"})
_LISTS: Final = frozenset({"anyOf", "allOf", "oneOf", "prefixItems"})
_SINGLE: Final = frozenset(
    {"items", "additionalProperties", "not", "if", "then", "else", "contains"}
)
_PLAIN: Final = frozenset(
    """
    type enum const required minimum maximum exclusiveMinimum exclusiveMaximum multipleOf
    minLength maxLength minItems maxItems minProperties maxProperties minContains maxContains
    """.split()  # noqa: SIM905 - one word each would fill a page
)
_WORDS: Final = frozenset(
    """
    default title description examples $schema $id $comment deprecated format readOnly writeOnly
    """.split()  # noqa: SIM905 - as above
)
_ROOT_ONLY: Final = frozenset({"$id", "$schema"})
_LITERALS: Final = ("type", "enum", "const", "required")
_HINT: Final = "use " + ", ".join(
    [*sorted(_MAPS | _LISTS | _SINGLE | {"properties"}), "local $ref and plain bounds"]
)
_COST: Final = "x-steps"  # in a schema written anew: what a part costs, where it is more than one
_PROPERTY_CHARS: Final = 4  # looking a name up costs what comparing so much of a value costs


@dataclass(frozen=True, slots=True)
class Tame:
    """A schema that ends. `schema` has no references; `parts` is its size, as it is limited."""

    schema: Any
    parts: int

    def steps(self, value: Any) -> int:
        """How many steps checking this value takes at most. Raises `UsageError` for too many."""
        return limits.SCHEMA_STEPS - _walk(self.schema, value, limits.SCHEMA_STEPS)


def tamed(schema: Any) -> Tame:
    """The schema with its references replaced. It is read as JSON: only texts name things.

    Raises `UsageError` for one that uses other keywords, refers outside or in circles, or has too
    many parts.
    """
    expansion = _Expansion(schema)
    made = expansion.part(schema, ())
    return Tame(made, expansion.parts)


def _walk(schema: Any, value: Any, left: int) -> int:
    """How many of `left` steps remain when `value` was checked."""
    left -= schema.get(_COST, 1) if isinstance(schema, dict) else 1
    if left < 0:
        raise UsageError(
            f"checking this output takes more than {limits.SCHEMA_STEPS} steps",
            hint="simplify the schema, or ask for less",
        )
    for part, met in _meetings(schema, value):
        left = _walk(part, met, left)
    return left


def _meetings(schema: Any, value: Any) -> Iterator[tuple[Any, Any]]:
    """Which parts of a schema meet which parts of a value, at most."""
    if not isinstance(schema, dict):
        return
    for keyword, part in schema.items():
        if keyword in _LISTS and keyword != "prefixItems":
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


class _Expansion:
    """Writes one schema anew, part by part, and counts on the way."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self.parts = 0

    def part(self, schema: Any, path: tuple[str, ...]) -> Any:
        """One part; `path` has a reference, or nothing, for each part around it."""
        cost = _cost_of(schema)
        self.parts += cost
        if self.parts > limits.SCHEMA_PARTS:
            raise UsageError(f"the schema has more than {limits.SCHEMA_PARTS} parts")
        if isinstance(schema, bool):
            return schema
        if len(path) > limits.SCHEMA_DEPTH:
            raise UsageError(f"the schema is nested deeper than {limits.SCHEMA_DEPTH}")
        made: dict[str, Any] = {_COST: cost} if cost > 1 else {}
        for keyword, value in schema.items():
            if keyword in _ROOT_ONLY and path:
                raise UsageError(f"`{keyword}` is taken at the root of a schema only")
            if keyword in _PLAIN:
                made[keyword] = value
            elif keyword not in _WORDS and keyword not in _MAPS and keyword != "$ref":
                made[keyword] = self._inner(keyword, value, (*path, ""))
        if "$ref" in schema:
            reference = schema["$ref"]
            target = self.part(self._named(reference, path), (*path, reference))
            made["allOf"] = [*made.get("allOf", ()), target]
        return made

    def _inner(self, keyword: str, value: Any, path: tuple[str, ...]) -> Any:
        """What is behind a keyword that holds schemas."""
        if keyword in _SINGLE:
            return self.part(value, path)
        if keyword in _LISTS and isinstance(value, list):
            return [self.part(one, path) for one in value]
        if keyword == "properties" and isinstance(value, dict):
            return {name: self.part(one, path) for name, one in value.items()}
        raise UsageError(f"the keyword {keyword[:40]!r} is not taken here, or not so", hint=_HINT)

    def _named(self, reference: Any, path: tuple[str, ...]) -> Any:
        """What `#/$defs/name` stands for. An escape in the name is refused: whoever decodes it
        finds another definition than who does not.
        """
        if not isinstance(reference, str):
            raise UsageError("a `$ref` is a text")
        if reference in path:
            raise UsageError(f"the schema refers in a circle: {reference[:80]}")
        if "%" in reference or "~" in reference:
            raise UsageError(
                f"the schema refers to {reference[:80]!r}, with an escape in the name",
                hint="name definitions with letters, digits, - and _",
            )
        start, _, name = reference.rpartition("/")
        if start in ("#/$defs", "#/definitions") and isinstance(self._root, dict):
            defined = self._root.get(start[2:])
            if isinstance(defined, dict) and name in defined:
                return defined[name]
        raise UsageError(f"the schema refers to {reference[:80]!r}, which is not in its $defs")


def _cost_of(schema: Any) -> int:
    """The steps of one part by itself: one, and one for so much of the values it compares with."""
    if isinstance(schema, bool):
        return 1
    if not isinstance(schema, dict):
        raise UsageError("a schema is an object, true or false")
    for keyword in ("required", "type"):  # others would be compared pair by pair
        listed = schema.get(keyword)
        if isinstance(listed, list) and not all(isinstance(one, str) for one in listed):
            raise UsageError(f"`{keyword}` is a list of texts")
    literal = {keyword: schema[keyword] for keyword in _LITERALS if keyword in schema}
    chars = len(json.dumps(literal)) if literal else 0
    properties = schema.get("properties")
    names = len(properties) if isinstance(properties, dict) else 0
    return 1 + (chars + _PROPERTY_CHARS * names) // limits.SCHEMA_STEP_CHARS
