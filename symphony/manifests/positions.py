"""YAML 1.2 to plain values, with the line of each of them.

YAML 1.2, because in 1.1 `no` is false, `010` is eight and `1:30` is ninety, and a manifest says
what it says. Anchors and aliases are refused, of keys as of values: they save a manifest nothing,
and a few of them can unfold to gigabytes. A key is a text and nothing else.

An error is worth as much as its line number, so the document is composed into nodes, which know
where they stand, and the values are made of those here. No constructor of the library ever runs:
what a tag names is not built, and a value that can't be read is an `Odd` one, refused with its line
and field by whoever needs it. No message repeats what stands there: it may be a key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.composer import ComposerError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

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


@dataclass(frozen=True, slots=True)
class Odd:
    """What stands where a value should: why it is none, and what to do."""

    problem: str
    hint: str = "quote it, if you meant text"


def read_yaml(data: bytes, file: str) -> tuple[Any, Positions]:
    """Parse one document. Raises `ManifestError` with file and line."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ManifestError(f"{file}:{line}: is not UTF-8", hint="save the file as UTF-8") from None
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ManifestError(
            f"{file}:{line}: is no YAML: {_problem(error)}",
            hint="correct that line; indent with spaces and quote texts with : or #",
        ) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ManifestError(
            f"{file}:{line}: is no YAML: a control character stands there", hint="remove it"
        ) from None
    except RecursionError:
        raise ManifestError(f"{file}: nested too deeply", hint="see agents/README.md") from None
    except (YAMLError, ValueError) as error:
        raise ManifestError(
            f"{file}: is no YAML ({type(error).__name__})", hint="see agents/README.md"
        ) from None
    if root is None:
        raise ManifestError(f"{file}: is empty", hint="see agents/README.md for an example")
    reading = _Reading(file)
    return reading.value(root, ()), reading.positions


def _problem(error: MarkedYAMLError) -> str:
    """What the library says, without the words of the file that it repeats."""
    if isinstance(error, ComposerError) and "alias" in str(error.problem):
        return "anchors and aliases (&, *) are not allowed in a manifest"
    said = str(error.problem or error.context)
    return re.sub(r"""(['"])(?!<).{2,}\1""", "…", said, flags=re.DOTALL)


class _Reading:
    """From nodes to values, by their places."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.positions = Positions()

    def refuse(self, node: Node, problem: str, hint: str) -> ManifestError:
        return ManifestError(f"{self.file}:{node.start_mark.line + 1}: {problem}", hint=hint)

    def value(self, node: Node, path: Path) -> Any:
        self.unshared(node)
        if len(path) > MAX_DEPTH:
            raise self.refuse(node, "nested too deeply", "see agents/README.md")
        self.positions.add(path, node.start_mark.line + 1)
        match node:
            case MappingNode():
                built: Any = {}
                for key, inner in node.value:
                    name = self.key(key)
                    if name in built:
                        twice = f"the key {name!r:.80} stands there twice"
                        raise self.refuse(key, twice, "remove one")
                    built[name] = self.value(inner, (*path, name))
                    self.positions.add((*path, name), key.start_mark.line + 1)
                return built if node.tag == _MAP else _TAGGED
            case SequenceNode():
                built = [self.value(one, (*path, index)) for index, one in enumerate(node.value)]
                return built if node.tag == _LIST else _TAGGED
            case _:
                return _scalar(str(node.tag), node.value)

    def key(self, node: Node) -> str:
        """A key that is a text: a table or a list as a key could hold anything, a bomb too."""
        self.unshared(node)
        if not isinstance(node, ScalarNode):
            raise self.refuse(node, "a list or table is no key", "write a plain word as the key")
        name: str = node.value
        if node.tag == _MERGE or _odd_text(name):
            raise self.refuse(node, "that is no key", "write a plain word as the key")
        return name

    def unshared(self, node: Node) -> None:
        """An alias leads to a node with an anchor, so that every one of them is met here."""
        if node.anchor:
            said = "anchors and aliases (&, *) are not allowed in a manifest"
            raise self.refuse(node, said, "write the value out")


_TAG = "tag:yaml.org,2002:"
_MAP, _LIST, _MERGE = _TAG + "map", _TAG + "seq", _TAG + "merge"
_TAGGED = Odd("a value with a tag (!…) is no value of a manifest", "write it without the tag")
_DATE = Odd("a date is no value of a manifest")
_NUMBER_CHARS = 64  # the longest number of a manifest has five digits


def _scalar(tag: str, text: str) -> Any:
    read = _READERS.get(tag)
    if read is None:
        return _TAGGED
    try:
        return read(text)
    except (ValueError, KeyError):
        kind = tag.removeprefix(_TAG)
        return Odd(f"what stands there can't be read as {_KINDS.get(kind, kind)}")


def _text(text: str) -> str | Odd:
    if _odd_text(text):
        return Odd("half of a character (a lone surrogate) is no text", "write the character")
    return text


def _odd_text(text: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _integer(text: str) -> int:
    digits = text.replace("_", "").lower()
    if len(digits) > _NUMBER_CHARS:
        raise ValueError
    base = {"0x": 16, "0o": 8, "0b": 2}.get(digits.lstrip("+-")[:2], 10)
    return int(digits, base)


def _float(text: str) -> float:
    if len(text) > _NUMBER_CHARS:
        raise ValueError
    number = text.replace("_", "").lower()
    return float(number.replace(".inf", "inf").replace(".nan", "nan"))


_READERS: Final[dict[str, Callable[[str], Any]]] = {
    _TAG + "str": _text,
    _TAG + "value": _text,  # a bare =, which 1.1 knew something about
    _TAG + "int": _integer,
    _TAG + "float": _float,
    _TAG + "bool": lambda text: {"true": True, "false": False}[text.lower()],
    _TAG + "null": lambda text: {"": None, "~": None, "null": None}[text.lower()],
    _TAG + "timestamp": lambda _: _DATE,
}
_KINDS: Final = {"int": "a whole number", "float": "a number", "bool": "true or false"}
