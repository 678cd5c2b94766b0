"""Bids: what counts, what is left out, and how big an award entry may get."""

from dataclasses import replace
from typing import Any

from core_stage import Stage, capability

from ledger import Kind
from symphony.core import limits, messages
from symphony.core.beacon.awards import tokens_needed
from symphony.core.events import TaskEnded, UnitAwarded
from symphony.core.messages import Beacon, Bid, Bids, Entries, Order, Quote, Work
from symphony.core.records import AWARD, Skill


def test_a_call_closes_when_all_asked_have_answered():
    stage = Stage(peers="ada bob")
    stage.submit()
    stage.bid("ada")
    assert not stage.told(UnitAwarded)
    stage.bid("bob")
    assert stage.told(UnitAwarded)


def test_a_call_closes_when_its_window_ends():
    stage = Stage(peers="ada bob")
    stage.submit()
    stage.bid("ada")
    stage.wait(limits.BID_WINDOW_MS - 1)
    assert not stage.told(UnitAwarded)
    stage.wait(1)
    assert [award.bids for award in stage.told(UnitAwarded)] == [1]


def test_a_refusal_to_bid_keeps_nobody_waiting():
    stage = Stage(peers="ada bob")
    stage.submit()
    no = Bids(stage.sent("bob", Beacon)[0].beacon, ())
    stage.heard("bob", no)
    stage.bid("ada")
    assert stage.told(UnitAwarded)


def test_at_most_ten_nodes_are_asked():
    stage = Stage(peers=" ".join(f"p{n}" for n in range(20)))
    stage.submit()
    asked = [name for name in stage.peers if stage.sent(name, Beacon)]
    assert len(asked) == limits.ASKED_BY_MATCH + limits.ASKED_AT_RANDOM


def spoilt(stage, **changes: Any):
    """A signed bid of ada's with some fields changed."""
    beacon = stage.sent("ada", Beacon)[-1]
    honest = stage.peers["ada"].bids(beacon, stage.capabilities["ada"])
    bids = tuple(replace(bid, **changes) for bid in honest.bids)
    return replace(honest, bids=bids)


def test_bids_that_stand_on_nothing_are_left_out():
    for changes in ({"capability": bytes(32)}, {"agent": "other"}, {"unit": bytes(16)}):
        stage = Stage(peers="ada bob")
        stage.submit()
        stage.heard("ada", spoilt(stage, **changes))
        stage.bid("bob")
        assert [award.bids for award in stage.told(UnitAwarded)] == [1]


def test_a_bid_on_somebody_elses_capability_is_left_out():
    stage = Stage(peers="ada bob")
    stage.submit()
    stage.heard("ada", spoilt(stage, capability=stage.capabilities["bob"].id))
    stage.bid("bob")
    assert stage.name(stage.told(UnitAwarded)[0].owner) == "bob"


def test_an_ineligible_agent_never_wins_whatever_it_bids():
    """Found by reading: its win broke the privacy class, and the receipt did not verify."""
    stage = Stage(peers="ada bob")
    planner = stage.peers["ada"].declare(
        capability("planner", roles=("plan",), skills=(Skill("math", "adds numbers"),))
    )
    stage.heard("ada", Entries((planner.encode(),)))
    stage.submit()
    stage.heard("ada", spoilt(stage, capability=planner.id, agent="planner", free=99))
    stage.bid("bob")
    assert stage.name(stage.told(UnitAwarded)[0].owner) == "bob"


def test_one_agent_bids_once_and_one_node_a_few_times():
    stage = Stage(peers="ada bob")
    stage.submit()
    honest = stage.peers["ada"].bids(stage.sent("ada", Beacon)[0], stage.capabilities["ada"])
    many = replace(honest, bids=honest.bids * 20)
    stage.heard("ada", many)
    stage.bid("bob")
    assert [award.bids for award in stage.told(UnitAwarded)] == [2]


def test_bids_in_the_name_of_somebody_else_are_left_out():
    stage = Stage(peers="ada bob")
    stage.submit()
    beacon = stage.sent("ada", Beacon)[-1]
    stage.heard("ada", stage.peers["bob"].bids(beacon, stage.capabilities["bob"]))
    stage.bid("bob")
    assert [award.bids for award in stage.told(UnitAwarded)] == [1]


