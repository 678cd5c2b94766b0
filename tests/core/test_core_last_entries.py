"""Peers that start again are shown the end of their logs, from memory or from the store."""

from random import Random

from core_stage import SWARM, Stage
from test_core_own_log import told

from ledger import Kind
from symphony.core.effects import LookUp
from symphony.core.inputs import LookedUp, PeerUp
from symphony.core.messages import Entries, HeadAsked, HeadTold
from symphony.core.swarm import Swarm


def test_an_entry_that_waits_behind_a_gap_is_told_of_as_well():
    stage = Stage(peers="anna")
    anna = stage.peers["anna"]
    made = [anna.entry(Kind.RESULT, b"%d" % number) for number in range(3)]
    stage.heard("anna", Entries((made[2].encode(),)))
    stage.heard("anna", HeadAsked(1, stage.capabilities["anna"].id))
    assert stage.sent("anna", HeadTold) == [told(made[2])]


def test_of_a_log_that_rested_since_the_start_the_store_tells_the_end():
    stage = Stage(peers="anna bob")
    anna = stage.peers["anna"].id
    last = stage.capabilities["anna"]
    heads = stage.swarm.journal.book.heads().values()
    stage.swarm = Swarm(stage.signer, stage.keys.verify, SWARM, Random(8), list(heads))
    stage.give_nothing()
    stage.give(PeerUp(anna, 1))
    stage.effects.clear()
    for _ in range(3):
        stage.heard("anna", HeadAsked(0, bytes(32)))
    [wanted] = stage.of(LookUp)
    assert (wanted.peer, wanted.claim) == (anna, last.head)
    assert not stage.sent("anna", HeadTold)
    stage.give(LookedUp(anna, wanted.claim, None, None))
    stage.heard("anna", HeadAsked(0, bytes(32)))
    stage.give(LookedUp(anna, wanted.claim, last, None))
    assert stage.sent("anna", HeadTold) == [told(last)]
    newer = stage.peers["anna"].entry(Kind.RESULT, b"newer")
    stage.heard("anna", HeadAsked(0, bytes(32)))
    stage.heard("anna", Entries((newer.encode(),)))
    stage.give(LookedUp(anna, wanted.claim, last, None))
    assert stage.sent("anna", HeadTold)[1:] == [told(newer)]
