"""YAML 1.2 to plain values, with the line of each of them.

YAML 1.2, because in 1.1 `no` is false, `010` is eight and `1:30` is ninety, and a manifest says
what it says. Only the safe, pure loader: no tags that build objects. Anchors and aliases are
refused: they save a manifest nothing, and a few of them can unfold to gigabytes.

An error is worth as much as its line number, so the document is composed into nodes first,
which know where they stand, and only then turned into values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from symphony.errors import ManifestError

MAX_DEPTH = 16  # a manifest nests five deep

Path = tuple[int | str, ...]


class Positions:
    """The line (1-based) of each value, by its path of keys and indices."""

    def __init__(self) -> None:
        self._lines: dict[Path, int] = {}

    def add(self, path: Path, line: int) -> None:
        self._lines[path] = line

    def line(self, path: Sequence[int | str]) -> int:
        """The line of the value at `path`, or of the nearest table around it."""
        for end in range(len(path), -1, -1):
            found = self._lines.get(tuple(path[:end]))
            if found is not None:
                return found
        return 1


def read_yaml(data: bytes, file: str) -> tuple[Any, Positions]:
    """Parse one document. Raises `ManifestError` with file and line."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ManifestError(f"{file}:{line}: is not UTF-8", hint="save the file as UTF-8") from None
    positions = Positions()
    try:
        root = YAML(typ="safe", pure=True).compose(text)
        if root is None:
            raise ManifestError(f"{file}: is empty", hint="see agents/README.md for an example")
        _walk(root, (), positions, file, set())
        return YAML(typ="safe", pure=True).load(text), positions
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ManifestError(
            f"{file}:{line}: is no YAML: {error.problem or error.context}",
            hint="correct that line; indent with spaces and quote texts with : or #",
        ) from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise ManifestError(
            f"{file}: is no YAML: {str(error) or type(error).__name__}", hint="see agents/README.md"
        ) from None


def _walk(node: Node, path: Path, positions: Positions, file: str, seen: set[int]) -> None:
    line = node.start_mark.line + 1
    if id(node) in seen or node.anchor:
        raise ManifestError(
            f"{file}:{line}: anchors and aliases (&, *) are not allowed in a manifest",
            hint="write the value out",
        )
    if len(path) > MAX_DEPTH:
        raise ManifestError(f"{file}:{line}: nested too deeply", hint="see agents/README.md")
    seen.add(id(node))
    positions.add(path, line)
    match node:
        case MappingNode():
            for key, value in node.value:
                inner = (*path, str(key.value))
                _walk(value, inner, positions, file, seen)
                positions.add(inner, key.start_mark.line + 1)
        case SequenceNode():
            for index, value in enumerate(node.value):
                _walk(value, (*path, index), positions, file, seen)
