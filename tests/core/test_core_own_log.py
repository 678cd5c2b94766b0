"""The gate before the own log: nothing is appended before peers said where it ends."""

from dataclasses import replace
from typing import Any

from core_stage import SWARM, WALL_MS, Stage, capability

from ledger import Kind, encode_heads, fork, pack, parse_proof, seal
from symphony.core import limits
from symphony.core.effects import KeepFork, LookUp, Publish, Reject, Send
from symphony.core.events import (
    OwnLogChecked,
    OwnLogForked,
    OwnLogShort,
    OwnLogUnconfirmed,
    TaskEnded,
)
from symphony.core.inputs import Heard, LookedUp, OwnLogMark, PeerDown, PeerUp, Started
from symphony.core.messages import Bids, Entries, Fork, HeadAsked, Heads, HeadTold, Want

AGENTS = (capability(),)


def start(stage, **mark: Any):
    """The node starts again, with this mark beside what it has."""
    stage.effects.clear()
    stage.give(Started(AGENTS, 2, (), OwnLogMark(**mark)))


def told(entry=None):
    """What a peer says that holds this entry of ours as the last one, or none at all."""
    return HeadTold(entry.without_body().encode() if entry else b"")


def meet(stage, name, entry=None):
    """A peer connects, is asked, and answers."""
    peer = stage.peers[name].id
    stage.give(PeerUp(peer, 1))
    assert stage.sent(name, HeadAsked)
    stage.give(Heard(peer, told(entry)))


def own(stage, head, count, salt=b""):
    """Entries of this node's log that it does not have (any more)."""
    made = []
    for _ in range(count):
        seq = head.seq + 1 if head else 1
        hlc = max(pack(WALL_MS + 100 + seq), head.hlc + 1 if head else 0)
        body = salt + b"%d" % seq
        entry = seal(stage.signer, SWARM, head, kind=Kind.RESULT, body=body, hlc=hlc)
        made.append(entry)
        head = entry.head
    return made


def head_of(stage):
    return stage.swarm.journal.book.head(stage.me)


def test_a_new_key_and_a_swarm_of_one_append_at_once():
    stage = Stage()
    start(stage)
    assert len(stage.entries(Kind.CAPABILITY)) == 1


def test_three_answers_open_the_log_and_not_two():
    stage = Stage(peers="anna bob carl dora")
    start(stage, known_peers=9)
    for name in ("anna", "bob"):
        meet(stage, name)
        assert stage.entries(Kind.CAPABILITY) == []
    meet(stage, "carl")
    assert len(stage.entries(Kind.CAPABILITY)) == 1
    assert stage.told(OwnLogChecked) == [OwnLogChecked(0, 3)]


def test_as_many_as_are_known_are_enough():
    stage = Stage(peers="anna bob")
    start(stage, known_peers=2)
    meet(stage, "anna")
    assert stage.entries(Kind.CAPABILITY) == []
    meet(stage, "bob")
    assert len(stage.entries(Kind.CAPABILITY)) == 1


def test_a_task_waits_and_is_then_begun():
    stage = Stage(peers="anna")
    start(stage, known_peers=1)
    stage.submit()
    assert stage.entries(Kind.TASK) == []
    meet(stage, "anna")
    assert len(stage.entries(Kind.TASK)) == 1


def test_what_a_peer_has_beyond_ours_is_taken_and_gone_on_from():
    stage = Stage(peers="anna")
    lost = own(stage, None, 3)
    start(stage, known_peers=1)
    meet(stage, "anna", lost[2])
    assert stage.entries(Kind.CAPABILITY) == []
    assert stage.sent("anna", Want)[-1] == Want(stage.me, 1, 3)
    raw = tuple(entry.encode() for entry in lost)
    stage.heard("anna", Entries(raw, asked=True))
    [declared] = stage.entries(Kind.CAPABILITY)
    assert (declared.seq, declared.prev) == (4, lost[2].id)


