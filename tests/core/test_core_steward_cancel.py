"""Cancelling a durable task at a node that only keeps it."""

from dataclasses import replace

import pytest
from test_core_stewards import AT_MS, NODES, SPEC

from symphony.core.effects import Reject
from symphony.core.inputs import Cancel, Heard
from symphony.core.messages import CancelAsked
from symphony.testing import Scenario, TaskScript
from symphony.testing.faults import Action, Lose, Split
from symphony.testing.sim import World

SLOW = tuple(replace(node, agents=(replace(node.agents[0], latency_ms=20_000),)) for node in NODES)
SCRIPT = TaskScript(AT_MS, 0, replace(SPEC, planning="never"))


class Cancelled:
    """A world in which a client cancels at the first steward, two seconds after the start."""

    def __init__(self, *actions: Action) -> None:
        kinds = frozenset({"durable", "partition"})
        scenario = Scenario(1, SLOW, (SCRIPT,), actions=actions, kinds=kinds, faults_ms=60_000)
        self.world = World(scenario)
        self.steward = None
        self.world.at(AT_MS + 300, self._find)
        self.world.at(AT_MS + 2_000, self._cancel)

    @property
    def task(self):
        return next(iter(self.world.checks.tasks))

    def _find(self) -> None:
        charge = self.world.machines[0].swarm.conductor.stewarding.keeping.charge(self.task)
        self.steward = self.world.machines[self.world.index_of[charge.line[1]]]

    def _cancel(self) -> None:
        self.steward.give(Cancel(self.task))

    def run(self):
        """What was told of the end, and when, in ms after the task began."""
        report = self.world.run()
        assert report.violations == ()
        (watch,) = self.world.checks.tasks.values()
        return {event.outcome for event in watch.ended}, watch.ended_ms - AT_MS, watch, report


def test_whoever_conducts_ends_the_task():
    outcomes, after_ms, watch, report = Cancelled().run()
    assert outcomes == {"cancelled"}
    assert after_ms < 3_000
    assert len(watch.verdicts) == 1
    assert report.counts["sent cancel_asked"] == 2


@pytest.mark.parametrize("noticed", [True, False])
def test_a_conductor_that_did_not_hear_it_is_told_again(noticed):
    cut = Split(AT_MS + 1_500, frozenset({0}), True, 6_000, noticed=noticed)
    outcomes, after_ms, _, _ = Cancelled(cut).run()
    assert outcomes == {"cancelled"}
    assert after_ms < 20_000


def test_a_steward_that_takes_over_cancels_at_once():
    outcomes, after_ms, _, report = Cancelled(Lose(AT_MS + 1_500, 0)).run()
    assert outcomes == {"cancelled"}
    assert "task taken over" in report.marks
    assert after_ms < 30_000  # its solvers alone would take 40 s more


def test_who_is_not_of_the_line_cancels_nothing():
    wish = Cancelled()
    found = []

    def meddle() -> None:
        conductor = wish.world.machines[0]
        charge = conductor.swarm.conductor.stewarding.keeping.charge(wish.task)
        stranger = next(m for m in wish.world.machines if m.id not in charge.line)
        heard = Heard(stranger.id, CancelAsked(wish.task))
        found.extend(conductor.swarm.handle(conductor.local_ms(wish.world.now_ms), heard))
        found.append(wish.task in conductor.swarm.conductor.runs)

    wish.world.at(AT_MS + 1_000, meddle)
    wish.run()
    assert isinstance(found[0], Reject)
    assert found[-1] is True
