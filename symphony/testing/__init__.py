"""Test tools that ship: a deterministic simulator of whole swarms, and an engine that echoes.

`draw(seed)` makes a scenario of tasks, `draw_storm(seed)` one that is hard on ledgers;
`simulate(scenario)` runs it and reports what was violated; the
command `symphony sim` runs many. Write a `Scenario` by hand to test an idea of your own.

The names load when they are first used: the echo server, which needs none of them, starts in a
third of the time.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from symphony.testing.batch import Summary as Summary
    from symphony.testing.batch import run_batch as run_batch
    from symphony.testing.batch import run_seed as run_seed
    from symphony.testing.outcome import Report as Report
    from symphony.testing.scenario import NodeScript as NodeScript
    from symphony.testing.scenario import Scenario as Scenario
    from symphony.testing.scenario import TaskScript as TaskScript
    from symphony.testing.scenario import draw as draw
    from symphony.testing.scenario_file import read_scenario as read_scenario
    from symphony.testing.sim import World as World
    from symphony.testing.storm import draw_storm as draw_storm
    from symphony.testing.story import tell as tell
    from symphony.testing.wish import Wish as Wish
    from symphony.testing.worlds import simulate as simulate
else:
    from symphony.late import late

    _HOMES = {
        "Summary": "symphony.testing.batch",
        "run_batch": "symphony.testing.batch",
        "run_seed": "symphony.testing.batch",
        "NodeScript": "symphony.testing.scenario",
        "Scenario": "symphony.testing.scenario",
        "TaskScript": "symphony.testing.scenario",
        "draw": "symphony.testing.scenario",
        "read_scenario": "symphony.testing.scenario_file",
        "Report": "symphony.testing.outcome",
        "World": "symphony.testing.sim",
        "draw_storm": "symphony.testing.storm",
        "tell": "symphony.testing.story",
        "Wish": "symphony.testing.wish",
        "simulate": "symphony.testing.worlds",
    }
    __all__ = tuple(_HOMES)
    __getattr__, __dir__ = late(__name__, _HOMES)