def test_a_log_shorter_than_its_mark_never_opens():
    stage = Stage(peers="anna")
    start(stage, seq=5, known_peers=1)
    meet(stage, "anna")
    stage.wait(limits.ASKING_MS)
    assert stage.told(OwnLogShort) == [OwnLogShort(0, 5)]
    assert stage.entries(Kind.CAPABILITY) == []
    stage.submit()
    [ended] = stage.told(TaskEnded)
    assert ended.error == "ledger_invalid"


def test_the_mark_holds_without_any_known_peer_and_even_unasked():
    stage = Stage()
    start(stage, seq=1, unasked=True)
    stage.wait(limits.ASKING_MS)
    assert stage.told(OwnLogShort) == [OwnLogShort(0, 1)]


def test_without_any_answer_it_stays_shut_until_one_comes():
    stage = Stage(peers="anna")
    start(stage, known_peers=4)
    stage.submit()
    stage.wait(limits.ASKING_MS)
    assert stage.told(OwnLogUnconfirmed) == [OwnLogUnconfirmed(0)]
    assert [ended.error for ended in stage.told(TaskEnded)] == ["unreachable"]
    assert stage.entries(Kind.TASK) == []
    meet(stage, "anna")
    assert len(stage.entries(Kind.CAPABILITY)) == 1


def test_its_owner_may_take_the_risk():
    stage = Stage()
    start(stage, known_peers=4, unasked=True)
    assert stage.entries(Kind.CAPABILITY) == []
    stage.wait(limits.ASKING_MS)
    assert len(stage.entries(Kind.CAPABILITY)) == 1


def test_a_peer_that_promised_more_and_left_is_not_waited_for():
    stage = Stage(peers="anna bob")
    start(stage, known_peers=2)
    meet(stage, "anna", own(stage, None, 7)[6])
    meet(stage, "bob")
    assert stage.entries(Kind.CAPABILITY) == []
    stage.give(PeerDown(stage.peers["anna"].id))
    stage.wait(limits.ASKING_MS)
    assert len(stage.entries(Kind.CAPABILITY)) == 1


def test_entries_that_a_peer_has_seen_and_nobody_has_any_more_shut_the_log():
    stage = Stage(peers="anna")
    start(stage, known_peers=1)
    meet(stage, "anna", own(stage, None, 7)[6])
    stage.wait(limits.ASKING_MS)
    assert stage.told(OwnLogShort) == [OwnLogShort(0, 7)]
    assert stage.entries(Kind.CAPABILITY) == []


def test_who_shows_no_entry_of_ours_is_rejected_and_keeps_nobody_from_writing():
    stage = Stage(peers="anna eve")
    start(stage, known_peers=2)
    eve = stage.peers["eve"]
    forged = replace(own(stage, None, 7)[6], signature=bytes(64))
    meet(stage, "eve", forged)
    stage.heard("eve", told(eve.entry(Kind.RESULT, b"of her own")))
    stage.heard("eve", HeadTold(b"junk"))
    assert len(stage.of(Reject)) == 3
    meet(stage, "anna")
    assert stage.entries(Kind.CAPABILITY) == []  # eve has not answered
    stage.wait(limits.ASKING_MS)
    assert len(stage.entries(Kind.CAPABILITY)) == 1


def test_a_long_log_may_take_its_time_to_come_back():
    stage = Stage(peers="anna")
    lost = own(stage, None, 3)
    start(stage, known_peers=1)
    meet(stage, "anna", lost[2])
    for entry in lost:
        stage.heard("anna", Entries((entry.encode(),), asked=True))
        stage.wait(limits.ASKING_MS - 1)
    assert stage.told(OwnLogShort) == []
    assert len(stage.entries(Kind.CAPABILITY)) == 1


def test_a_self_fork_is_found_told_and_ends_everything():
    stage = Stage(capability(), peers="anna")
    mine = head_of(stage)
    assert mine.seq == 1
    other = own(stage, None, 1, b"another ")[0]
    stage.submit()
    stage.effects.clear()
    stage.heard("anna", Entries((other.encode(),), asked=True))
    [kept] = stage.of(KeepFork)
    assert (kept.proof.author, kept.proof.seq) == (stage.me, 1)
    assert stage.told(OwnLogForked) == [OwnLogForked(1)]
    assert [ended.error for ended in stage.told(TaskEnded)] == ["ledger_invalid"]
    [spread] = [e.message for e in stage.of(Publish) if e.topic == "forks"]
    assert parse_proof(spread.proof) == kept.proof
    stage.effects.clear()
    stage.submit()
    stage.wait(60_000)
    assert [e for kind in Kind for e in stage.entries(kind)] == []


