"""The hybrid clock grows, stays near real time, and can't be pushed far by peers."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import HybridClock, Observed, pack, physical_ms
from ledger.limits import MAX_FUTURE_MS, MAX_PUSH_MS

NOW = 1_800_000_000_000
NEAR = st.integers(NOW - 700_000, NOW + 700_000)


@settings(deadline=None)
@given(st.lists(st.tuples(NEAR, st.none() | NEAR)))
def test_stamps_always_grow_and_peers_push_only_a_minute(steps):
    clock = HybridClock()
    highest_now = 0
    last = 0
    for now_ms, peer_ms in steps:
        highest_now = max(highest_now, now_ms)
        if peer_ms is None:
            stamp = clock.tick(now_ms)
            assert stamp > last
            last = stamp
        else:
            clock.observe(pack(peer_ms, 9), now_ms)
        assert physical_ms(clock.last) <= highest_now + MAX_PUSH_MS
        assert clock.last >= last


def test_the_counter_carries_into_the_milliseconds():
    clock = HybridClock(pack(NOW, 0xFFFF))
    assert clock.tick(NOW) == pack(NOW + 1, 0)


def test_time_going_back_is_ridden_out_by_the_counter():
    clock = HybridClock()
    first = clock.tick(NOW)
    assert clock.tick(NOW - 600_000) == first + 1


def test_the_edges_of_push_and_future():
    for ahead_ms, expected in [
        (MAX_PUSH_MS - 1, Observed()),
        (MAX_PUSH_MS, Observed()),
        (MAX_PUSH_MS + 1, Observed(capped=True)),
        (MAX_FUTURE_MS, Observed(capped=True)),
        (MAX_FUTURE_MS + 1, Observed(held_until_ms=NOW + 1)),
    ]:
        clock = HybridClock()
        assert clock.observe(pack(NOW + ahead_ms), NOW) == expected
        pushed_ms = 0 if expected.held_until_ms else NOW + min(ahead_ms, MAX_PUSH_MS)
        assert physical_ms(clock.last) == pushed_ms


def test_the_next_stamp_is_after_what_was_observed():
    clock = HybridClock()
    clock.observe(pack(NOW + 500, 3), NOW)
    assert clock.tick(NOW) == pack(NOW + 500, 4)
