"""Large swarms: what they share changes nothing, and a task costs the same in all of them."""

import random
from dataclasses import replace

import pytest

from ledger import Kind, MemoryStore, seal
from symphony.core import limits
from symphony.core.peers.introducing import Introducing
from symphony.core.spec import TaskSpec
from symphony.testing import (
    NodeScript,
    Scenario,
    Summary,
    TaskScript,
    Wish,
    run_seed,
    simulate,
)
from symphony.testing.engines import AgentScript
from symphony.testing.scale import SETTLED_MS, LargeWorld
from symphony.testing.shared_ledger import LayeredStore
from symphony.testing.signing import FastKeys

SWARM = bytes(32)


def measured(nodes, tasks=4):
    report = run_seed(Wish("scale", nodes=nodes, tasks=tasks).draw(0))
    assert report.violations == ()
    summary = Summary()
    summary.add(report)
    assert report.counts["tasks answered"] == tasks
    return summary.as_json(1.0)


def test_a_task_costs_the_same_in_small_and_large_swarms():
    small, large = measured(40), measured(130)
    assert large["messages_per_unit"] <= 1.25 * small["messages_per_unit"]
    for said in (small, large):
        assert said["messages_per_unit"] <= 40
        assert said["bids_per_unit"] <= 16
        assert said["award_ms_p99"] <= 3 * 13 + 20  # a round trip takes 13 ms on the average


def a_rare_skill(nodes, rare, seed=1):
    """Four tasks of one node, for a skill that few have, none of them connected to it."""
    common = AgentScript("judge", ("judge",), ("math",), "smol", latency_ms=300)
    lawyer = AgentScript("lawyer", ("solve",), ("facts",), "smol", latency_ms=300)
    spec = TaskSpec("What is 6 x 7?", skill="facts", chains=1, planning="never")
    tasks = tuple(TaskScript(SETTLED_MS + 5_000 * n, 0, spec) for n in range(4))
    scripts = [NodeScript((common,))] * nodes
    scenario = Scenario(seed, tuple(scripts), tasks, faults_ms=SETTLED_MS + 20_000, large=True)
    near = LargeWorld(scenario).neighbours(LargeWorld(scenario).machines[0])
    far = set(range(1, nodes)) - {machine.index for machine in near}
    for index in random.Random(seed).sample(sorted(far), rare):
        scripts[index] = NodeScript((lawyer,))
    return replace(scenario, nodes=tuple(scripts))


def test_who_has_a_rare_skill_is_found_at_the_same_cost_in_swarms_of_all_sizes(monkeypatch):
    sought = []
    for nodes in (40, 300):
        report = simulate(a_rare_skill(nodes, rare=4))
        assert report.violations == ()
        assert report.counts["tasks answered"] == 4
        assert "introduced" in report.marks
        assert report.counts["sent beacon"] <= 4 * 4
        sought.append(report.counts["sent seek"])
    assert max(sought) <= limits.SEEK_MESSAGES
    monkeypatch.setattr(Introducing, "heard", lambda self, peer, seek: None)
    assert "tasks answered" not in simulate(a_rare_skill(40, rare=4)).counts


def test_a_large_world_is_a_function_of_its_seed():
    scenario = Wish("scale", nodes=30, tasks=1).draw(5)
    assert simulate(scenario).digest == simulate(scenario).digest


def test_newcomers_and_news_reach_everybody_in_the_end(monkeypatch):
    """And if neither gossip nor comparing heads works, that is noticed."""
    from symphony.core.logs.replication import Replication

    scenario = Wish("scale", nodes=50, tasks=1).draw(0)
    assert sum(node.newcomer for node in scenario.nodes) == 1
    assert LargeWorld(scenario).run().violations == ()
    deaf = LargeWorld(scenario)
    monkeypatch.setattr(deaf, "gossip_until", lambda: 0)
    monkeypatch.setattr(Replication, "compare", lambda self, alive: None)
    assert "ledgers that differ" in " ".join(deaf.run().violations)


def test_who_was_there_before_writes_nothing_when_it_starts():
    world = LargeWorld(Wish("scale", nodes=60, tasks=0).draw(0))
    assert world.run().violations == ()
    told = {source.index for source, _ in world._gossip}
    assert told == {node for node, script in enumerate(world.scenario.nodes) if script.newcomer}


def a_log(signer, length, head=None):
    entries = []
    for _ in range(length):
        hlc = head.hlc + 1 if head else 1 << 40
        entry = seal(signer, SWARM, head, kind=Kind.CAPABILITY, body=b"x", hlc=hlc, expires=None)
        head = entry.head
        entries.append(entry)
    return entries


@pytest.mark.parametrize("seed", range(5))
def test_a_layered_store_is_like_a_copy(seed):
    dice, keys = random.Random(seed), FastKeys()
    signers = [keys.signer(bytes([n]) * 32) for n in range(4)]
    logs = [a_log(signer, 6) for signer in signers]
    common = MemoryStore(SWARM)
    cuts = [dice.randrange(0, 5) for _ in logs]
    first = [entry for log, cut in zip(logs, cuts, strict=True) for entry in log[:cut]]
    common.append(first)
    before = common.entries(limit=100)
    copy = MemoryStore(SWARM)
    copy.append(first)
    layered = LayeredStore(SWARM, common)
    for log, cut in zip(logs, cuts, strict=True):
        until = dice.randrange(cut, 7)
        for store in (copy, layered):
            store.append(log[:until])
    assert layered.heads() == copy.heads()
    assert layered.entries(limit=100) == copy.entries(limit=100)
    assert layered.entries(limit=3, after=2) == copy.entries(limit=3, after=2)
    assert layered.by_kind(Kind.CAPABILITY, limit=100) == copy.by_kind(Kind.CAPABILITY, limit=100)
    for signer in signers:
        assert layered.ids(signer.public, 1, 9) == copy.ids(signer.public, 1, 9)
        assert layered.range(signer.public, 2, 5, 10_000) == copy.range(signer.public, 2, 5, 10_000)
        assert layered.rowid(signer.public, 1) == copy.rowid(signer.public, 1)
    assert list(layered.verify_all(keys.verify)) == []
    assert common.entries(limit=100) == before
    assert LayeredStore(SWARM, common).heads() == common.heads()