def test_a_fork_behind_the_remembered_headers_is_found_in_the_store():
    stage = Stage(peers="anna")
    anna = stage.peers["anna"]
    honest = [anna.entry(Kind.RESULT, b"%d" % number) for number in range(20)]
    stage.heard("anna", Entries(tuple(e.encode() for e in honest), asked=True))
    first = stage.capabilities["anna"]
    branch = seal(
        anna.signer, SWARM, first.head, kind=Kind.RESULT, body=b"?", hlc=first.hlc + (9 << 16)
    )
    stage.effects.clear()
    stage.heard("anna", Entries((branch.encode(),)))
    [wanted] = stage.of(LookUp)
    stage.give(LookedUp(wanted.peer, wanted.claim, honest[0], first))
    [kept] = stage.of(KeepFork)
    assert kept.proof.seq == 2
    assert stage.swarm.journal.book.head(anna.id) == first.head
    assert [parse_proof(e.body) for e in stage.entries(Kind.FORK)] == [kept.proof]


def forked(stage, name):
    """A proof that this peer signed two first entries."""
    peer = stage.peers[name]
    one = stage.capabilities[name]
    two = seal(peer.signer, SWARM, None, kind=Kind.RESULT, body=b"two", hlc=pack(WALL_MS))
    proof = fork.find(one, two)
    assert proof is not None
    return proof


def test_a_proof_freezes_its_author_whoever_shows_it_and_is_passed_on_once():
    stage = Stage(peers="anna bob")
    proof = forked(stage, "anna")
    for _ in range(3):
        stage.heard("bob", Fork(proof.encode()))
    assert stage.of(KeepFork) == [KeepFork(proof)]
    assert len([e for e in stage.of(Publish) if e.topic == "forks"]) == 1
    assert [entry.body for entry in stage.entries(Kind.FORK)] == [proof.encode()]
    assert [listing.node for listing in stage.swarm.directory] == [stage.peers["bob"].id]


def test_a_frozen_author_gets_no_award_and_its_beacons_no_bid():
    stage = Stage(peers="anna bob")
    proof = forked(stage, "anna")
    stage.submit()
    stage.bid("anna")
    stage.heard("bob", Fork(proof.encode()))
    stage.wait(limits.BID_WINDOW_MS)
    assert stage.entries(Kind.AWARD) == []
    assert not [e for e in stage.of(Send) if isinstance(e.message, Bids)]


def test_an_awarded_unit_is_taken_from_a_frozen_owner():
    stage = Stage(peers="anna bob")
    proof = forked(stage, "anna")
    stage.submit()
    stage.bid("anna")
    stage.wait(limits.BID_WINDOW_MS)
    assert len(stage.entries(Kind.AWARD)) == 1
    stage.heard("bob", Fork(proof.encode()))
    assert "forked" in stage.play()


def test_a_false_proof_is_rejected():
    stage = Stage(peers="anna bob")
    good = forked(stage, "anna").encode()
    for bad in (good[:-1], bytes(64), good[:-10] + bytes(10)):
        stage.heard("bob", Fork(bad))
    assert stage.of(KeepFork) == []
    assert stage.play().count("reject bob: fork") == 3


def test_an_entry_that_does_not_fit_has_its_predecessor_asked_for():
    stage = Stage(peers="anna")
    anna = stage.peers["anna"]
    two = seal(
        anna.signer, SWARM, None, kind=Kind.RESULT, body=b"two", hlc=stage.capabilities["anna"].hlc
    )
    three = seal(
        anna.signer, SWARM, two.head, kind=Kind.RESULT, body=b"three", hlc=two.hlc + (9 << 16)
    )
    stage.heard("anna", Entries((three.encode(),)))
    assert stage.sent("anna", Want)[-1] == Want(anna.id, 1, 1)
    stage.heard("anna", Entries((two.encode(),), asked=True))
    [kept] = stage.of(KeepFork)
    assert kept.proof.seq == 1


