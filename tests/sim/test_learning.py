"""Experience in whole swarms: what a restart learns from the log is what was learned live."""

from itertools import islice

from symphony.core.beacon.experience import LEARNED_FROM, Experience
from symphony.testing.scenario import draw
from symphony.testing.sim import World


def relearned(machine):
    machine.disk.commit()
    own = machine.disk.store.range(machine.id, 1, 2**40, 2**40)
    experience = Experience()
    experience.learn(entry for entry in own if entry.kind in LEARNED_FROM)
    return experience


def test_a_restart_learns_from_the_log_what_the_tasks_taught():
    known = restarts = 0
    crashing = (seed for seed in range(99) if "crash" in draw(seed).kinds)
    for seed in islice(crashing, 5):
        world = World(draw(seed, tasks=6))
        assert not world.run().violations
        for machine in world.machines:
            live, again = machine.swarm.experience, relearned(machine)
            assert live._agents == again._agents
            assert live._skills == again._skills
            assert live._awards == again._awards
            known += len(list(live))
            restarts += machine.incarnation > 1 and len(list(live)) > 0
    assert known > 20
    assert restarts
