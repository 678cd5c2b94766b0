"""Constraints: what is refused beforehand, and what is caught on the way back."""

from __future__ import annotations

import json

import pytest

from symphony.core import limits as core_limits
from symphony.core.tasks.plan_forms import plan_schema
from symphony.engines import limits
from symphony.engines.base import (
    Choice,
    Constraint,
    Grammar,
    JsonSchema,
    Message,
    NoConstraint,
    Regex,
    Request,
)
from symphony.engines.constraints import check_constraint, check_output
from symphony.engines.dialect import LLAMACPP, PLAIN, VLLM
from symphony.errors import ConstraintViolated, EngineError, UsageError

POINT = JsonSchema(
    {
        "type": "object",
        "properties": {"x": {"type": "integer", "maximum": 9}},
        "required": ["x"],
        "additionalProperties": False,
    }
)


@pytest.mark.parametrize(
    ("constraint", "text"),
    [
        (NoConstraint(), "anything \x00 at all"),
        (POINT, '{"x": 9}'),
        (POINT, ' {"x":\n0} '),
        (Choice(("yes", "no")), "no"),
        (Choice(("naïve 😀",)), "naïve 😀"),
        (Regex(r"\d{2}"), "42"),
        (Grammar('root ::= "a"+ "é"?'), "aaé"),
    ],
)
def test_output_that_fits_passes(constraint: Constraint, text: str):
    check_constraint(constraint)
    check_output(constraint, text)


@pytest.mark.parametrize(
    ("constraint", "text"),
    [
        (POINT, ""),
        (POINT, '{"x": 9'),
        (POINT, '{"x": 10}'),
        (POINT, '{"x": 1, "y": 2}'),
        (POINT, '{"x": NaN}'),
        (POINT, '```json\n{"x": 9}\n```'),
        (POINT, "[" * 100_000),
        (Choice(("yes", "no")), "yes "),
        (Choice(("yes", "no")), ""),
        (Regex(r"\d{2}"), "421"),
        (Regex(r"a*"), "a" * (limits.REGEX_TEXT_CHARS + 1)),
        (Grammar('root ::= "a"+'), "ab"),
        (Grammar('root ::= "a"+'), ""),
    ],
)
def test_output_that_does_not_fit_is_caught(constraint: Constraint, text: str):
    with pytest.raises(ConstraintViolated) as caught:
        check_output(constraint, text)
    assert caught.value.hint


@pytest.mark.parametrize(
    "constraint",
    [JsonSchema({"anyOf": [{"type": "integer"}] * 500}), JsonSchema(True), Grammar("root ::= .*")],
)
def test_an_output_that_is_too_long_to_be_sent_is_not_checked_at_all(constraint: Constraint):
    with pytest.raises(ConstraintViolated, match=f"more than {limits.CHECKED_CHARS} characters"):
        check_output(constraint, json.dumps("a" * limits.CHECKED_CHARS))
    check_output(NoConstraint(), "a" * 2 * limits.CHECKED_CHARS)


def test_the_error_does_not_repeat_private_text():
    with pytest.raises(ConstraintViolated) as caught:
        check_output(POINT, '{"x": "my secret"}')
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "constraint",
    [
        JsonSchema({"type": "no such type"}),
        JsonSchema({"description": "x" * core_limits.SCHEMA_BYTES}),
        Choice(()),
        Choice(("",)),
        Choice(tuple(str(n) for n in range(limits.CHOICES + 1))),
        Regex("("),
        Regex("a" * (limits.PATTERN_CHARS + 1)),
        Grammar("root = 1"),
    ],
)
def test_senseless_constraints_are_the_callers_fault(constraint: Constraint):
    with pytest.raises(UsageError):
        check_constraint(constraint)


def test_a_schema_can_not_make_us_fetch_anything():
    remote = JsonSchema({"$ref": "http://127.0.0.1:1/schema.json"})
    with pytest.raises(UsageError, match="not in its"):
        check_constraint(remote)
    with pytest.raises(ConstraintViolated, match="can't be checked"):
        check_output(remote, "{}")


def test_each_dialect_spells_constraints_its_own_way():
    choice, grammar = Choice(("a", 'b"')), Grammar('root ::= "a"')
    assert LLAMACPP.fields(choice) == {"grammar": 'root ::= "a" | "b\\""'}
    assert LLAMACPP.fields(grammar) == {"grammar": 'root ::= "a"'}
    assert VLLM.fields(choice) == {"structured_outputs": {"choice": ["a", 'b"']}}
    assert VLLM.fields(Regex("a+")) == {"structured_outputs": {"regex": "a+"}}
    assert VLLM.fields(grammar) == {"structured_outputs": {"grammar": 'root ::= "a"'}}
    for dialect in (LLAMACPP, VLLM):
        sent = dialect.fields(POINT)["response_format"]["json_schema"]["schema"]
        assert sent == POINT.schema
    assert PLAIN.fields(NoConstraint()) == {}


@pytest.mark.parametrize("constraint", [POINT, Choice(("a",)), Grammar('root ::= "a"')])
def test_what_a_server_does_not_honour_is_not_sent(constraint: Constraint):
    with pytest.raises(EngineError, match="does not honour"):
        PLAIN.fields(constraint)


def test_llamacpp_has_no_regular_expressions():
    with pytest.raises(EngineError, match="regex"):
        LLAMACPP.fields(Regex("a"))


def test_the_schema_of_plans_is_within_the_limits():
    constraint = JsonSchema(plan_schema(("math", "geography")))
    check_constraint(constraint)
    first = {"id": "s1", "question": "What is 2 + 3?", "needs": [], "skill": "math"}
    second = {"id": "s2", "question": "Double it, please.", "needs": ["s1"], "skill": "math"}
    check_output(constraint, json.dumps({"steps": [first, second]}))
    with pytest.raises(ConstraintViolated):
        check_output(constraint, json.dumps({"steps": [first, {**second, "skill": "magic"}]}))


@pytest.mark.parametrize(
    "change",
    [
        {"messages": ()},
        {"messages": (Message("user", "x"),) * (limits.MESSAGES + 1)},
        {"max_tokens": 0},
        {"max_tokens": limits.COMPLETION_TOKENS + 1},
        {"temperature": -0.1},
        {"temperature": 2.1},
        {"temperature": float("nan")},
        {"top_p": 0.0},
        {"deadline_ms": 0},
        {"deadline_ms": limits.DEADLINE_MS + 1},
        {"stop": ("",)},
        {"stop": ("x",) * (limits.STOPS + 1)},
    ],
)
def test_requests_keep_their_bounds(change: dict[str, object]):
    fields: dict[str, object] = {
        "messages": (Message("user", "hello"),),
        "max_tokens": limits.COMPLETION_TOKENS,
        "temperature": 2.0,
        "deadline_ms": limits.DEADLINE_MS,
    }
    Request(**fields)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        Request(**{**fields, **change})  # type: ignore[arg-type]
