"""A straggler gets a rival; the first result counts, and the other one is told to stop."""

from dataclasses import replace
from typing import Any

import pytest
from core_stage import Stage
from hypothesis import given
from hypothesis import strategies as st

from ledger import Kind
from symphony.core import limits
from symphony.core.beacon.pace import Pace
from symphony.core.effects import KeepReceipt
from symphony.core.events import FailedOver, TaskEnded, UnitHedged
from symphony.core.inputs import PeerDown
from symphony.core.messages import Beacon, Progress, Refused, Stop, Work
from symphony.core.receipts.receipt import verify_receipt

SAID_MS = 2_000
LATE_MS = 2 * SAID_MS


def straggling(**spec: Any):
    """A task of one step, its owner, and the other node that bid for it."""
    stage = Stage(peers="ada bob")
    stage.submit(**spec)
    for name in stage.peers:
        beacon = stage.sent(name, Beacon)[-1]
        bids = stage.peers[name].bids(beacon, stage.capabilities[name])
        said = tuple(replace(bid, estimate_ms=SAID_MS) for bid in bids.bids)
        stage.heard(name, replace(bids, bids=said))
    owner = next(name for name in stage.peers if stage.sent(name, Work))
    return stage, owner, {"ada": "bob", "bob": "ada"}[owner]


def renew_until(stage, owner, until_ms, text=""):
    """The owner is alive all the time."""
    work = stage.sent(owner, Work)[-1]
    number = 0
    while stage.now_ms < until_ms:
        stage.wait(min(1_000, until_ms - stage.now_ms))
        number += 1
        stage.heard(owner, Progress(work.unit, work.epoch, number, text))


def hedged(**spec: Any):
    stage, owner, other = straggling(**spec)
    renew_until(stage, owner, stage.now_ms + LATE_MS)
    return stage, owner, other


def end_of(stage):
    (ended,) = stage.told(TaskEnded)
    verify_receipt(stage.of(KeepReceipt)[-1].receipt, verify=stage.keys.verify)
    return ended


def awards_of(stage):
    return [entry.id for entry in stage.entries(Kind.AWARD)]


def test_nobody_is_late_before_the_time_is_over():
    stage, owner, other = straggling()
    renew_until(stage, owner, stage.now_ms + LATE_MS - 1)
    assert not stage.sent(other, Work)


def test_the_rival_wins_and_the_straggler_stops():
    stage, owner, other = hedged()
    assert stage.sent(other, Work)[-1].epoch == 2
    stage.done(other, "Answer: 42")
    ended = end_of(stage)
    assert (ended.outcome, ended.answer, ended.owner_failovers) == ("answered", "42", 0)
    assert ended.ballots[0].owner == stage.peers[other].id
    assert [stop.epoch for stop in stage.sent(owner, Stop)] == [1]
    assert not stage.sent(other, Stop)


def test_the_straggler_wins_and_the_rival_stops():
    stage, owner, other = hedged()
    stage.done(owner, "Answer: 42", award=awards_of(stage)[0])
    assert end_of(stage).ballots[0].owner == stage.peers[owner].id
    assert [stop.epoch for stop in stage.sent(other, Stop)] == [2]
    assert not stage.sent(owner, Stop)


@pytest.mark.parametrize("dies", ["straggler", "rival"])
@pytest.mark.parametrize("how", ["gone", "silent", "refused", "failed"])
def test_one_of_two_fails_and_the_other_goes_on_alone(dies, how):
    stage, owner, other = hedged()
    victim, left = (owner, other) if dies == "straggler" else (other, owner)
    work = stage.sent(victim, Work)[-1]
    at = 0 if dies == "straggler" else 1
    match how:
        case "gone":
            stage.give(PeerDown(stage.peers[victim].id))
        case "silent":
            renew_until(stage, left, stage.now_ms + 12_000)
        case "refused":
            stage.heard(victim, Refused(work.unit, work.epoch, "no"))
        case "failed":
            award = awards_of(stage)[at]
            stage.done(victim, "", award=award, status="failed", prompt_tokens=0)
    assert [event.epoch for event in stage.told(FailedOver)] == [work.epoch]
    assert len(awards_of(stage)) == 2
    stage.done(left, "Answer: 42", award=awards_of(stage)[1 - at])
    assert end_of(stage).outcome == "answered"


def test_both_fail_and_the_unit_is_awarded_with_an_epoch_that_nobody_had():
    stage, owner, other = hedged()
    for name in (other, owner):
        work = stage.sent(name, Work)[-1]
        stage.heard(name, Refused(work.unit, work.epoch, "no"))
    stage.bid(owner)
    stage.wait(limits.BID_WINDOW_MS)
    assert stage.sent(owner, Work)[-1].epoch == 3


def test_never_more_than_the_budget_allows():
    stage, _, other = hedged(budget_tokens=1_200)
    assert not stage.sent(other, Work)
    assert not stage.told(UnitHedged)


def test_an_owner_that_will_soon_be_there_is_given_that_time():
    stage, owner, other = straggling(max_tokens=100)
    renew_until(stage, owner, stage.now_ms + LATE_MS, "x" * 70)
    assert not stage.sent(other, Work)
    renew_until(stage, owner, stage.now_ms + LATE_MS)
    assert stage.sent(other, Work)


def test_old_bids_are_not_used_and_new_ones_called_for():
    stage, owner, other = straggling()
    (run,) = stage.swarm.conductor.runs.values()
    (unit,) = run.units.values()
    unit.bids_at_ms = -limits.BID_LIFETIME_MS
    renew_until(stage, owner, stage.now_ms + LATE_MS)
    assert not stage.sent(other, Work)
    assert len(stage.sent(owner, Beacon)) == 1, "the straggler is not asked"
    stage.bid(other)
    assert stage.sent(other, Work)[-1].epoch == 2


@given(st.lists(st.integers(0, 100_000), max_size=40), st.integers(0, 50_000))
def test_what_is_expected_is_a_duration_that_was_seen_or_said(seen, said_ms):
    pace = Pace()
    for took_ms in seen:
        pace.learn(b"n" * 32, "solver", "solve", took_ms)
    expected = pace.expected_ms(b"n" * 32, "solver", "solve", said_ms)
    if len(seen) >= limits.PACES_NEEDED:
        assert expected in {max(ms, limits.HEDGE_AFTER_MS) for ms in seen}
        late = sum(ms > expected for ms in seen[-limits.PACES_REMEMBERED :])
        assert late <= 0.05 * limits.PACES_REMEMBERED
    else:
        assert expected == (max(2 * said_ms, limits.HEDGE_AFTER_MS) if said_ms else None)


def test_who_is_new_is_measured_by_what_is_usual():
    pace = Pace()
    for took_ms in range(3_000, 3_000 + limits.PACES_NEEDED):
        pace.learn(b"n" * 32, "solver", "solve", took_ms)
    assert pace.expected_ms(b"m" * 32, "solver", "solve", 0) == 2 * 3_004
    assert pace.expected_ms(b"m" * 32, "solver", "solve", 10) == 3_004
    assert pace.expected_ms(b"m" * 32, "planner", "plan", 0) is None
