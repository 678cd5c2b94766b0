"""Schemas of others can't make a node work without end."""

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.core.tasks.plan_forms import plan_schema
from symphony.engines import limits
from symphony.engines.base import JsonSchema
from symphony.engines.constraints import check_constraint, check_output
from symphony.engines.tame import parts_of, steps_of
from symphony.errors import ConstraintViolated, UsageError

POINT = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
NESTED = {"$defs": {"point": POINT}, "type": "array", "items": {"$ref": "#/$defs/point"}}


def test_schemas_as_people_write_them_are_taken():
    assert parts_of(POINT) == 2
    assert parts_of(NESTED) == 4
    assert parts_of(plan_schema(("math", "code"))) < limits.SCHEMA_PARTS
    check_constraint(JsonSchema(NESTED))
    check_output(JsonSchema(NESTED), '[{"x": 1}, {"x": 2}]')


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"pattern": "(a+)+$"}, "'pattern' is not taken"),
        ({"properties": {"a": {"patternProperties": {"(a+)+$": True}}}}, "'patternProperties'"),
        ({"uniqueItems": True}, "'uniqueItems'"),
        ({"$dynamicRef": "#a"}, "'\\$dynamicRef'"),
        ({"$ref": "http://127.0.0.1:1/schema.json"}, "not in its \\$defs"),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "in a circle"),
        ({"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"}, "in a circle"),
        ({"anyOf": [True] * limits.SCHEMA_PARTS}, "more than"),
        ({"items": 3}, "is an object"),
    ],
)
def test_what_may_cost_without_end_is_refused_by_name(schema: dict[str, Any], why: str):
    with pytest.raises(UsageError, match=why):
        check_constraint(JsonSchema(schema))


def test_definitions_that_double_at_each_step_are_refused():
    doubled = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n - 1}"}] * 2} for n in range(1, 13)}
    with pytest.raises(UsageError, match="parts"):
        parts_of({"$defs": {"d0": True, **doubled}, "$ref": "#/$defs/d12"})


def test_deep_schemas_are_refused():
    schema: Any = True
    for _ in range(limits.SCHEMA_DEPTH + 2):
        schema = {"items": schema}
    with pytest.raises(UsageError, match="deeper"):
        parts_of(schema)


def test_many_alternatives_for_many_items_are_refused_before_they_are_tried():
    schema = {"items": {"anyOf": [{"const": number} for number in range(400)]}}
    with pytest.raises(ConstraintViolated, match="steps"):
        check_output(JsonSchema(schema), str([399] * 1_000))
    check_output(JsonSchema(schema), str([399] * 10))


def test_a_long_list_of_plain_things_is_no_trouble():
    check_output(JsonSchema(NESTED), str([{"x": 1}] * 2_000).replace("'", '"'))


PARTS: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([True, {"type": "integer"}, {"const": 1}]),
    lambda inner: st.one_of(
        st.builds(lambda one: {"items": one}, inner),
        st.builds(lambda one: {"not": one}, inner),
        st.builds(lambda many: {"anyOf": many}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda one: {"properties": {"a": one}, "additionalProperties": one}, inner),
    ),
    max_leaves=8,
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.integers(0, 2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=8,
)


COUNTED = ("type", "const", "items", "not", "anyOf", "properties")
"""Each part above that is not just true has exactly one of these."""


@given(PARTS, VALUES)
def test_the_count_is_never_below_what_the_validator_does(schema, value):
    steps = 0

    def counted(check: Any) -> Any:
        def run(*args: Any) -> Any:
            nonlocal steps
            steps += 1
            return check(*args)

        return run

    stock = jsonschema.Draft202012Validator
    own = {keyword: counted(stock.VALIDATORS[keyword]) for keyword in COUNTED}
    list(jsonschema.validators.extend(stock, own)(schema).iter_errors(value))
    assert steps <= steps_of(schema, value)
