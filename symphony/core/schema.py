"""Does a JSON text fit a JSON schema? Engines ask it of what a model wrote, the vote of an answer.

Draft 2020-12, of which only what is tame is taken (`tame`): the answer is the same wherever it is
asked, and ends.
"""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import Any

from symphony.core import limits
from symphony.core.tame import Tame, tamed
from symphony.errors import UsageError


class Misfit(ValueError):
    """A text that is not what a schema asks for; says where, and nothing of the text."""


def fits(schema: str, text: str) -> bool:
    """Is a text what a schema asks for? Never, where the schema can't be applied."""
    if len(schema) > limits.SCHEMA_BYTES:
        return False
    try:
        check(json.loads(schema), text)
    except (ValueError, RecursionError):  # of the schema, or `Misfit`
        return False
    return True


def tame_schema(schema: Any) -> Tame:
    """What is applied of a schema. Raises `UsageError` for one that makes no sense or no end."""
    try:
        text = json.dumps(schema, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"not a JSON schema: {_first_line(error)}") from error
    if len(text) > limits.SCHEMA_BYTES:
        raise UsageError(f"a schema has at most {limits.SCHEMA_BYTES} bytes")
    return _tame_text(text)


def check(schema: Any, text: str) -> None:
    """Raises `Misfit` unless `text` is JSON that `schema` asks for."""
    import jsonschema  # noqa: PLC0415  # some 50 ms: only where there is a schema

    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise Misfit("the output is not JSON") from error
    try:
        tame = tame_schema(schema)
        tame.steps(value)
    except UsageError as error:
        raise Misfit(f"the output can't be checked: {error.message}") from error
    try:
        jsonschema.Draft202012Validator(tame.schema).validate(value)
    except jsonschema.ValidationError as error:
        where = "/".join(str(part) for part in error.absolute_path) or "the top"
        raise Misfit(f"the JSON fails `{error.validator}` at {where}") from error
    except (ArithmeticError, ValueError, RecursionError) as error:
        # A number of 400 digits is no multiple of 0.1 that a computer could tell.
        raise Misfit(f"the schema can't be applied: {_first_line(error)}") from error


@lru_cache(maxsize=limits.SCHEMAS_KNOWN)
def _tame_text(text: str) -> Tame:
    """Checking takes milliseconds, and the schema of a plan comes with every plan."""
    import jsonschema  # noqa: PLC0415  # as above

    try:
        tame = tamed(json.loads(text))
        jsonschema.Draft202012Validator.check_schema(tame.schema)
    except jsonschema.SchemaError as error:
        raise UsageError(f"not a JSON schema: {_first_line(error.message)}") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"not a JSON schema: {_first_line(error)}") from error
    return tame


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:20]} is too large")
    return number


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _first_line(error: Exception | str) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][: limits.SCHEMA_ERROR_CHARS]
