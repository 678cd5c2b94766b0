"""Agents that pretend: they are met, they cost nobody a task, and older seeds stay as they were."""

from dataclasses import replace

import pytest

from symphony.core.spec import TaskSpec
from symphony.testing import NodeScript, Scenario, TaskScript, draw, run_seed
from symphony.testing.engines import AgentScript
from symphony.testing.hardships import harden
from symphony.testing.impostors import disguise

GOOD = AgentScript("solver", ("solve",), ("math",), "smol", right=1.0, latency_ms=300)
MARK = {"lying bidder": "lying bid", "copier": "copied answer", "sybil": "sybils agree"}


@pytest.mark.parametrize("pretence", sorted(MARK))
def test_each_of_them_is_met_and_every_task_is_answered(pretence):
    bad = NodeScript((replace(GOOD, right=0.0),), pretence=pretence)
    nodes = (NodeScript((GOOD,)), *[NodeScript((GOOD,))] * 2, *[bad] * 2)
    spec = TaskSpec("What is 6 x 7?", chains=5, skill="math", planning="never", rule="majority")
    tasks = [
        TaskScript(2_000 + 3_000 * n, 0, replace(spec, prompt=f"What is {n} x 7?"))
        for n in range(5)
    ]
    report = run_seed(Scenario(1, nodes, tuple(tasks), expect=(("answered", 5),)))
    assert report.violations == ()
    assert MARK[pretence] in report.marks


def test_a_disguise_changes_nothing_else_and_is_never_the_first_nodes():
    met = set()
    for seed in range(60):
        plain = harden(draw(seed))
        found = disguise(plain)
        bare = replace(found, nodes=tuple(replace(n, pretence="") for n in found.nodes))
        assert replace(bare, kinds=plain.kinds) == plain
        assert not found.nodes[0].pretence
        for node in found.nodes:
            met.add(node.pretence)
            assert not (node.pretence and node.mischief)
    assert met == {"", *MARK}
