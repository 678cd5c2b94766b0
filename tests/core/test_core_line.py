"""Who keeps a durable task: any two, and not two of one operator where there are others."""

from hypothesis import given, settings
from hypothesis import strategies as st

from symphony.core import limits
from symphony.core.ids import NodeId, TaskId
from symphony.core.stewards.line import choose_stewards

ME = NodeId(bytes(32))
OPERATORS = st.lists(st.sampled_from(["", "alice", "bob", "carol"]), max_size=6)


@settings(max_examples=200)
@given(OPERATORS, st.sampled_from(["", "alice"]), st.binary(min_size=16, max_size=16))
def test_the_line_of_a_task_has_as_many_operators_as_there_can_be(operators, mine, task):
    nodes = [NodeId(bytes([at + 1]) * 32) for at in range(len(operators))]
    run_by = dict(zip(nodes, operators, strict=True)) | {ME: mine}
    able = {node: b"key of " + node for node in nodes}
    chosen = choose_stewards(able, TaskId(task), run_by.__getitem__, ME)
    assert chosen == [(node, able[node]) for node, _ in chosen]
    assert len(chosen) == len(dict(chosen)) == min(limits.STEWARDS, len(nodes))
    names = [run_by[node] for node, _ in chosen]
    different = len({name for name in names if name} - {mine}) + names.count("")
    possible = len({name for name in operators if name} - {mine}) + operators.count("")
    assert different == min(possible, limits.STEWARDS)


def test_equally_good_stewards_are_drawn_by_the_task():
    able = {NodeId(bytes([at]) * 32): b"key" for at in range(1, 5)}
    lines = {
        tuple(node for node, _ in choose_stewards(able, TaskId(bytes([at]) * 16), lambda _: "", ME))
        for at in range(40)
    }
    assert len({node for line in lines for node in line}) == 4
