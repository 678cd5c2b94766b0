"""Which world a scenario is run in."""

from __future__ import annotations

from symphony.testing.outcome import Observer, Report
from symphony.testing.scale import LargeWorld
from symphony.testing.scenario import Scenario
from symphony.testing.sim import World


def world_of(scenario: Scenario, observer: Observer | None = None) -> World:
    """The world of a scenario, not run yet."""
    return (LargeWorld if scenario.large else World)(scenario, observer)


def simulate(scenario: Scenario, observer: Observer | None = None) -> Report:
    """Run a scenario to its end."""
    return world_of(scenario, observer).run()