def test_who_did_not_answer_is_asked_again():
    """A question may get lost on a link that stands: then nobody would ever ask again."""
    stage = Stage(peers="anna")
    start(stage, seq=0, known_peers=1)
    stage.give(PeerUp(stage.peers["anna"].id, 1))
    for asked in (1, 2, 3):
        assert len(stage.sent("anna", HeadAsked)) == asked
        stage.wait(limits.ASKING_MS)
    assert stage.entries(Kind.CAPABILITY) == []
    stage.give(Heard(stage.peers["anna"].id, told()))
    assert len(stage.entries(Kind.CAPABILITY)) == 1
    stage.wait(5 * limits.ASKING_MS)
    assert len(stage.sent("anna", HeadAsked)) == 4


def test_a_copied_directory_asks_everybody_it_knows():
    stage = Stage(peers="anna bob carl dora")
    head = stage.swarm.journal.write(Kind.RESULT, b"before the copy")
    start(stage, seq=head.seq, known_peers=4)
    for name in ("anna", "bob", "carl"):
        meet(stage, name, head)
    assert stage.entries(Kind.CAPABILITY) == []
    meet(stage, "dora", head)
    assert len(stage.entries(Kind.CAPABILITY)) == 1


def test_a_copied_directory_waits_no_longer_than_for_the_others():
    stage = Stage(peers="anna bob")
    head = stage.swarm.journal.write(Kind.RESULT, b"before the copy")
    start(stage, seq=head.seq, known_peers=40)
    meet(stage, "anna", head)
    stage.wait(limits.ASKING_MS)
    assert stage.told(OwnLogChecked) == [OwnLogChecked(head.seq, 1)]


def test_an_open_log_is_closed_when_an_entry_comes_that_is_not_in_it():
    """An earlier life wrote more than the three knew who answered: all are asked once more."""
    stage = Stage(peers="anna bob")
    start(stage, known_peers=2)
    for name in ("anna", "bob"):
        meet(stage, name)
    before = head_of(stage)
    later = own(stage, before, 3)
    stage.heard("anna", Entries((later[2].encode(),)))
    assert not stage.swarm.gate.may_append()
    assert len(stage.sent("bob", HeadAsked)) == 2
    for name in ("anna", "bob"):
        stage.heard(name, told(later[2]))
    assert not stage.swarm.gate.may_append()
    stage.heard("anna", Entries(tuple(entry.encode() for entry in later[:2]), asked=True))
    assert stage.swarm.gate.may_append()
    assert stage.told(OwnLogChecked)[-1] == OwnLogChecked(later[2].seq, 2)


def test_tasks_end_when_the_own_log_turns_out_to_be_longer():
    stage = Stage(capability(), peers="anna")
    stage.submit()
    stage.heard("anna", Entries((own(stage, head_of(stage), 2)[1].encode(),)))
    [ended] = stage.told(TaskEnded)
    assert ended.error == "ledger_invalid"


def test_a_proof_that_came_while_the_log_was_shut_is_written_when_it_opens():
    """And whoever goes on where the log forked is shown the proof at the next comparison."""
    stage = Stage(peers="anna bob")
    signer = stage.keys.signer(b"a liar".ljust(32, b"."))
    one, two = (
        seal(signer, SWARM, None, kind=Kind.TASK, body=body, hlc=pack(WALL_MS))
        for body in (b"yes", b"no")
    )
    proof = fork.find(one, two)
    start(stage, known_peers=1)
    stage.heard("anna", Fork(proof.encode()))
    assert stage.entries(Kind.FORK) == []
    meet(stage, "anna")
    [entry] = stage.entries(Kind.FORK)
    assert entry.body == proof.encode()
    stage.heard("bob", Heads(encode_heads([one.head]), reply=False))
    assert stage.sent("bob", Fork) == [Fork(proof.encode())]
