"""Schemas of others can't make a node work without end."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from symphony.core import limits as core_limits
from symphony.core.tame import tamed
from symphony.core.tasks.plan_forms import plan_schema
from symphony.engines.base import JsonSchema
from symphony.engines.constraints import check_constraint, check_output
from symphony.errors import ConstraintViolated, UsageError

POINT = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
NESTED = {"$defs": {"point": POINT}, "type": "array", "items": {"$ref": "#/$defs/point"}}


def test_schemas_as_people_write_them_are_taken():
    assert tamed(POINT).parts == 2
    assert tamed(NESTED).parts == 4
    assert tamed(plan_schema(("math", "code"))).parts < 100
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
        ({"anyOf": [True] * core_limits.SCHEMA_PARTS}, "more than"),
        ({"items": 3}, "is an object"),
        ({"$defs": {"a": True, "%61": True}, "$ref": "#/$defs/%61"}, "an escape"),
        ({"$defs": {"~1": True}, "items": {"$ref": "#/$defs/~1"}}, "an escape"),
        ({"items": {"$id": "urn:x:y"}}, "`\\$id` is taken at the root"),
        ({"$defs": {"a": {"$schema": "x"}}, "$ref": "#/$defs/a"}, "`\\$schema` is taken at"),
        ({"items": {"$anchor": "a"}}, "'\\$anchor' is not taken"),
        ({"required": [{"a": n} for n in range(1_000)]}, "`required` is a list of texts"),
        ({"type": "object", "required": ["a", "a"]}, "non-unique"),
        ({"multipleOf": float("nan")}, "not a JSON schema"),
    ],
)
def test_what_may_cost_without_end_is_refused_by_name(schema: dict[str, Any], why: str):
    with pytest.raises(UsageError, match=why):
        check_constraint(JsonSchema(schema))


def test_definitions_that_double_at_each_step_are_refused():
    doubled = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n - 1}"}] * 2} for n in range(1, 13)}
    with pytest.raises(UsageError, match="parts"):
        tamed({"$defs": {"d0": True, **doubled}, "$ref": "#/$defs/d12"})


def test_deep_schemas_are_refused():
    schema: Any = True
    for _ in range(core_limits.SCHEMA_DEPTH + 2):
        schema = {"items": schema}
    with pytest.raises(UsageError, match="deeper"):
        tamed(schema)


def test_many_alternatives_for_many_items_are_refused_before_they_are_tried():
    schema = {"items": {"anyOf": [{"const": number} for number in range(400)]}}
    with pytest.raises(ConstraintViolated, match="steps"):
        check_output(JsonSchema(schema), str([399] * 1_000))
    check_output(JsonSchema(schema), str([399] * 10))


@pytest.mark.parametrize(
    "part",
    [
        {"enum": list(range(400))},
        {"const": "x" * 9_000},
        {"required": [str(n) for n in range(999)]},
    ],
    ids=["enum", "const", "required"],
)
def test_long_values_to_compare_with_are_many_steps(part: dict[str, Any]):
    schema = JsonSchema({"anyOf": [{"items": part}]})
    with pytest.raises(ConstraintViolated, match="steps"):
        check_output(schema, "[" + ",".join(["{}"] * 2_000) + "]")


def test_a_nested_definition_is_not_found_and_an_unused_one_costs_nothing():
    inner = {"$defs": {"a": False}, "$ref": "#/$defs/a"}
    check_output(JsonSchema({"$defs": {"a": True}, "items": inner}), "[1]")
    unused = {str(n): {"pattern": "(a+)+$"} for n in range(1_000)}
    assert tamed({"$defs": unused, "$id": "urn:x:y", "title": "t"}).schema == {}


@pytest.mark.parametrize(
    ("text", "why"),
    [("1" + "0" * 400, "can't be applied"), ("1e999", "not JSON"), ("NaN", "not JSON")],
    ids=["long", "infinite", "none"],
)
def test_a_number_that_can_not_be_compared_is_refused_by_name(text: str, why: str):
    with pytest.raises(ConstraintViolated, match=why):
        check_output(JsonSchema({"multipleOf": 0.1}), text)


def test_a_long_list_of_plain_things_is_no_trouble():
    check_output(JsonSchema(NESTED), str([{"x": 1}] * 2_000).replace("'", '"'))


NAMES = "abc"
"""Of definitions. Each refers only to those behind it, so that most schemas end."""


def parts_with(names: str) -> st.SearchStrategy[Any]:
    leaves = [True, {"type": "integer"}, {"const": 1}, {"enum": [0, "a"]}]
    return st.recursive(
        st.sampled_from(leaves + [{"$ref": f"#/$defs/{name}"} for name in names]),
        lambda inner: st.one_of(
            st.builds(lambda one: {"items": one}, inner),
            st.builds(lambda one: {"not": one}, inner),
            st.builds(lambda many: {"anyOf": many}, st.lists(inner, min_size=1, max_size=3)),
            st.builds(lambda one: {"properties": {"a": one}, "additionalProperties": one}, inner),
            st.builds(
                lambda one, name: {"allOf": [one], "$ref": f"#/$defs/{name}"},
                inner,
                st.sampled_from(names or ["a"]),
            ),
        ),
        max_leaves=6,
    )


DEFINED = st.fixed_dictionaries(
    {name: parts_with(NAMES[at:]) for at, name in enumerate(NAMES, start=1)}
)
SCHEMAS = st.builds(
    lambda root, defined: {"$defs": defined, "allOf": [root]}, parts_with(NAMES), DEFINED
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.integers(0, 2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=8,
)
COUNTED = ("type", "const", "enum", "items", "not", "anyOf", "properties", "allOf", "$ref")
"""Each part above that is not just true has one of these, and one beside a `$ref` only."""


@settings(max_examples=150)
@given(SCHEMAS, VALUES)
def test_what_is_checked_is_what_was_counted_and_says_what_the_original_says(schema, value):
    try:
        tame = tamed(schema)
    except UsageError:
        assume(False)  # a circle
    steps = 0

    def counted(check: Any) -> Any:
        def run(*args: Any) -> Any:
            nonlocal steps
            steps += 1
            return check(*args)

        return run

    stock = jsonschema.Draft202012Validator
    own = {keyword: counted(stock.VALIDATORS[keyword]) for keyword in COUNTED}
    counting = jsonschema.validators.extend(stock, own)
    valid = not list(counting(tame.schema).iter_errors(value))
    assert "$ref" not in json.dumps(tame.schema)
    assert steps <= tame.steps(value)
    assert valid == stock(schema).is_valid(value)
