"""Presence: bounded by the connections of a node, and how those that share a peer meet."""

from core_stage import Peer, Stage, capability

from symphony.core import limits
from symphony.core.effects import Meet, Publish
from symphony.core.peers.presence import Mention, Presence

NAMES = "ann ben cat dan eve fay"


def at(name):
    return f"/ip4/10.0.0.1/tcp/4001/p2p/{name}"


def a_stage(peers=NAMES):
    """A node whose peers have said where they can be dialled, in this order."""
    stage = Stage(capability(), peers=peers)
    for name in peers.split():
        stage.heard(name, Presence(1, 0, 0, 2, (at(name),)))
    return stage


def test_a_word_of_presence_goes_to_each_peer_and_to_nobody_else():
    stage = a_stage()
    stage.wait(limits.PRESENCE_EVERY_MS * 6 // 5)
    assert {len(stage.sent(name, Presence)) for name in stage.peers} <= {1, 2, 3}
    assert all(effect.topic == "entries" for effect in stage.of(Publish))


def test_it_mentions_the_latest_two_and_others_by_chance_but_only_peers_of_the_speaker():
    stage = a_stage()
    mentioned = set()
    for _ in range(12):
        stage.wait(limits.PRESENCE_EVERY_MS)
        word = stage.sent("ann", Presence)[-1]
        names = [stage.name(other.node) for other in word.others]
        assert names[:2] == ["eve", "fay"]
        assert len(set(names)) == limits.MENTIONS
        mentioned |= set(names)
    assert mentioned == set(NAMES.split())


def test_who_is_mentioned_is_met_once_for_each_address():
    stage = a_stage("ann ben")
    far = Peer("far", stage.keys).id
    known = Mention(stage.peers["ben"].id, at("ben"))
    for address in (at("far"), at("far"), "/ip4/10.0.0.9/tcp/1"):
        others = (Mention(far, address), known, Mention(stage.me, at("me")))
        stage.heard("ann", Presence(1, 0, 0, 2, (), others))
    met = [(effect.peer, effect.addresses) for effect in stage.of(Meet)]
    assert met == [(far, (at("far"),)), (far, ("/ip4/10.0.0.9/tcp/1",))]


def test_what_is_remembered_of_mentions_is_bounded():
    stage = a_stage("ann")
    some = [number.to_bytes(32, "big") for number in range(limits.MAX_MET + 8)]
    for number in range(0, len(some), limits.MENTIONS):
        others = tuple(Mention(node, "/a") for node in some[number : number + limits.MENTIONS])
        stage.heard("ann", Presence(1, 0, 0, 2, (), others))
    stage.heard("ann", Presence(1, 0, 0, 2, (), (Mention(some[-1], "/a"), Mention(some[0], "/a"))))
    assert len(stage.of(Meet)) == len(some) + 1  # the oldest was forgotten


def test_a_stranger_is_not_listened_to():
    stage = a_stage("ann")
    stage.peers["far"] = Peer("far", stage.keys)
    stage.heard("far", Presence(1, 0, 0, 2, (at("far"),), (Mention(bytes(32), "/a"),)))
    assert not stage.of(Meet)
