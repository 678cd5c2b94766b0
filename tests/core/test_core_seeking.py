"""Who is sought: agents that would do better than those at hand, and no others."""

from typing import Any

from core_stage import Peer, Stage, capability

from symphony.core import limits
from symphony.core.effects import Meet
from symphony.core.inputs import PeerUp
from symphony.core.messages import Beacon, Entries
from symphony.core.peers.presence import Mention, Presence, Seek
from symphony.core.records import Skill

LAW = (Skill("law", "reads contracts"),)


def a_stage(far="", peers="ann ben", skills=LAW, **changes: Any):
    """A node, its peers who can do sums, and others that only the ledger knows."""
    stage = Stage(capability("mine", roles=("judge",)), peers=peers)
    for name in far.split():
        stage.peers[name] = Peer(name, stage.keys)
        entry = stage.peers[name].declare(capability(skills=skills, **changes))
        stage.heard("ann", Entries((entry.encode(),)))
        mention = Mention(stage.peers[name].id, f"/{name}")
        stage.heard("ann", Presence(1, 0, 0, 2, ("/ann",), (mention,)))
    stage.effects.clear()
    return stage


def sought(stage):
    return {stage.name(effect.peer) for effect in stage.of(Meet) if effect.wanted}


def test_whoever_has_the_rare_skill_is_sought_and_the_call_goes_on_without():
    stage = a_stage("eve")
    stage.submit(skill="law")
    assert sought(stage) == {"eve"}
    assert stage.sent("ann", Beacon)
    assert stage.sent("ben", Beacon)


def test_nobody_is_sought_who_does_no_better_or_whom_the_task_may_not_reach():
    stage = a_stage("eve")
    stage.submit(skill="math")  # eve fits, and knows nothing of it
    assert not sought(stage)
    stage = a_stage("eve")
    stage.submit(skill="law", privacy="local")
    assert not sought(stage)
    stage = a_stage("eve", roles=("judge",))
    stage.submit(skill="law")
    assert not sought(stage)


def test_with_eight_at_hand_that_are_as_good_nobody_is_sought():
    names = " ".join(f"peer{number}" for number in range(limits.ASKED_BY_MATCH - 2))
    stage = a_stage("eve", peers=f"ann ben {names}", skills=capability().skills)
    stage.submit(skill="math")
    assert not sought(stage)


def test_of_many_the_same_few_are_sought_and_once():
    far = " ".join(f"far{number}" for number in range(9))
    stage = a_stage(far)
    stage.submit(skill="law", chains=3)
    first = sought(stage)
    assert len(first) == limits.SOUGHT
    assert len([effect for effect in stage.of(Meet) if effect.wanted]) == limits.SOUGHT
    other = a_stage(far)
    other.submit(skill="law")
    assert sought(other) == first


def test_if_nobody_at_hand_can_do_it_each_call_seeks_through_peers():
    stage = a_stage("eve", roles=("solve", "judge"), context_tokens=32_000)
    stage.swarm.members._addresses = ("/me",)
    stage.submit("word " * 9_000, skill="law")
    assert sought(stage) == {"eve"}
    stage.wait(5_000)
    seeks = {seek.number for name in ("ann", "ben") for seek in stage.sent(name, Seek)}
    assert 2 <= len(seeks) <= limits.MAX_CALLS_PER_UNIT
    assert {seek.nodes for seek in stage.sent("ann", Seek)} == {(stage.peers["eve"].id,)}


def test_once_it_is_connected_it_is_asked():
    stage = a_stage("eve")
    stage.submit(skill="law")
    stage.give(PeerUp(stage.peers["eve"].id, 1))
    stage.wait(1_000)  # nobody bid, and there is another call
    assert stage.sent("eve", Beacon)
