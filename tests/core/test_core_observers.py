"""Observers see the ledger: nobody works for them, and they work for nobody."""

from core_stage import TASK, Stage, capability
from test_core_worker import WANTED, work_for

from ledger import Kind
from symphony.core import limits
from symphony.core.effects import Reject, StartWork
from symphony.core.ids import unit_id
from symphony.core.inputs import PeerUp
from symphony.core.messages import Beacon, Bids, Entries, UnitCall, Work
from symphony.core.records import AWARD
from symphony.core.records import TASK as TASK_ENTRY


def meets(stage, name, *, observer=True):
    stage.give(PeerUp(stage.peers[name].id, 2, observer=observer))


def test_an_observer_is_not_asked_for_bids_and_comes_back_as_a_member_that_is():
    stage = Stage(peers="ada bob")
    meets(stage, "ada")
    stage.submit()
    assert [bool(stage.sent(name, Beacon)) for name in ("ada", "bob")] == [False, True]
    meets(stage, "ada", observer=False)
    stage.wait(limits.BID_WINDOW_MS + limits.CALL_BACKOFF_MS)
    assert stage.sent("ada", Beacon)


def test_a_bid_of_who_became_an_observer_since_is_not_taken_and_wins_no_award():
    stage = Stage(peers="ada bob cid")
    stage.submit()
    stage.bid("ada")
    meets(stage, "ada")
    meets(stage, "bob")
    stage.bid("bob")
    stage.bid("cid")
    stage.wait(limits.BID_WINDOW_MS)
    [record] = [AWARD.decode(entry.body) for entry in stage.entries(Kind.AWARD)]
    assert record.awards[0].owner == stage.peers["cid"].id
    assert stage.peers["bob"].id not in {bid.owner for bid in record.awards[0].candidates}
    assert [len(stage.sent(name, Work)) for name in ("ada", "bob", "cid")] == [0, 0, 1]


def test_nobody_works_for_an_observer_which_is_no_reason_to_reject_it():
    stage = Stage(capability(), peers="ada bob")
    meets(stage, "ada")
    for name in ("ada", "bob"):
        peer = stage.peers[name].id
        call = UnitCall(unit_id(TASK, "step/0/s1"), WANTED)
        stage.heard(name, Beacon(bytes(16), TASK, peer, (call,), limits.BID_WINDOW_MS))
        stage.heard(name, work_for(stage, name))
        worked = name == "bob"
        assert bool(stage.sent(name, Bids)) == bool(stage.of(StartWork)) == worked
    assert stage.of(Reject) == []


def test_an_observer_is_no_steward():
    stage = Stage(capability(), peers="ada bob")
    for peer in stage.peers.values():
        entry = peer.declare(capability(box=bytes(32)))
        stage.heard(peer.name, Entries((entry.encode(),)))
    meets(stage, "ada")
    stage.submit(durable=True)
    [task] = [TASK_ENTRY.decode(entry.body) for entry in stage.entries(Kind.TASK)]
    assert task.stewards == (stage.peers["bob"].id,)
