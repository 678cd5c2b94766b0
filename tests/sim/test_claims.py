"""An agent whose record carries a vector that is not of its words is found out, and left out."""

from dataclasses import replace

from symphony.core.effects import Tell
from symphony.core.events import ClaimRefuted, UnitAwarded
from symphony.core.spec import TaskSpec
from symphony.testing import NodeScript, Scenario, TaskScript
from symphony.testing.engines import AgentScript
from symphony.testing.worlds import simulate

GOOD = AgentScript("solver", ("solve",), ("math",), "smol", right=1.0, latency_ms=300)
POSER = AgentScript(
    "poser", ("solve",), ("cooking",), "smol", right=0.0, latency_ms=300, poses_as="math"
)


class Witness:
    """Notes who was awarded work at the first node, and what that node does not believe."""

    def __init__(self) -> None:
        self.owners, self.refuted = [], []

    def handled(self, now_ms, node, happened, effects):
        for effect in effects:
            match effect:
                case Tell(UnitAwarded() as award) if node == 0:
                    self.owners.append((award.task, award.agent))
                case Tell(ClaimRefuted(_, agent, skill)) if node == 0:
                    self.refuted.append((agent, skill))

    def noted(self, now_ms, text):
        pass


def a_run(*agents: AgentScript, encoder=True, tasks=4):
    nodes = (NodeScript(()), *(NodeScript((agent,)) for agent in agents))
    spec = TaskSpec("?", chains=1, skill="math", planning="never", selection="match")
    scripts = [
        TaskScript(2_000 + 3_000 * n, 0, replace(spec, prompt=f"What is {n} x 7?"))
        for n in range(tasks)
    ]
    witness = Witness()
    script = Scenario(1, nodes, tuple(scripts), encoder=encoder)
    assert simulate(script, witness).violations == ()
    return witness


def test_it_wins_nothing_once_its_words_were_read():
    seen = a_run(POSER, GOOD)
    assert [agent for _, agent in seen.owners][1:] == ["solver"] * 3
    assert seen.refuted == [("poser", "cooking")]


def test_it_may_still_work_when_nobody_else_can():
    seen = a_run(POSER)
    assert [agent for _, agent in seen.owners] == ["poser"] * 4
    assert seen.refuted == [("poser", "cooking")]


def test_who_says_what_it_means_is_believed():
    assert not a_run(GOOD, replace(GOOD, name="cook", skills=("cooking",))).refuted


def test_without_an_encoder_words_count_and_nothing_is_claimed():
    seen = a_run(POSER, GOOD, encoder=False)
    assert [agent for _, agent in seen.owners] == ["solver"] * 4
    assert not seen.refuted
