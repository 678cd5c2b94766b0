"""Scenarios written by hand: a YAML file says who is there, what is asked, and what breaks when.

    nodes, weather, tasks, actions    the fields of `scenario`, `network`, `faults` by their names
    count: 3 (of a node)              three nodes like this one
    do: crash (of an action)          which of the actions of `faults`
    expect: {answered: 2}             at least so many tasks must end so

The forms are made from the very dataclasses of the simulator, so a new action can be written in a
file as soon as it exists. A file is read once, bounded, and every error names its line.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from symphony.core.records import Outcome
from symphony.errors import ManifestError, UsageError
from symphony.manifests.positions import Positions, read_yaml
from symphony.testing.faults import Action
from symphony.testing.network import Weather
from symphony.testing.scenario import NodeScript, Scenario, TaskScript
from symphony.testing.wish import MAX_SEEDED_NODES

MAX_FILE_BYTES = 256 * 1024
MAX_SEEDS = 100_000
MAX_FAULTS_MS = 3_600_000  # an hour; longer runs say nothing that an hour does not
_HINT = "see docs/simulator.md and examples/06_partition.yaml"
_STRICT = ConfigDict(extra="forbid", strict=True)


def _typed(hint: Any) -> Any:
    """The type of a field of a file: a form where the simulator has a dataclass."""
    if dataclasses.is_dataclass(hint):
        return _form(hint)
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return Union[tuple(_typed(one) for one in inner)]  # noqa: UP007 - built at run time
    if origin in (tuple, frozenset):
        return origin[tuple(one if one is Ellipsis else _typed(one) for one in inner)]
    return hint


def _form(kind: Any, **more: Any) -> type[BaseModel]:
    """A strict model with the fields of a dataclass."""
    hints = get_type_hints(kind)
    fields: dict[str, Any] = dict(more)
    for field in dataclasses.fields(kind):
        needed = field.default is dataclasses.MISSING
        fields[field.name] = (_typed(hints[field.name]), ... if needed else field.default)
    made: type[BaseModel] = create_model(f"{kind.__name__}Form", __config__=_STRICT, **fields)
    return made


_KINDS = {kind.__name__.lower(): kind for kind in get_args(Action)}
_COUNT = (int, Field(default=1, ge=1, le=MAX_SEEDED_NODES))
_ACTIONS = tuple(_form(kind, do=(Literal[name], ...)) for name, kind in _KINDS.items())
_WEATHER = _form(Weather)
_FIELDS: dict[str, Any] = {
    "nodes": (tuple[_form(NodeScript, count=_COUNT), ...], Field(min_length=1)),  # type: ignore[misc]
    "tasks": (tuple[_form(TaskScript), ...], ()),  # type: ignore[misc]
    "weather": (_WEATHER, Field(default_factory=_WEATHER)),
    "actions": (tuple[Union[_ACTIONS], ...], Field(default=(), max_length=10_000)),  # type: ignore[valid-type]  # noqa: UP007
    "seeds": (int, Field(default=1, ge=1, le=MAX_SEEDS)),
    "faults_ms": (int, Field(default=40_000, ge=1_000, le=MAX_FAULTS_MS)),
    "encoder": (bool, True),
    "audit": (bool, True),
    "expect": (dict[str, int], Field(default_factory=dict)),
}
_File: type[BaseModel] = create_model("_File", __config__=_STRICT, **_FIELDS)


@dataclass(frozen=True, slots=True)
class Written:
    """A scenario from a file: each seed runs it with other dice."""

    scenario: Scenario
    seeds: int
    marks: tuple[str, ...] = ()

    def draw(self, seed: int) -> Scenario:
        return dataclasses.replace(self.scenario, seed=seed)


def read_scenario(path: Path) -> Written:
    """Raises `UsageError`, which names file, line and field."""
    data = _bytes_of(path)
    try:
        values, lines = read_yaml(data, str(path))
    except ManifestError as error:
        raise UsageError(error.message, hint=_HINT) from None
    if not isinstance(values, dict):
        raise UsageError(f"{path}:1: is no table of keys", hint=_HINT)
    for at, action in enumerate(values.get("actions") or ()):
        if isinstance(action, dict) and action.get("do") not in _KINDS:
            text = f"no action {action.get('do')!r}; there are {', '.join(sorted(_KINDS))}"
            raise _wrong(path, lines, ("actions", at), text)
    try:
        found = _File.model_validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        first = error.errors()[0]
        raise _wrong(path, lines, first["loc"], first["msg"]) from None
    written = _written(found)
    _check(path, lines, written.scenario)
    return written


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: can't be read: {error.strerror}", hint=_HINT) from None
    if len(data) > MAX_FILE_BYTES:
        raise UsageError(f"{path}: larger than {MAX_FILE_BYTES // 1024} KiB", hint=_HINT)
    return data


def _wrong(path: Path, lines: Positions, where: tuple[Any, ...], text: str) -> UsageError:
    place = ".".join(str(part) for part in where if not str(part).endswith("Form"))
    return UsageError(f"{path}:{lines.line(where)}: {place}: {text}", hint=_HINT)


def _made(kind: Any, form: Any) -> Any:
    """The dataclass that a form stands for, with all that is inside."""
    hints = get_type_hints(kind)
    values = {}
    for field in dataclasses.fields(kind):
        value, hint = getattr(form, field.name), hints[field.name]
        inner = [one for one in (hint, *get_args(hint)) if dataclasses.is_dataclass(one)]
        if isinstance(value, BaseModel):
            value = _made(inner[0], value)
        elif isinstance(value, tuple) and inner:
            value = tuple(_made(inner[0], one) for one in value)
        values[field.name] = value
    return kind(**values)


def _written(found: Any) -> Written:
    nodes = tuple(_made(NodeScript, form) for form in found.nodes for _ in range(form.count))
    actions = (_made(_KINDS[form.do], form) for form in found.actions)
    scenario = Scenario(
        seed=0,
        nodes=nodes,
        tasks=tuple(_made(TaskScript, form) for form in found.tasks),
        weather=_made(Weather, found.weather),
        actions=tuple(sorted(actions, key=lambda action: action.at_ms)),
        encoder=found.encoder,
        faults_ms=found.faults_ms,
        audit=found.audit,
        expect=tuple(sorted(found.expect.items())),
    )
    return Written(scenario, found.seeds)


def _check(path: Path, lines: Positions, scenario: Scenario) -> None:
    """What no single field can say: everything happens to nodes that exist, in time."""
    count = len(scenario.nodes)
    if count > MAX_SEEDED_NODES:
        raise _wrong(path, lines, ("nodes",), f"{count} nodes, at most {MAX_SEEDED_NODES}")
    for name, things in (("tasks", scenario.tasks), ("actions", scenario.actions)):
        for at, thing in enumerate(things):
            one = getattr(thing, "node", 0)
            many = getattr(thing, "apart", None) or getattr(thing, "to", None) or ()
            missing = [index for index in (one, *many) if not 0 <= index < count]
            if missing:
                raise _wrong(path, lines, (name,), f"{name}[{at}]: no node {missing[0]}")
            if not 0 <= thing.at_ms < scenario.faults_ms:
                text = f"{name}[{at}]: at {thing.at_ms} ms, but faults_ms is {scenario.faults_ms}"
                raise _wrong(path, lines, (name,), text)
    for outcome, least in scenario.expect:
        if outcome not in get_args(Outcome) or least < 0:
            raise _wrong(path, lines, ("expect", outcome), "no outcome of a task")
