"""Reading GBNF, llama.cpp's grammar notation.

The notation is small: rules `name ::= …`, literals, character classes, `.`, groups, `|`, `*`,
`+`, `?`, `{m,n}` and comments; `root` is the start. The reader turns it into plain context-free
rules over character sets. Repetitions become left-recursive rules, on which the recogniser
(`symphony.engines.earley`) takes linear time.
"""

from __future__ import annotations

from dataclasses import dataclass

from symphony.engines import limits

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "[": "[", "]": "]", "-": "-"}
_HEX_DIGITS = {"x": 2, "u": 4, "U": 8}


class GrammarError(ValueError):
    """The text is not a grammar; the message says where and why."""


@dataclass(frozen=True, slots=True)
class CharSet:
    """The characters inside `ranges` of code points, both ends included, or those outside."""

    ranges: tuple[tuple[int, int], ...]
    negated: bool = False

    def holds(self, code: int) -> bool:
        return any(low <= code <= high for low, high in self.ranges) is not self.negated


Symbol = int | CharSet
"""A rule's number, or one character out of a set."""

Body = tuple[Symbol, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """A grammar: `bodies[r]` holds the alternatives of rule `r`; `root` is the start."""

    bodies: tuple[tuple[Body, ...], ...]
    root: int


def literal(text: str) -> str:
    """`text` as a GBNF literal."""
    plain = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(plain.get(char, char) for char in text) + '"'


def read_grammar(gbnf: str) -> Rules:
    """Raises `GrammarError` when `gbnf` is no grammar or passes a limit."""
    if len(gbnf) > limits.GRAMMAR_CHARS:
        raise GrammarError(f"more than {limits.GRAMMAR_CHARS} characters")
    try:
        return _Reader(gbnf).read()
    except RecursionError as error:
        raise GrammarError("groups nest too deep") from error


class _Reader:
    """Recursive descent; `_at` is the place in the text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._numbers: dict[str, int] = {}
        self._bodies: list[list[Body] | None] = []
        self._symbols = 0

    def read(self) -> Rules:
        self._skip(newlines=True)
        while self._at < len(self._text):
            name = self._name()
            self._skip(newlines=False)
            if not self._text.startswith("::=", self._at):
                raise self._error("expected ::=")
            self._at += 3
            self._skip(newlines=True)
            bodies = self._alternatives(nested=False)
            number = self._number(name)
            if self._bodies[number] is not None:
                raise self._error(f"rule {name} is defined twice")
            self._bodies[number] = bodies
            if self._peek() not in {"", "\n", "\r"}:
                raise self._error("expected the end of the rule")
            self._skip(newlines=True)
        for name, number in self._numbers.items():
            if self._bodies[number] is None:
                raise GrammarError(f"rule {name} is not defined")
        if "root" not in self._numbers:
            raise GrammarError("there is no rule called root")
        return Rules(tuple(tuple(b or ()) for b in self._bodies), self._numbers["root"])

    def _alternatives(self, *, nested: bool) -> list[Body]:
        bodies = [self._sequence(nested=nested)]
        while self._peek() == "|":
            self._at += 1
            self._skip(newlines=True)
            bodies.append(self._sequence(nested=nested))
        return bodies

    def _sequence(self, *, nested: bool) -> Body:
        done: list[Symbol] = []
        last: Body | None = None
        while True:
            char = self._peek()
            if char and char in "*+?{":
                if last is None:
                    raise self._error("nothing to repeat")
                last = self._repeated(last, *self._counts())
            else:
                item = self._item(char)
                if item is None:
                    break
                done.extend(last or ())
                last = item
            self._skip(newlines=nested)
        done.extend(last or ())
        self._count(len(done))
        return tuple(done)

    def _item(self, char: str) -> Body | None:
        """One literal, class, group or name; None where a sequence ends."""
        if char == '"':
            return self._literal()
        if char == "[":
            return (self._char_class(),)
        if char == ".":
            self._at += 1
            return (CharSet((), negated=True),)
        if char == "(":
            self._at += 1
            self._skip(newlines=True)
            bodies = self._alternatives(nested=True)
            if self._peek() != ")":
                raise self._error("expected )")
            self._at += 1
            return (self._new_rule(bodies),)
        if char and (char.isalnum() or char in "-_"):
            return (self._number(self._name()),)
        return None

    def _counts(self) -> tuple[int, int | None]:
        char = self._text[self._at]
        if char != "{":
            self._at += 1
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[char]
        end = self._text.find("}", self._at)
        low, comma, high = self._text[self._at + 1 : end].partition(",")
        try:
            least = int(low)
            most = least if not comma else (int(high) if high.strip() else None)
        except ValueError as error:
            raise self._error("expected {m}, {m,} or {m,n}") from error
        if end < 0 or least < 0 or (most is not None and most < least):
            raise self._error("expected {m}, {m,} or {m,n} with m up to n")
        if max(least, most or 0) > limits.GRAMMAR_REPEATS:
            raise self._error(f"more than {limits.GRAMMAR_REPEATS} repetitions")
        self._at = end + 1
        return least, most

    def _repeated(self, item: Body, least: int, most: int | None) -> Body:
        one: Symbol = item[0] if len(item) == 1 else self._new_rule([item])
        tail: Body = ()
        if most is None:
            many = self._new_rule([])
            self._bodies[many] = [(), (many, one)]
            tail = (many,)
        else:
            self._count(2 * (most - least))
            for _ in range(most - least):
                tail = (self._new_rule([(), (*tail, one)]),)
        return (one,) * least + tail

    def _literal(self) -> Body:
        self._at += 1
        codes: list[int] = []
        while (char := self._peek()) != '"':
            if not char or char == "\n":
                raise self._error("a literal has no end")
            codes.append(self._char())
        self._at += 1
        return tuple(CharSet(((code, code),)) for code in codes)

    def _char_class(self) -> CharSet:
        self._at += 1
        negated = self._peek() == "^"
        self._at += negated
        ranges: list[tuple[int, int]] = []
        while (char := self._peek()) != "]":
            if not char:
                raise self._error("a class has no end")
            low = high = self._char()
            if self._peek() == "-" and self._text[self._at + 1 : self._at + 2] != "]":
                self._at += 1
                if not self._peek():
                    raise self._error("a class has no end")
                high = self._char()
            ranges.append((low, high))
        self._at += 1
        return CharSet(tuple(ranges), negated)

    def _char(self) -> int:
        char = self._text[self._at]
        self._at += 1
        if char != "\\":
            return ord(char)
        kind = self._peek()
        self._at += 1
        if kind in _HEX_DIGITS:
            digits = self._text[self._at : self._at + _HEX_DIGITS[kind]]
            self._at += len(digits)
            try:
                return int(digits, 16)
            except ValueError as error:
                raise self._error("expected hexadecimal digits") from error
        if kind not in _ESCAPES:
            raise self._error("an unknown escape")
        return ord(_ESCAPES[kind])

    def _name(self) -> str:
        start = self._at
        while (char := self._peek()) and (char.isalnum() or char in "-_"):
            self._at += 1
        if start == self._at:
            raise self._error("expected a rule's name")
        return self._text[start : self._at]

    def _number(self, name: str) -> int:
        if name not in self._numbers:
            self._bodies.append(None)
            self._numbers[name] = len(self._bodies) - 1
        return self._numbers[name]

    def _new_rule(self, bodies: list[Body]) -> int:
        self._count(1)
        self._bodies.append(bodies)
        return len(self._bodies) - 1

    def _count(self, symbols: int) -> None:
        """Rules that stand for groups and repetitions count as symbols, too."""
        self._symbols += symbols
        if self._symbols > limits.GRAMMAR_SYMBOLS:
            raise self._error(f"more than {limits.GRAMMAR_SYMBOLS} symbols")

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip(self, *, newlines: bool) -> None:
        blanks = " \t\r\n" if newlines else " \t"
        while (char := self._peek()) and (char in blanks or char == "#"):
            if char == "#":
                while self._peek() not in {"", "\n"}:
                    self._at += 1
            else:
                self._at += 1

    def _error(self, why: str) -> GrammarError:
        line = self._text.count("\n", 0, self._at) + 1
        return GrammarError(f"line {line}: {why}")