def test_bids_of_a_stranger_or_for_an_unknown_beacon_mean_nothing():
    stage = Stage(peers="ada bob")
    stage.submit()
    unknown = Bids(bytes(16), (Bid(bytes(16), "solver", bytes(32), 1, 0, 0),))
    before = len(stage.effects)
    stage.heard("ada", unknown)
    assert len(stage.effects) == before


def test_the_work_of_many_bidders_with_long_names_is_split_over_entries():
    """Found by reading: four awards with many bids pass the ledger's 16 KiB, and the core died."""
    stage = Stage(peers="ada bob cyd")
    listed = {"ada": [], "bob": [], "cyd": []}
    for name, count in (("ada", 3), ("bob", 3), ("cyd", 4)):
        for number in range(count):
            agent = f"{number}".ljust(64, "\N{MUSICAL KEYBOARD}")
            entry = stage.peers[name].declare(capability(agent))
            stage.heard(name, Entries((entry.encode(),)))
            listed[name].append((agent, entry.id))
    stage.submit(chains=4, skill="é" * limits.MAX_SKILL_CHARS)
    for name, offers in listed.items():
        beacon = stage.sent(name, Beacon)[-1]
        bids = tuple(
            Bid(call.unit, agent, entry_id, 2, 0, 0)
            for call in beacon.calls
            for agent, entry_id in offers
        )
        stage.heard(name, Bids(beacon.beacon, bids))
    counts = [len(AWARD.decode(entry.body).awards) for entry in stage.entries(Kind.AWARD)]
    assert sum(counts) == 4
    assert len(counts) == 2


def test_work_with_many_long_quotes_still_fits_a_frame():
    """Found by reading: seven outputs of 64 KiB made a frame that nobody could read."""
    from symphony.core.inputs import Submit
    from symphony.core.owner.orders import order_for
    from symphony.core.spec import TaskSpec
    from symphony.core.tasks.plan import Step
    from symphony.core.tasks.task_run import Chain, TaskRun
    from symphony.core.tasks.unit import Unit

    stage = Stage(capability())
    stage.submit()
    award = AWARD.decode(stage.entries(Kind.AWARD)[0].body).awards[0]
    ids = tuple(f"s{n}" for n in range(1, limits.MAX_STEPS))
    spec = TaskSpec("x" * limits.MAX_PROMPT_BYTES)
    submit = Submit(b"t" * 16, b"s" * 16, spec)
    run = TaskRun(submit.task, submit.salt, spec, 0, [Chain(0)])
    for step_id in ids:
        step = Step(step_id, "q" * limits.MAX_QUESTION_CHARS, (), "math")
        unit = run.add_unit(Unit(run.task, f"step/0/{step_id}", 0, "solve", "math", step))
        unit.output, unit.award = "€" * (limits.MAX_OUTPUT_BYTES // 3), award
    final = Unit(run.task, "step/0/s8", 0, "solve", "math", Step("s8", "q", ids, "math"))
    run.chains[0].final = run.add_unit(final)
    order = order_for(run, final)
    work = Work(bytes(16 * 1024), final.id, 1, order, b"s" * 16, 1000)
    assert messages.decode(messages.encode(work)) == work


def test_tokens_are_reserved_for_all_that_the_owner_reads_and_writes():
    quote = Quote("s1", "q", bytes(32), "x" * 300)
    order = Order(role="solve", question="x" * 30, goal="x" * 60, quotes=(quote,), max_tokens=64)
    assert tokens_needed(order) == 390 // 3 + 200 + 64


def test_one_node_that_fails_again_and_again_is_one_node():
    """It was told as three owners that failed, where one was there."""
    stage = Stage(capability())
    stage.submit()
    for _ in range(limits.MAX_ATTEMPTS):
        stage.fail("out of memory")
    tries = f"{limits.MAX_ATTEMPTS} tries on one node failed"
    assert stage.told(TaskEnded)[-1].message == f"step/0/s1: {tries}, the last: out of memory"
