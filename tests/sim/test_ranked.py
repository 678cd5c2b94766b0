"""Judges and a conductor that dies while they are at work: the comparisons go on, or are missed."""

from dataclasses import replace
from random import Random

import pytest

from symphony.testing.faults import Crash
from symphony.testing.scenario import Scenario, draw
from symphony.testing.sim import World


def judged(seed: int) -> Scenario:
    """A scenario whose tasks are all under `ranked`, and whose conductors all die and come back."""
    random, plain = Random(seed), draw(seed, loss=0.0)
    nodes = tuple(
        replace(
            node,
            agents=tuple(
                replace(agent, roles=("solve", "judge"), right=0.5, latency_ms=300)
                if "solve" in agent.roles
                else agent
                for agent in node.agents
            ),
        )
        for node in plain.nodes
    )
    ranked = {"rule": "ranked", "chains": 5, "skill": "", "privacy": "swarm", "planning": "never"}
    tasks = tuple(
        replace(
            task,
            cancel_after_ms=None,
            spec=replace(task.spec, **ranked, alpha_ppm=0, deadline_ms=30_000),
        )
        for task in plain.tasks
    )
    crashes = tuple(
        Crash(task.at_ms + random.randrange(600, 3500), task.node, random.randrange(500, 3000))
        for task in tasks
    )
    return replace(plain, nodes=nodes, tasks=tasks, actions=crashes)


@pytest.mark.parametrize("seed", [1003, 1004, 1007])
def test_a_conductor_dies_while_judges_are_at_work(seed: int) -> None:
    report = World(judged(seed)).run()
    assert not report.violations
    assert {"answers compared", "task resumed", "answered"} <= report.marks
