"""The shape of a plan, as a JSON schema and as a grammar: what engines are told to force.

Both describe the same plans of 2 or 3 steps, each of which needs earlier steps only, so that no
circle can be written down. The grammar leaves no room for white space: a small model spends a
third of a pretty-printed plan on it. Engines that force grammars get that, others the schema.
"""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

from symphony.core import limits

MAX_QUESTION = 160
MIN_QUESTION = 8


def plan_schema(skills: tuple[str, ...]) -> dict[str, Any]:
    """The JSON schema of a plan of 2 or 3 steps.

    A step needs earlier steps only, so no circle can be written down, and every string is
    bounded: small models otherwise fill the budget with blanks. With known `skills`, a step
    names one of them.
    """
    lengths = range(2, limits.FORCED_STEPS + 1)
    return {
        "type": "object",
        "properties": {"steps": {"anyOf": [_steps_schema(count, skills) for count in lengths]}},
        "required": ["steps"],
        "additionalProperties": False,
    }


def _steps_schema(count: int, skills: tuple[str, ...]) -> dict[str, Any]:
    items = [_step_schema(number, skills) for number in range(1, count + 1)]
    return {"type": "array", "prefixItems": items, "minItems": count, "maxItems": count}


def _step_schema(number: int, skills: tuple[str, ...]) -> dict[str, Any]:
    earlier = [f"s{n}" for n in range(1, number)]
    needs: dict[str, Any] = {"type": "array", "items": {"type": "string"}, "maxItems": 0}
    if earlier:
        one_of = {"type": "string", "enum": earlier}
        needs = {"type": "array", "items": one_of, "minItems": 1, "maxItems": len(earlier)}
    skill: dict[str, Any] = {"type": "string", "minLength": 2, "maxLength": limits.MAX_SKILL_CHARS}
    if skills:
        skill = {"type": "string", "enum": list(skills)}
    return {
        "type": "object",
        "properties": {
            "id": {"type": "string", "enum": [f"s{number}"]},
            "question": {
                "type": "string",
                "minLength": MIN_QUESTION,
                "maxLength": MAX_QUESTION,
            },
            "needs": needs,
            "skill": skill,
        },
        "required": ["id", "question", "needs", "skill"],
        "additionalProperties": False,
    }


def plan_grammar(skills: tuple[str, ...]) -> str:
    """The same plans in GBNF (llama.cpp's notation), without any white space."""
    skill = " | ".join(_literal(json.dumps(name)) for name in skills) if skills else "text"
    rules = [
        'root ::= "{\\"steps\\":[" s1 "," s2 ("," s3)? "]}"',
        f'text ::= "\\"" [^"\\\\\\x00-\\x1f]{{{MIN_QUESTION},{MAX_QUESTION}}} "\\""',
        f"skill ::= {skill}",
    ]
    rules += [_step_rule(number) for number in range(1, limits.FORCED_STEPS + 1)]
    return "\n".join(rules) + "\n"


def _step_rule(number: int) -> str:
    earlier = [f"s{n}" for n in range(1, number)]
    needs = [list(some) for size in range(1, number) for some in combinations(earlier, size)]
    choices = " | ".join(
        _literal(json.dumps(some, separators=(",", ":"))) for some in needs or [[]]
    )
    head = _literal(f'{{"id":"s{number}","question":')
    middle, tail = _literal(',"needs":'), _literal(',"skill":')
    return f's{number} ::= {head} text {middle} ({choices}) {tail} skill "}}"'


def _literal(text: str) -> str:
    """`text` as a GBNF literal."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
