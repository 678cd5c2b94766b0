"""Who seems dead: silence, those who are asked about it, self-doubt, and who is asked for bids."""

from core_peers import Peers, node_id
from core_stage import Stage, capability
from hypothesis import given, settings
from hypothesis import strategies as st

from symphony.core import limits
from symphony.core.messages import Beacon
from symphony.core.peers.presence import ContactAsked, ContactTold, Presence

AFTER = limits.CONTACT_AFTER_MS
ROUND_MS = limits.PRESENCE_EVERY_MS * 6 // 5 + limits.CONTACT_MS
"""A quiet peer is judged within this."""
NODES = 6


def test_in_calm_weather_nobody_asks_after_anybody():
    peers = Peers(NODES)
    peers.wait(20 * AFTER)
    assert not peers.contacts()
    assert not peers.told


def test_who_is_dead_is_suspected_by_all_and_cleared_by_its_own_word_alone():
    peers = Peers(NODES)
    peers.dead.add(5)
    peers.wait(AFTER - 2 * limits.PRESENCE_EVERY_MS)
    assert not peers.contacts()
    peers.wait(2 * limits.PRESENCE_EVERY_MS + ROUND_MS)
    assert [peers.suspects(node) for node in range(5)] == [{5}] * 5
    late = ContactTold(node_id(5), 1, 7)
    peers.do(0, lambda m: m.contact(node_id(1), late))  # as if somebody heard it after all
    assert peers.suspects(0) == {5}
    asked = len(peers.contacts())
    peers.wait(4 * AFTER)
    assert len(peers.contacts()) == asked  # a suspect is not asked about again
    peers.dead.clear()
    peers.do(0, lambda m: m.heard(node_id(5)))
    assert peers.suspects(0) == set()
    assert peers.suspects(1) == {5}


def test_who_is_heard_by_others_is_not_suspected_and_asked_about_once_in_a_while():
    peers = Peers(NODES)
    peers.cut = {(0, 5), (5, 0)}
    peers.wait(AFTER + ROUND_MS)
    [(silent, by)] = peers.silences(0)
    assert silent == 5
    assert by in {1, 2, 3, 4}
    peers.wait(4 * AFTER)
    assert peers.suspects(0) == set()
    assert {silent for silent, by in peers.silences(0)} == {5}
    assert 3 <= len(peers.silences(0)) <= 6
    assert peers.doubts(0) == []
    peers.dead.add(5)
    peers.wait(AFTER + ROUND_MS + AFTER)
    assert peers.suspects(0) == {5}


def test_a_life_that_we_are_not_connected_to_clears_nobody():
    """The others know it since it was started again; we hold the connection to what it was."""
    peers = Peers(NODES)
    peers.cut = {(0, 5), (5, 0)}
    for node in range(1, 5):
        again = Presence(8, 0, 0, 1)
        peers.do(node, lambda m, word=again: m.presence(node_id(5), word))
    peers.members[5]._lives[node_id(5)] = 8
    peers.wait(AFTER + ROUND_MS)
    assert peers.suspects(0) == {5}


def test_a_go_between_that_denies_the_living_changes_nothing():
    """The direct question is answered, although every word of presence is lost."""
    peers = Peers(NODES)
    real = peers._send

    def send(source, target, message) -> None:
        if source == 5 and isinstance(message, Presence):
            return  # its presence gets lost
        if source in (1, 2, 3, 4) and isinstance(message, ContactTold):
            message = ContactTold(message.node, message.number)  # they lie
        real(source, target, message)

    peers._send = send
    peers.wait(6 * AFTER)
    assert not peers.told
    assert any(isinstance(word, ContactAsked) for word in peers.contacts())


def test_go_betweens_that_keep_quiet_protect_a_dead_peer_for_three_rounds_only():
    peers = Peers(NODES)
    real = peers._send
    peers._send = lambda source, target, message: (
        None if isinstance(message, ContactTold) else real(source, target, message)
    )
    peers.dead.add(5)
    peers.wait(AFTER + ROUND_MS)
    assert peers.suspects(0) == set()
    assert peers.doubts(0) == [1]
    peers.wait(3 * ROUND_MS + limits.MAX_DOUBT * 2 * limits.CONTACT_MS)
    assert peers.suspects(0) == {5}
    assert peers.doubts(0) == [1, 2, 3]


