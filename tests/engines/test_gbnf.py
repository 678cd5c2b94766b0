"""GBNF and its recogniser, against Python's regular expressions as the dumb twin."""

from __future__ import annotations

import contextlib
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.engines import limits
from symphony.engines.earley import TooHard, accepts
from symphony.engines.gbnf import GrammarError, literal, read_grammar

# The same regular language in both notations, over a small alphabet.
_leaf = st.sampled_from(
    [('"a"', "a"), ('"bc"', "bc"), ("[ab]", "[ab]"), ("[^a]", "[^a]"), (".", r"[\s\S]")]
)


def _grow(inner: st.SearchStrategy[tuple[str, str]]) -> st.SearchStrategy[tuple[str, str]]:
    repeats = st.sampled_from(["*", "+", "?", "{2}", "{1,}", "{0,3}", "{1,2}"])
    return st.one_of(
        st.tuples(inner, inner).map(lambda p: (f"{p[0][0]} {p[1][0]}", p[0][1] + p[1][1])),
        st.tuples(inner, inner).map(
            lambda p: (f"({p[0][0]} | {p[1][0]})", f"(?:{p[0][1]}|{p[1][1]})")
        ),
        st.tuples(inner, repeats).map(lambda p: (f"({p[0][0]}){p[1]}", f"(?:{p[0][1]}){p[1]}")),
    )


@given(st.recursive(_leaf, _grow, max_leaves=6), st.text("abc", max_size=8))
def test_regular_grammars_agree_with_regular_expressions(both: tuple[str, str], text: str):
    gbnf, pattern = both
    assert accepts(read_grammar(f"root ::= {gbnf}"), text) == bool(re.fullmatch(pattern, text))


NESTED = """
# balanced brackets: no regular language
root ::= pair+
pair ::= "(" pair* ")" |
         "[" pair* "]"
"""


@pytest.mark.parametrize(
    ("text", "fits"),
    [("()", True), ("([][])()", True), ("(]", False), ("((", False), ("", False)],
)
def test_context_free_grammars(text: str, fits: bool):
    assert accepts(read_grammar(NESTED), text) is fits


def test_recursion_of_any_kind_and_depth():
    for body in ('root "a" | "a"', '"a" root | "a"', 'root root | "a"'):
        grammar = read_grammar(f"root ::= {body}")
        assert accepts(grammar, "a" * 60)
        assert not accepts(grammar, "a" * 60 + "b")


def test_reasoning_before_the_answer():
    grammar = read_grammar(r'root ::= [^\n#]{1,220} "\n#### " [0-9]{1,4}')
    assert accepts(grammar, "2 and 3 are 5." + "\n#### 5")
    assert accepts(grammar, "x" * 220 + "\n#### 1234")
    assert not accepts(grammar, "x" * 221 + "\n#### 5")
    assert not accepts(grammar, "2 and 3 are 5.")


@given(st.text(min_size=1, max_size=40))
def test_a_literal_is_read_back(text: str):
    grammar = read_grammar(f"root ::= {literal(text)}")
    assert accepts(grammar, text)
    assert not accepts(grammar, text + "x")


def test_escapes():
    grammar = read_grammar(r'root ::= "\x41\u00e9\U0001F600\t\\\"" [\]\-a-c]')
    assert accepts(grammar, 'Aé😀\t\\"]')
    assert accepts(grammar, 'Aé😀\t\\"-')
    assert not accepts(grammar, 'Aé😀\t\\"d')


@pytest.mark.parametrize(
    "text",
    [
        "",
        "start ::= x",
        'root ::= "a',
        "root ::= [a",
        "root ::= [a-",
        "root ::= missing",
        'root ::= ("a"',
        'root ::= "a")',
        "root ::= *",
        'root ::= "a"{2,1}',
        'root ::= "a"{x}',
        'root ::= "a"{1',
        'root ::= "a"\nroot ::= "b"',
        'root := "a"',
        r'root ::= "\q"',
        r'root ::= "\xZZ"',
        "root ::= " + "(" * 5000,
        f'root ::= "a"{{{limits.GRAMMAR_REPEATS + 1}}}',
        'root ::= "' + "a" * limits.GRAMMAR_CHARS + '"',
        "root ::= " + '"aaaaaaaaaa"{2000} ' * 11,
        "root ::= " + "a{0,2000} " * 8 + '\na ::= "x"',
    ],
)
def test_what_is_no_grammar_is_refused(text: str):
    with pytest.raises(GrammarError):
        read_grammar(text)


@given(st.text(st.sampled_from('root ::="a[]-^.(){}*+?|,0123\\xu\n#'), max_size=60))
def test_any_text_is_a_grammar_or_an_error(text: str):
    with contextlib.suppress(GrammarError):
        read_grammar("root ::= " + text)


def test_work_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "GRAMMAR_STEPS", 5000)
    with pytest.raises(TooHard):
        accepts(read_grammar('root ::= root root root | "a" | ""'), "a" * 500)


def test_the_work_of_ambiguity_is_counted(monkeypatch: pytest.MonkeyPatch):
    """Few items, each reached in very many ways."""
    monkeypatch.setattr(limits, "GRAMMAR_STEPS", 20_000)
    with pytest.raises(TooHard):
        accepts(read_grammar('root ::= root root | "a"'), "a" * 60)


def test_long_chains_and_literals_take_linear_time():
    rules = [f"r{number} ::= r{number - 1}" for number in range(3999, 0, -1)]
    chain = read_grammar("\n".join(["root ::= r3999", 'r0 ::= ""', *rules]))
    begun = time.process_time()
    assert accepts(chain, "")
    assert accepts(read_grammar(f'root ::= "{"a" * 8000}"'), "a" * 8000)
    assert time.process_time() - begun < 2
