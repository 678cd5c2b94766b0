"""Did you mean …? The nearest known word to one that nobody knows.

Configuration, manifests and the command line refuse unknown words instead of ignoring them: a
misspelt limit that is silently dropped is a limit that does not hold. The refusal names the
nearest known word, and where nothing is near, all of them. Nearness is the ratio of
Ratcliff and Obershelp, from the standard library.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

NEAR = 0.6  # the standard library's own default: catches swaps, dropped and doubled letters


def nearest(word: str, known: Iterable[str], *, cutoff: float = NEAR) -> str | None:
    """The known word that looks most like `word`, if any looks like it."""
    lowered = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=cutoff)
    return lowered[found[0]] if found else None


def suggestion(word: str, known: Iterable[str]) -> str:
    """A sentence that helps: `did you mean 'x'?`, or the list of what is known."""
    names = sorted(known)
    near = nearest(word, names)
    return f"did you mean {near!r}?" if near else "known here: " + ", ".join(names)


def keys_at(model: type[BaseModel], path: Sequence[int | str]) -> tuple[str, ...]:
    """The keys (as written in a file) that the table at `path` inside `model` may have."""
    current: type[BaseModel] | None = model
    for part in path:
        if current is None:
            return ()
        if isinstance(part, int):
            continue  # an element of a list: its type is the list's
        annotation = next(
            (
                field.annotation
                for name, field in current.model_fields.items()
                if part in (name, field.alias)
            ),
            None,
        )
        current = _model_in(annotation)
    if current is None:
        return ()
    return tuple(field.alias or name for name, field in current.model_fields.items())


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside `Model`, `tuple[Model, ...]`, `Model | None` and the like."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType, tuple, list):
        for inner in get_args(annotation):
            found = _model_in(inner)
            if found is not None:
                return found
    return None
