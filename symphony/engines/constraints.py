"""Is the output what was asked for? Checked on the way back, whatever the server promised.

Servers accept a constraint and ignore it, honour half of it, or get cut off by `max_tokens` in
the middle of it. So the text itself is the evidence: a constrained request ends in `Finished`
only when its whole output satisfies the constraint. A server's word is never taken for it.

A schema can't make us fetch anything, nor work without end (`tame`).
"""

from __future__ import annotations

import re
from typing import Any, assert_never

from symphony.core.schema import Misfit, check, tame_schema
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
            tame_schema(schema)
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


def _check_json(schema: Any, text: str) -> None:
    try:
        check(schema, text)
    except Misfit as error:
        raise _violated(str(error), text) from error


def _violated(why: str, text: str) -> ConstraintViolated:
    # The text itself may be private and errors get logged, so only its length is told.
    return ConstraintViolated(f"{why} ({len(text)} characters)", hint=_HINT)
