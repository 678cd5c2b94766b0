"""Awards that are written ahead: the next step starts without an election and without a commit."""

import json

import pytest
from core_stage import Stage, capability

from ledger import Kind
from symphony.core import limits
from symphony.core.effects import Append, Send
from symphony.core.events import TaskEnded, UnitAwarded
from symphony.core.inputs import PeerDown
from symphony.core.messages import Beacon, Work
from symphony.core.records import AWARD

PLAN = json.dumps(
    {
        "steps": [
            {"id": "s1", "question": "What is 6?", "needs": [], "skill": "math"},
            {"id": "s2", "question": "What is 6 x 7?", "needs": ["s1"], "skill": "math"},
        ]
    }
)


@pytest.fixture
def stage():
    """The first step is being worked on, and the second is awarded to the other peer."""
    stage = Stage(capability("planner", roles=("plan",)), peers="ada bob")
    stage.submit(planning="always")
    stage.finish(PLAN)
    bid_both(stage)
    stage.wait(limits.LOOK_AHEAD_MS)
    first = owner_of(stage, awards(stage)[1])
    stage.bid(first)
    stage.bid({"ada": "bob", "bob": "ada"}[first], free=9)
    return stage


def bid_both(stage):
    stage.bid("ada")
    stage.bid("bob")


def awards(stage):
    bodies = [AWARD.decode(entry.body) for entry in stage.entries(Kind.AWARD)]
    return [award for body in bodies for award in body.awards]


def owner_of(stage, award):
    return next(name for name, peer in stage.peers.items() if peer.id == award.owner)


def finish_first_step(stage):
    """The effects of the result that the second step waited for."""
    (first,) = [entry for entry in stage.entries(Kind.AWARD) if "s1" in names(entry)]
    name = owner_of(stage, awards(stage)[1])
    return stage.done(name, "6", award=first.id)


def names(entry):
    return "".join(award.name for award in AWARD.decode(entry.body).awards)


def test_the_award_of_the_next_step_is_written_while_its_needs_are_worked_on(stage):
    assert [award.name for award in awards(stage)] == ["plan/0", "step/0/s1", "step/0/s2"]
    assert [award.unit for award in stage.told(UnitAwarded)] == ["plan/0", "step/0/s1"]
    assert sum(len(stage.sent(name, Work)) for name in stage.peers) == 1


def test_its_work_leaves_without_waiting_for_anything_of_ours(stage):
    effects = finish_first_step(stage)
    appended = [entry for e in effects if isinstance(e, Append) for entry in e.entries]
    assert all(entry.author != stage.me for entry in appended)
    (work,) = [e.message for e in effects if isinstance(e, Send) and isinstance(e.message, Work)]
    assert (work.epoch, work.order.quotes[0].text) == (1, "6")
    second = awards(stage)[2]
    stage.done(owner_of(stage, second), "ANSWER: 42")
    assert stage.told(TaskEnded)[0].answer == "42"


def test_if_its_owner_is_gone_the_next_bidder_gets_the_next_epoch(stage):
    ahead = awards(stage)[2]
    lost, other = owner_of(stage, ahead), {"ada": "bob", "bob": "ada"}[owner_of(stage, ahead)]
    first_owner = owner_of(stage, awards(stage)[1])
    stage.give(PeerDown(stage.peers[lost].id))
    if first_owner == lost:  # then the first step was given away as well
        stage.done(other, "6")
    else:
        finish_first_step(stage)
    work = stage.sent(other, Work)[-1]
    assert (work.unit, work.epoch) == (ahead.unit, 2)
    stage.done(other, "ANSWER: 42")
    assert stage.told(TaskEnded)[0].answer == "42"


def test_if_the_bids_are_old_there_is_a_new_call(stage):
    asked = {name: len(stage.sent(name, Beacon)) for name in stage.peers}
    stage.now_ms += limits.BID_LIFETIME_MS + 1  # and no timer fires: the owner renewed its lease
    finish_first_step(stage)
    for name in stage.peers:
        assert len(stage.sent(name, Beacon)) == asked[name] + 1
        stage.bid(name)
    last = awards(stage)[-1]
    assert (last.name, last.epoch) == ("step/0/s2", 2)
