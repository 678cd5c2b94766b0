"""Who seems dead: silence, self-doubt, and who is asked then."""

from core_stage import Stage, capability
from hypothesis import given
from hypothesis import strategies as st

from symphony.core import limits
from symphony.core.messages import Beacon, Presence
from symphony.core.suspicion import Suspicion

PEERS = [bytes([n]) * 32 for n in range(1, 6)]
AFTER = limits.SUSPECT_AFTER_MS


def watched(heard_ms):
    suspicion = Suspicion()
    for peer, at_ms in zip(PEERS, heard_ms, strict=True):
        suspicion.heard(peer, at_ms)
    return suspicion


def test_who_is_silent_for_four_periods_is_suspected_until_it_is_heard_again():
    suspicion = watched([1_000, 1_001, 5_000, 5_000, 5_000])
    now_ms = 1_001 + AFTER
    assert suspicion.suspects(now_ms) == {PEERS[0]}
    suspicion.heard(PEERS[0], now_ms)
    assert suspicion.suspects(now_ms) == set()


def test_a_node_doubts_itself_before_it_suspects_most_of_the_others():
    """It was paused: everybody seems silent, and nobody is suspected."""
    suspicion = watched([1_000] * 5)
    assert suspicion.suspects(10 * AFTER) == set()
    for peer in PEERS[:3]:
        suspicion.heard(peer, 10 * AFTER + 1)
    assert suspicion.suspects(10 * AFTER + limits.SUSPECT_EVERY_MS) == set(PEERS[3:])


def test_whose_connection_broke_is_no_suspect():
    suspicion = watched([0, 5_000, 5_000, 5_000, 5_000])
    assert suspicion.suspects(AFTER + 1_000) == {PEERS[0]}
    suspicion.gone(PEERS[0])
    assert suspicion.suspects(AFTER + 1_000) == set()


@given(st.lists(st.integers(0, 3 * AFTER), min_size=5, max_size=5), st.integers(0, 4 * AFTER))
def test_suspects_are_silent_and_few(heard_ms, now_ms):
    found = watched(heard_ms).suspects(now_ms)
    silent = {p for p, at in zip(PEERS, heard_ms, strict=True) if at < now_ms - AFTER}
    assert found <= silent
    assert 2 * len(found) <= len(PEERS)


def presence(stage, name):
    stage.heard(name, Presence(1, 0, 0, 2))


def test_an_idle_dead_node_is_not_asked_and_comes_back_with_its_first_word():
    stage = Stage(capability("mine", roles=("judge",)), peers="ann ben cat")
    for _ in range(8):
        stage.wait(limits.PRESENCE_EVERY_MS)
        for name in ("ann", "ben"):
            presence(stage, name)
    stage.submit()
    assert [bool(stage.sent(name, Beacon)) for name in stage.peers] == [True, True, False]
    presence(stage, "cat")
    stage.wait(5_000)  # nobody bid, and there is another call
    assert stage.sent("cat", Beacon)
