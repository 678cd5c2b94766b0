"""Is the output what was asked for? Checked on the way back, whatever the server promised.

Servers accept a constraint and ignore it, honour half of it, or get cut off by `max_tokens` in
the middle of it. So the text itself is the evidence: a constrained request ends in `Finished`
only when its whole output satisfies the constraint. A server's word is never taken for it.

A schema can't make us fetch anything, nor work without end (`tame`).
"""

from __future__ import annotations

import json
import math
import re
from functools import lru_cache
from typing import Any, assert_never

import jsonschema

from symphony.engines import limits
from symphony.engines.base import (
    Choice,
    Constraint,
    Feature,
    Grammar,
    JsonSchema,
    NoConstraint,
    Regex,
)
from symphony.engines.earley import TooHard, accepts
from symphony.engines.gbnf import GrammarError, read_grammar
from symphony.engines.tame import Tame, tamed
from symphony.errors import ConstraintViolated, UsageError

_HINT = "raise max_tokens, loosen the constraint, or use a stronger model"


def feature_of(constraint: Constraint) -> Feature | None:
    """The feature that an engine needs to honour `constraint`; None for free text."""
    match constraint:
        case NoConstraint():
            return None
        case JsonSchema():
            return Feature.JSON_SCHEMA
        case Choice():
            return Feature.CHOICE
        case Regex():
            return Feature.REGEX
        case Grammar():
            return Feature.GRAMMAR
        case _:
            assert_never(constraint)


def check_constraint(constraint: Constraint) -> None:
    """Raise `UsageError` when the constraint itself makes no sense or passes a limit."""
    match constraint:
        case NoConstraint():
            return
        case JsonSchema(schema):
            _tame(schema)
        case Choice(options):
            if not 1 <= len(options) <= limits.CHOICES or not all(options):
                raise UsageError(f"a choice has 1 to {limits.CHOICES} options, none empty")
        case Regex(pattern):
            if len(pattern) > limits.PATTERN_CHARS:
                raise UsageError(f"a pattern has at most {limits.PATTERN_CHARS} characters")
            try:
                re.compile(pattern)
            except re.error as error:
                raise UsageError(f"not a regular expression: {error}") from error
        case Grammar(gbnf):
            try:
                read_grammar(gbnf)
            except GrammarError as error:
                raise UsageError(f"not a GBNF grammar: {error}") from error
        case _:
            assert_never(constraint)


def check_output(constraint: Constraint, text: str) -> None:
    """Raise `ConstraintViolated` unless `text` is what `constraint` asks for."""
    if len(text) > limits.CHECKED_CHARS and not isinstance(constraint, NoConstraint):
        raise _violated(f"the output has more than {limits.CHECKED_CHARS} characters", text)
    match constraint:
        case NoConstraint():
            return
        case JsonSchema(schema):
            _check_json(schema, text)
        case Choice(options):
            if text not in options:
                raise _violated("the output is none of the options", text)
        case Regex(pattern):
            if len(text) > limits.REGEX_TEXT_CHARS or re.fullmatch(pattern, text) is None:
                raise _violated("the output does not match the pattern", text)
        case Grammar(gbnf):
            try:
                accepted = accepts(read_grammar(gbnf), text)
            except TooHard as error:
                raise _violated(f"the output could not be checked: {error}", text) from error
            if not accepted:
                raise _violated("the output is not a text of the grammar", text)
        case _:
            assert_never(constraint)


def _tame(schema: Any) -> Tame:
    """What is applied of a schema. Raises `UsageError` for one that makes no sense or no end."""
    try:
        text = json.dumps(schema, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"not a JSON schema: {_first_line(error)}") from error
    if len(text) > limits.SCHEMA_BYTES:
        raise UsageError(f"a schema has at most {limits.SCHEMA_BYTES} bytes")
    return _tame_text(text)


@lru_cache(maxsize=limits.SCHEMAS_KNOWN)
def _tame_text(text: str) -> Tame:
    """Checking takes milliseconds, and the schema of a plan comes with every plan."""
    try:
        tame = tamed(json.loads(text))
        jsonschema.Draft202012Validator.check_schema(tame.schema)
    except jsonschema.SchemaError as error:
        raise UsageError(f"not a JSON schema: {_first_line(error.message)}") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"not a JSON schema: {_first_line(error)}") from error
    return tame


def _check_json(schema: Any, text: str) -> None:
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise _violated("the output is not JSON", text) from error
    try:
        tame = _tame(schema)
        tame.steps(value)
    except UsageError as error:
        raise _violated(f"the output can't be checked: {error.message}", text) from error
    try:
        jsonschema.Draft202012Validator(tame.schema).validate(value)
    except jsonschema.ValidationError as error:
        where = "/".join(str(part) for part in error.absolute_path) or "the top"
        raise _violated(f"the JSON fails `{error.validator}` at {where}", text) from error
    except (ArithmeticError, ValueError, RecursionError) as error:
        # A number of 400 digits is no multiple of 0.1 that a computer could tell.
        raise _violated(f"the schema can't be applied: {_first_line(error)}", text) from error


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:20]} is too large")
    return number


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _first_line(error: Exception | str) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][: limits.ERROR_TEXT_CHARS]


def _violated(why: str, text: str) -> ConstraintViolated:
    # The text itself may be private and errors get logged, so only its length is told.
    return ConstraintViolated(f"{why} ({len(text)} characters)", hint=_HINT)
