"""BERT's tokenizer, uncased: text to the numbers that MiniLM was trained on.

Three steps, as in the paper (Devlin et al., 2018) and its public reference: clean and
lower-case, with accents taken off; split at white space, punctuation and CJK ideographs; then
cut each word, greedily from the left, into the longest pieces of the vocabulary, where a piece
inside a word is written `##piece`. A word with no such cut, or a very long one, is `[UNK]`.

The rule kept: the same numbers as the reference tokenizer, tested on frozen examples, since a
vector made from other numbers is a vector of another text.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

from symphony.engines import limits

WORD_CHARS = 100
"""Longer words are `[UNK]`: the reference's own bound."""

_CJK = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class WordPiece:
    """A vocabulary and the way to cut texts with it."""

    def __init__(self, vocabulary: Path) -> None:
        lines = vocabulary.read_text(encoding="utf-8").split("\n")
        self._ids = {piece: number for number, piece in enumerate(lines) if piece}
        self._unknown = self._ids["[UNK]"]
        self._first = self._ids["[CLS]"]
        self._last = self._ids["[SEP]"]

    def ids(self, text: str) -> list[int]:
        """The text's numbers between `[CLS]` and `[SEP]`, at most `limits.ENCODE_TOKENS`."""
        pieces: list[int] = []
        for word in _words(text[: limits.ENCODE_CHARS]):
            pieces += self._cut(word)
        return [self._first, *pieces[: limits.ENCODE_TOKENS - 2], self._last]

    def _cut(self, word: str) -> list[int]:
        if len(word) > WORD_CHARS:
            return [self._unknown]
        found: list[int] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(len(word), start, -1):
                number = self._ids.get(prefix + word[start:end])
                if number is not None:
                    found.append(number)
                    start = end
                    break
            else:
                return [self._unknown]
        return found


def _words(text: str) -> list[str]:
    words: list[str] = []
    word = ""
    for char in _plain(text):
        if char.isspace() or _stands_alone(char):
            if word:
                words.append(word)
            word = ""
            if not char.isspace():
                words.append(char)
        else:
            word += char
    return [*words, word] if word else words


def _plain(text: str) -> str:
    """Without control characters and accents, in lower case."""
    kept = "".join(char for char in text if not _is_control(char))
    parted = unicodedata.normalize("NFD", kept.lower())
    return "".join(char for char in parted if unicodedata.category(char) != "Mn")


def _is_control(char: str) -> bool:
    if char in "\t\n\r":
        return False
    return char in "\x00\ufffd" or unicodedata.category(char).startswith("C")


def _stands_alone(char: str) -> bool:
    """Punctuation, all ASCII symbols, and CJK ideographs are words of their own."""
    code = ord(char)
    if code < 128:
        return not char.isalnum() and not char.isspace()
    return unicodedata.category(char).startswith("P") or any(a <= code <= b for a, b in _CJK)
