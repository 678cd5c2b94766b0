"""Being asked after others: nobody can flood through it, and it remembers little."""

from core_peers import Peers, node_id
from hypothesis import given, settings
from hypothesis import strategies as st

from symphony.core import limits
from symphony.core.peers.presence import ContactAsked, ContactTold

ASKER, BETWEEN, TARGET = 1, 0, 2


def ask(peers, target=TARGET, number=1, asker=ASKER):
    question = ContactAsked(node_id(target), number)
    peers.do(BETWEEN, lambda m: m.contact(node_id(asker), question))


def said(peers, kind, to):
    return [
        word
        for source, target, word in peers.said
        if (source, target) == (BETWEEN, to) and isinstance(word, kind)
    ]


def test_the_answer_comes_with_the_first_word_of_who_was_asked_about():
    peers = Peers(4)
    peers.wait(100)
    ask(peers)
    assert said(peers, ContactAsked, TARGET) == [ContactAsked(node_id(TARGET), 0)]
    assert not said(peers, ContactTold, ASKER)
    peers.wait(50)
    assert said(peers, ContactTold, ASKER) == [ContactTold(node_id(TARGET), 1, 7)]
    peers.wait(2 * limits.GO_BETWEEN_MS)
    assert len(said(peers, ContactTold, ASKER)) == 1


def test_silence_a_stranger_and_a_broken_connection_are_answered_too():
    peers = Peers(4)
    peers.wait(100)
    peers.dead.add(TARGET)
    ask(peers)
    peers.wait(limits.GO_BETWEEN_MS)
    ask(peers, number=2)
    peers.do(BETWEEN, lambda m: m.down(node_id(TARGET)))
    ask(peers, target=77, number=3)
    answers = said(peers, ContactTold, ASKER)
    assert [(word.number, word.incarnation) for word in answers] == [
        (1, None),
        (2, None),
        (3, None),
    ]


def test_who_is_asked_about_itself_tells_its_life():
    peers = Peers(3)
    ask(peers, target=BETWEEN)
    assert said(peers, ContactTold, ASKER) == [ContactTold(node_id(BETWEEN), 1, 7)]


def test_a_stranger_is_not_answered():
    peers = Peers(3)
    before = len(peers.said)
    ask(peers, asker=77)
    assert len(peers.said) == before


def test_many_askers_cost_the_one_they_ask_about_one_message():
    peers = Peers(8)
    peers.wait(100)
    peers.dead.add(TARGET)
    for asker in range(3, 8):
        ask(peers, asker=asker)
    assert len(said(peers, ContactAsked, TARGET)) == 1
    peers.wait(limits.GO_BETWEEN_MS)
    assert all(len(said(peers, ContactTold, asker)) == 1 for asker in range(3, 8))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 300)), min_size=1, max_size=300))
@settings(max_examples=30, deadline=None)
def test_a_flood_of_questions_is_answered_at_its_rate_and_forgotten(questions):
    peers = Peers(4)
    peers.wait(100)
    peers.dead = {TARGET, 3}
    start_ms, before = peers.now_ms, len(peers.said)
    between = peers.members[BETWEEN]._between
    for number, (target, pause_ms) in enumerate(questions):
        ask(peers, target=target, number=number)
        peers.wait(pause_ms)
        assert sum(map(len, between.waiting.values())) <= limits.MAX_QUESTIONS
    spent_ms = peers.now_ms - start_ms
    allowed = limits.CONTACTS_BURST + limits.CONTACTS_PER_S * spent_ms // 1000 + 1
    peers.wait(2 * limits.GO_BETWEEN_MS)
    words = [word for source, _, word in peers.said[before:] if source == BETWEEN]
    assert sum(isinstance(word, ContactTold) for word in words) <= allowed
    assert sum(isinstance(word, ContactAsked) for word in words) <= allowed
    assert between.waiting == {}
    peers.do(BETWEEN, lambda m: m.down(node_id(ASKER)))
    assert between._turns == {}


def test_no_more_questions_are_kept_than_may_be(monkeypatch):
    monkeypatch.setattr(limits, "MAX_QUESTIONS", 3)
    peers = Peers(4)
    peers.wait(100)
    peers.dead = {TARGET}
    for number in range(5):
        ask(peers, number=number)
    peers.wait(2 * limits.GO_BETWEEN_MS)
    assert len(said(peers, ContactTold, ASKER)) == 3
