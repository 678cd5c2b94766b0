r"""Answers that are one of few words: yes or no, or one of a task's choices.

Both readers look for the *first* such word in an answer that was marked ("Answer: yes, since n is
prime"), and for the *last* in the end of an output without a mark. Words of a language that look
like answers are none:

- the letters y and n count only where they are all that was said;
- a choice of one letter counts as a capital or as it was given ("B"), in brackets ("(b)"), or where
  it begins a marked answer and a mark follows it ("b) red"); other choices in any case;
- "A metal" and "I think" begin a sentence and choose nothing, but "A is right" does;
- "no doubt" denies nothing, but "no", "no." and "no because" do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_YES = frozenset({"yes", "true", "correct", "right", "y"})
_NO = frozenset({"no", "false", "incorrect", "wrong", "n"})
_NOT = frozenset({"not", "isn", "never"})
_REASON = r"is\b|was\b|because\b|since\b|as\b|so\b|and\b|or\b|but\b|for\b|if\b"
_WORD = re.compile(
    rf"(?P<no>\bno\b(?![^\S\n]+(?!{_REASON})[a-z])|^\W*no\b)|(?P<other>[a-z]+)|[.!?;\n]"
)
_SENTENCE = rf"(?!['’]|[^\S\n]+(?!{_REASON})[a-z])"
_AROUND = " \t\n.()[]{}*$\"'`"
_WRAPPED = re.compile(r"\\(?:text|mathrm|textbf|mathbf|mbox)\s{0,4}\{([^{}]*)\}")


def affirmed(text: str, *, first: bool) -> str | None:
    """The first or the last word that affirms or denies, with the "not" that turns it."""
    bare = _WRAPPED.sub(r" \1 ", text).lower()
    alone = bare.strip(_AROUND)
    if alone in {"y", "n"}:
        return alone
    said: str | None = None
    turned = ""
    for word in _words(bare):
        if word in _YES or word in _NO:
            said, turned = turned + word, ""
            if first:
                return said
        elif word in _NOT:
            turned = "not "
        elif not word.isalpha():
            turned = ""
    return said


def truth(answer: str) -> bool:
    """What an answer that `affirmed` gave says; anything else is not true."""
    said = affirmed(answer, first=True) or ""
    return (said.removeprefix("not ") in _YES) != said.startswith("not ")


def _words(text: str) -> Iterator[str]:
    for found in _WORD.finditer(text):
        word = found[0]
        if found["no"]:
            yield "no"
        elif word not in {"no", "y", "n"}:
            yield word


def chosen(text: str, choices: tuple[str, ...], *, first: bool) -> str | None:
    """The choice named first or last in `text`; at the same place, the longest."""
    bare = _WRAPPED.sub(r" \1 ", text)
    alone = bare.strip(_AROUND)
    places: list[tuple[int, int, str]] = []
    for choice in choices:
        if alone == choice or (len(choice) == 1 and alone.lower() == choice.lower()):
            return choice
        for found in _pattern(choice, first=first).finditer(bare):
            at = -found.start("it") if first else found.end("it")
            places.append((at, len(choice), choice))
            if first:
                break
    return max(places)[2] if places else None


def _pattern(choice: str, *, first: bool) -> re.Pattern[str]:
    it = re.escape(choice)
    free, end = r"(?<![^\W_])(?<!\d[.,])", r"(?![^\W_]|[.,]\d)"
    if len(choice) > 1 or not choice.isalpha():
        return re.compile(rf"(?P<it>{free}(?i:{it}){end})")
    sentence = _SENTENCE if choice.lower() in {"a", "i"} else ""
    ways = [
        rf"{free}(?:{it}|{re.escape(choice.upper())}){end}{sentence}",
        rf"(?<=[(\[])(?i:{it})(?=[)\]])",
    ]
    if first:
        ways.append(rf"^\W{{0,8}}(?i:{it})(?=[).:,;](?!\w))")
    return re.compile(f"(?P<it>{'|'.join(ways)})")