def test_a_node_that_was_stalled_suspects_nobody_when_it_goes_on():
    for stalled_ms in (AFTER - 1_000, AFTER + ROUND_MS, 4 * AFTER):
        peers = Peers(NODES, seed=stalled_ms)
        peers.wait(limits.PRESENCE_EVERY_MS)
        peers.stalled.add(0)
        peers.wait(stalled_ms)
        assert peers.suspects(1) == ({0} if stalled_ms > AFTER else set())
        peers.go_on()
        assert peers.suspects(0) == set()
        peers.wait(ROUND_MS)
        assert [peers.suspects(node) for node in range(NODES)] == [set()] * NODES


def test_a_node_that_was_stalled_while_it_asked_asks_again():
    peers = Peers(NODES)
    peers.dead.add(5)
    while not peers.contacts():
        peers.wait(10)
    [asker] = {source for source, _, word in peers.said if isinstance(word, ContactAsked)}
    peers.stalled.add(asker)
    peers.wait(limits.CONTACT_MS + limits.CONTACT_LATE_MS + 100)
    peers._held.sort(key=lambda held: "timer" not in held[1].__code__.co_varnames)
    peers.go_on()  # it looks at its clock before it reads what came
    assert peers.suspects(asker) == set()
    assert peers.doubts(asker) == [1]
    peers.wait(2 * ROUND_MS)
    assert peers.suspects(asker) == {5}


def test_a_node_that_is_cut_off_doubts_itself():
    peers = Peers(NODES)
    peers.cut = {(source, 0) for source in range(1, NODES)}
    peers.wait(5 * AFTER)
    assert peers.suspects(0) == set()
    assert not [word for source, _, word in peers.said if source == 0 and word.type != "presence"]


def last_asked(peers, one, peer):
    """Whom a node asked when it asked about a peer for the last time."""
    asked = [
        (word.number, target)
        for source, target, word in peers.said
        if source == one and isinstance(word, ContactAsked) and word.node == node_id(peer)
        if target != peer
    ]
    last, _ = max(asked)
    return {target for number, target in asked if number == last}


LINK = st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1))


FEW = st.sets(st.integers(1, NODES - 1), max_size=2)


@given(st.sets(LINK, max_size=12), FEW, st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_what_must_hold_however_links_are_cut(cut, dead, seed):
    peers = Peers(NODES, seed)
    peers.cut, peers.dead = cut, dead
    peers.wait(AFTER + ROUND_MS + AFTER)
    both = {
        (one, other)
        for one in range(NODES)
        for other in range(NODES)
        if not {(one, other), (other, one)} & cut and not {one, other} & dead
    }
    for one in set(range(NODES)) - dead:
        suspects = peers.suspects(one)
        heard = {other for other in range(NODES) if (other, one) not in cut} - dead
        assert not suspects & heard
        assert len(suspects) < NODES - 1  # somebody is always counted on
        for peer in suspects - dead:
            asked = last_asked(peers, one, peer)
            assert not any({(one, between), (between, peer)} <= both for between in asked)
    assert len(peers.contacts()) <= 12 * NODES * NODES


def test_whose_connection_broke_is_no_suspect_and_nobody_is_asked_about_it():
    peers = Peers(NODES)
    peers.dead.add(5)
    peers.wait(AFTER)
    for node in range(5):
        peers.do(node, lambda m: m.down(node_id(5)))
    peers.wait(2 * AFTER)
    assert [peers.suspects(node) for node in range(5)] == [set()] * 5
    assert not peers.silences(0)


def presence(stage, name):
    stage.heard(name, Presence(1, 0, 0, 2))


def test_an_idle_dead_node_is_not_asked_and_comes_back_with_its_first_word():
    stage = Stage(capability("mine", roles=("judge",)), peers="ann ben cat")
    answered = 0
    for _ in range(8):
        stage.wait(limits.PRESENCE_EVERY_MS)
        for name in ("ann", "ben"):
            presence(stage, name)
        for question in stage.sent("ann", ContactAsked)[answered:]:
            answered += 1
            stage.heard("ann", ContactTold(question.node, question.number))
    stage.submit()
    assert [bool(stage.sent(name, Beacon)) for name in stage.peers] == [True, True, False]
    presence(stage, "cat")
    stage.wait(5_000)  # nobody bid, and there is another call
    assert stage.sent("cat", Beacon)
