"""Plans: every shape that is taken, and every text that goes back to a planner."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from symphony.core import limits
from symphony.core.messages import Order
from symphony.core.tasks.plan import BadPlan, direct_plan, parse_plan
from symphony.core.tasks.plan_forms import plan_grammar, plan_schema
from symphony.engines.earley import accepts
from symphony.engines.gbnf import read_grammar
from symphony.testing.engines import bad_plan, good_plan


def plan(*steps: Any):
    """Steps as (id, needs), with a question and a skill each."""
    listed = [{"id": i, "question": f"part {i}?", "needs": n, "skill": "math"} for i, n in steps]
    return json.dumps({"steps": listed})


def one(**changes: Any):
    step = {"id": "s1", "question": "how many?", "needs": [], "skill": "math", **changes}
    return json.dumps({"steps": [{key: value for key, value in step.items() if value != ...}]})


@pytest.mark.parametrize(
    ("steps", "order"),
    [
        ([("s1", [])], "s1"),
        ([("s1", []), ("s2", ["s1"])], "s1 s2"),
        ([("s2", []), ("s1", ["s2"])], "s2 s1"),
        ([("a", []), ("b", []), ("c", ["a", "b"])], "a b c"),
        ([("b", []), ("a", ["b"]), ("x", []), ("c", ["a"])], "b a x c"),
        ([("s1", []), ("s2", ["s1", "s1"])], "s1 s2"),
        ([("s1", []), ("s2", ["s1"]), ("s3", ["s1"]), ("s4", ["s2", "s3"])], "s1 s2 s3 s4"),
    ],
)
def test_good_plans_come_in_an_order_in_which_they_can_run(steps, order):
    parsed = parse_plan(plan(*steps))
    assert " ".join(step.id for step in parsed.steps) == order
    done = set()
    for step in parsed.steps:
        assert set(step.needs) <= done
        done.add(step.id)


DEEP = [("s1", []), *[(f"s{n}", [f"s{n - 1}"]) for n in range(2, limits.MAX_DEPTH + 2)]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("First, think.", "the plan is not JSON"),
        ("[" * 100_000, "too long"),
        ("[" * 5_000, "the plan is not JSON"),
        ("7", 'the plan is not {"steps": [...]}'),
        ('{"steps": 7}', 'the plan is not {"steps": [...]}'),
        ('{"steps": []}', "a plan has 1 to 8 steps, this one has 0"),
        ('{"steps": [7]}', "a step is not an object"),
        (one(question=""), "a step lacks its id, question or skill"),
        (one(skill=...), "a step lacks its id, question or skill"),
        (one(id=7), "a step lacks its id, question or skill"),
        (one(needs=...), "step s1: needs is not a list of step ids"),
        (one(needs=[7]), "step s1: needs is not a list of step ids"),
        (one(question="x" * 601), "step s1: the question is too long"),
        (one(id="s 1"), "a step id is up to 16 letters and digits"),
        (one(id="s" * 17), "a step id is up to 16 letters and digits"),
        (one(question="\ud800?"), "the plan is not JSON"),
        (plan(("s1", []), ("s1", [])), "two steps have the same id"),
        (plan(("s1", ["s9"])), "step s1 needs s9, which does not exist"),
        (plan(("s1", ["s1"])), "the needs of the steps form a circle"),
        (plan(("s1", ["s2"]), ("s2", ["s1"])), "the needs of the steps form a circle"),
        (plan(("s1", ["s2"]), ("s2", [])), "the last step, s2, gives the answer"),
        (plan(*DEEP), "the plan is deeper than 6 steps"),
        (plan(*[(f"s{n}", []) for n in range(9)]), "a plan has 1 to 8 steps, this one has 9"),
    ],
)
def test_bad_plans_say_what_to_mend(text, said):
    with pytest.raises(BadPlan) as caught:
        parse_plan(text)
    assert said in str(caught.value)
    assert len(str(caught.value)) <= 600


def test_the_last_step_also_gets_what_nobody_else_needs():
    parsed = parse_plan(plan(("s1", []), ("s2", []), ("s3", ["s1"])))
    assert parsed.final.needs == ("s1", "s2")


def test_a_plan_at_its_limits_is_good():
    assert len(parse_plan(plan(*DEEP[: limits.MAX_DEPTH])).steps) == limits.MAX_DEPTH
    wide = [(f"s{n}", []) for n in range(limits.MAX_STEPS - 1)]
    parsed = parse_plan(plan(*wide, ("end", [name for name, _ in wide])))
    assert parsed.final.id == "end"
    assert parse_plan(one(question="x" * limits.MAX_QUESTION_CHARS)).steps


@given(st.text(max_size=300) | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
def test_any_text_is_a_plan_or_a_bad_plan(text):
    with pytest.raises(BadPlan):
        parse_plan(text)


@given(st.randoms())
def test_the_scripted_planner_is_as_good_or_bad_as_it_means_to_be(random):
    order = Order(role="plan", question="q")
    assert parse_plan(good_plan(order, random)).steps
    with pytest.raises(BadPlan):
        parse_plan(bad_plan(random))


def test_a_direct_plan_is_one_step_with_the_whole_question():
    (step,) = direct_plan("What is 6 x 7?", "math").steps
    assert (step.id, step.question, step.needs, step.skill) == ("s1", "What is 6 x 7?", (), "math")


def test_the_schema_bounds_every_string_and_array():
    def check(schema) -> None:
        if schema.get("type") == "string":
            assert "enum" in schema or "maxLength" in schema
        if schema.get("type") == "array":
            assert "maxItems" in schema
            check(schema["items"])
        for inner in schema.get("properties", {}).values():
            check(inner)

    check(plan_schema(()))
    check(plan_schema(("math", "code")))


def test_the_grammar_and_the_schema_describe_the_same_plans() -> None:
    rules = read_grammar(plan_grammar(("math.sums", 'a "quoted" skill')))
    steps = [
        {"id": "s1", "question": "How many in all?", "needs": [], "skill": "math.sums"},
        {"id": "s2", "question": "And without ten?", "needs": ["s1"], "skill": "math.sums"},
        {"id": "s3", "question": "Is it even, then?", "needs": ["s1", "s2"], "skill": "math.sums"},
    ]

    def written(plan: object) -> str:
        return json.dumps(plan, separators=(",", ":"))

    check = Draft202012Validator(plan_schema(("math.sums", 'a "quoted" skill')))
    good = {"steps": steps}
    assert accepts(rules, written(good))
    assert check.is_valid(good)
    assert parse_plan(written(good)).final.id == "s3"
    assert accepts(rules, written({"steps": steps[:2]}))
    for bad in (
        {"steps": steps[:1]},
        {"steps": [steps[0], {**steps[1], "needs": ["s3"]}, steps[2]]},
        {"steps": [steps[0], {**steps[1], "skill": "other"}]},
        {"steps": [{**steps[0], "question": "short"}, steps[1]]},
    ):
        assert not accepts(rules, written(bad))
        assert not check.is_valid(bad)
    assert not accepts(rules, json.dumps(good))  # no room for white space
