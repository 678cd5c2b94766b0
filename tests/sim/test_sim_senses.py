"""The simulator notices: with a fault put into the core, its invariants must fail.

Each test breaks one rule of the shipped core and expects the violation that belongs to it. A
simulator that finds nothing is worth something only if it would have found these.
"""

from dataclasses import replace
from typing import Any

import pytest

from symphony.core.beacon import awards
from symphony.core.logs import journal
from symphony.core.owner import jobs, worker
from symphony.core.records import VerdictRecord
from symphony.core.spec import TaskSpec
from symphony.core.tasks import conductor, owners, remains
from symphony.core.tasks.task_run import TaskRun
from symphony.core.votes import verdict, voting
from symphony.core.votes.settling import Settlement
from symphony.core.votes.vote import tally
from symphony.testing import NodeScript, Scenario, TaskScript, draw, run_seed
from symphony.testing.engines import AgentScript
from symphony.testing.faults import Crash, Split


def violations(seeds):
    """Everything that these seeds violate together."""
    reports = [run_seed(draw(seed)) for seed in seeds]
    return "\n".join(text for report in reports for text in report.violations)


def test_a_reservation_that_is_never_given_back(monkeypatch):
    monkeypatch.setattr(TaskRun, "release", lambda run, unit: None)
    assert "tokens reserved" in violations(range(3))


def test_a_conductor_that_gives_a_unit_away_too_early(monkeypatch):
    early = lambda answered_ms, lease_ms: answered_ms + lease_ms // 4  # noqa: E731
    monkeypatch.setattr(awards, "conductor_until_ms", early)
    monkeypatch.setattr(owners, "conductor_until_ms", early)
    assert "was given away while node" in violations(range(12))


def test_an_owner_that_never_lets_go(monkeypatch):
    """Its words vanish for fifteen seconds while it works, and no connection breaks."""
    slow = AgentScript("solver", ("solve",), ("math",), "smol", latency_ms=90_000)
    nodes = (NodeScript(()), NodeScript((slow,)), NodeScript((slow,)))
    task = TaskScript(1_500, 0, TaskSpec("What is 6 x 7?", chains=1, deadline_ms=35_000))
    silence = Split(2_000, frozenset({1, 2}), both_ways=False, for_ms=15_000, noticed=False)
    script = Scenario(1, nodes, (task,), actions=(silence,))
    assert run_seed(script).violations == ()
    monkeypatch.setattr(worker.Worker, "let_go", lambda self, timer: None)
    assert "was given away while node" in "".join(run_seed(script).violations)


def test_an_engine_that_is_never_cancelled(monkeypatch):
    monkeypatch.setattr(jobs.Jobs, "abort", lambda self, job: None)
    assert "than it has slots" in violations(range(12))


def test_a_ballot_that_weighs_what_it_likes(monkeypatch):
    def settle(*args: Any) -> Settlement:
        settlement = honest(*args)
        votes = tuple(replace(vote, weight=999_999) for vote in settlement.votes)
        return replace(settlement, votes=votes, classes=tuple(tally(votes)))

    honest = voting.settle
    monkeypatch.setattr(voting, "settle", settle)
    assert "does not hold: ballot" in violations(range(3))


def test_an_election_by_favour(monkeypatch):
    backwards = lambda *args: list(reversed(rank(*args)))  # noqa: E731
    rank = awards.rank
    monkeypatch.setattr(awards, "rank", backwards)
    assert "not the winner of the election" in violations(range(3))


def test_a_second_verdict(monkeypatch):
    def twice(run, outcome, *args: Any, **options: Any) -> VerdictRecord:
        once(run, outcome, *args, **options)
        return once(run, outcome, *args, **options)

    once = verdict.conclude
    monkeypatch.setattr(conductor, "conclude", twice)
    assert "a second verdict" in violations(range(2))


def test_a_deadline_that_is_ignored(monkeypatch):
    monkeypatch.setattr(conductor.Conductor, "deadline_over", lambda self, timer: None)
    assert "after its deadline" in violations(range(8, 14))


def test_gossip_that_is_not_made_good_by_comparing_heads(monkeypatch):
    from symphony.core.logs.replication import Replication

    monkeypatch.setattr(Replication, "compare", lambda self, alive: None)
    monkeypatch.setattr(Replication, "greet", lambda self, peer: None)
    monkeypatch.setattr(journal.Journal, "want", lambda self, *args: None)
    assert "ledgers that differ" in violations(range(3))


def test_an_exception_of_the_core_is_a_finding(monkeypatch):
    monkeypatch.setattr(voting, "settle", lambda *args: 1 // 0)
    assert "ZeroDivisionError" in violations(range(2))


@pytest.mark.parametrize("real_keys", [True, False])
def test_a_signature_that_is_not_checked_would_be_missed_by_neither_kind_of_key(real_keys):
    """Real and stand-in keys refuse the same: wrong signer, context, message and signature."""
    from symphony.testing.signing import FastKeys, RealKeys

    keys = RealKeys() if real_keys else FastKeys()
    one, other = keys.signer(b"1" * 32), keys.signer(b"2" * 32)
    signature = one.sign("bid", b"text")
    assert len(signature) == 64
    assert keys.verify(one.public, "bid", b"text", signature)
    assert not keys.verify(other.public, "bid", b"text", signature)
    assert not keys.verify(one.public, "beacon", b"text", signature)
    assert not keys.verify(one.public, "bid", b"text!", signature)
    assert not keys.verify(one.public, "bid", b"text", bytes(64))


def test_calls_that_are_cut_off_and_forgotten(monkeypatch):
    """Four owners fail one after the other; what they may have cost passes the budget."""
    failing = AgentScript("solver", ("solve",), ("math",), "smol", latency_ms=50, fails=1.0)
    nodes = (NodeScript(()), *(NodeScript((failing,)) for _ in range(4)))
    spec = TaskSpec("What is 6 x 7?", chains=1, budget_tokens=1_000, max_tokens=256)
    script = Scenario(1, nodes, (TaskScript(1_500, 0, spec),))
    report = run_seed(script)
    assert report.violations == ()
    assert "budget exhausted" in report.marks
    monkeypatch.setattr(TaskRun, "write_off", TaskRun.release)
    assert "more than its budget" in "".join(run_seed(script).violations)


def test_a_limit_of_nodes_that_nobody_keeps(monkeypatch):
    monkeypatch.setattr(TaskRun, "nodes_spent", property(lambda run: False))
    assert "was worked on by nodes" in violations(range(1))


def test_an_owner_that_does_not_stop_when_it_is_told_to(monkeypatch):
    monkeypatch.setattr(worker.Worker, "stop", lambda self, peer, stop: None)
    assert "works for a task that ended" in violations([14])


def test_a_restarted_conductor_that_has_lost_its_results(monkeypatch):
    planner = AgentScript("planner", ("plan",), ("planning",), "qwen", latency_ms=100)
    solver = AgentScript("solver", ("solve",), ("math",), "smol", latency_ms=800)
    task = TaskScript(1_500, 0, TaskSpec("What is 6 x 7?", chains=1, planning="always"))
    nodes = (NodeScript((planner,)), NodeScript((solver,)))
    script = Scenario(2, nodes, (task,), actions=(Crash(3_000, 0, 100),))  # a plan of two steps
    assert run_seed(script).violations == ()
    monkeypatch.setattr(remains.Rebuilding, "_result", lambda self, note: None)
    assert "was done already, and is awarded again" in "".join(run_seed(script).violations)
