"""The ledger scenario notices: with a rule of the ledger broken, some seed must fail.

Each test breaks one rule of the code that ships, and expects the violation that belongs to it
within so many seeds. How many it really takes was measured; the bound leaves room for other dice.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

import ledger.fork
from symphony.core.effects import KeepFork
from symphony.core.ids import NodeId
from symphony.core.logs.catch_up import CatchUp
from symphony.core.logs.forks import Forks
from symphony.core.logs.journal import Journal
from symphony.core.logs.last_entries import LastEntries
from symphony.core.logs.own_log import Gate
from symphony.core.logs.witness import Witness
from symphony.core.messages import HeadTold
from symphony.core.swarm import Swarm
from symphony.node.unkept import Unkept
from symphony.testing import draw_storm, run_seed

WITHIN = 60


def noticed(text, within=WITHIN):
    """Is a violation with this text found in time?"""
    reports = (run_seed(draw_storm(seed)) for seed in range(within))
    return any(text in violation for report in reports for violation in report.violations)


def test_a_gate_that_is_always_open(monkeypatch):
    monkeypatch.setattr(Gate, "start", lambda gate, mark: None)
    assert noticed("wrote before it knew where its log ends", 10)


def test_a_mark_that_nobody_reads(monkeypatch):
    start = Gate.start
    blind = lambda gate, mark: start(gate, dataclasses.replace(mark, seq=0))  # noqa: E731
    monkeypatch.setattr(Gate, "start", blind)
    assert noticed("signed two entries")


def test_answers_that_nobody_heeds(monkeypatch):
    def told(gate, peer, message) -> None:
        gate._answers[peer] = 0

    monkeypatch.setattr(Gate, "told", told)
    assert noticed("signed two entries")


def test_peers_that_are_never_asked(monkeypatch):
    monkeypatch.setattr(Gate, "_ask", lambda gate, peer: None)
    assert noticed("which is closed")


def test_peers_that_tell_less_than_they_hold(monkeypatch):
    silent = lambda gate, peer: gate._out.send(peer, HeadTold())  # noqa: E731
    monkeypatch.setattr(LastEntries, "asked", silent)
    assert noticed("entries of a log, and told 0", 20)


def test_proofs_that_are_kept_to_oneself(monkeypatch):
    def met(forks: Any, peer, proof) -> None:
        forks._out.do(KeepFork(proof))
        forks._frozen(NodeId(proof.author))

    monkeypatch.setattr(Forks, "met", met)
    monkeypatch.setattr(CatchUp, "_convict", lambda *_: None)
    assert noticed("ledgers that differ")


def test_old_entries_that_are_not_compared(monkeypatch):
    monkeypatch.setattr(Forks, "compare", lambda forks, peer, entry: None)
    assert noticed("was shown a second entry")


def test_agents_of_a_forked_author_that_stay(monkeypatch):
    monkeypatch.setattr(Swarm, "_frozen", lambda swarm, author: None)
    assert noticed("directories that differ", 20)


def test_a_start_that_forgets_the_proofs(monkeypatch):
    restore: Callable[..., None] = Journal.restore
    monkeypatch.setattr(
        Journal, "restore", lambda journal, heads, forks=(): restore(journal, heads)
    )
    assert noticed("would start with other")


def test_a_sync_that_never_asks(monkeypatch):
    monkeypatch.setattr(Journal, "want", lambda journal, *want: None)
    assert noticed("ledgers that differ", 10)


def test_own_entries_that_are_spoken_before_they_are_on_the_disk(monkeypatch):
    monkeypatch.setattr(Unkept, "must_go", lambda unkept, effects: False)
    assert noticed("before its entry", 10)


def test_checkpoints_of_something_else(monkeypatch):
    checkpoint = Witness._checkpoint
    monkeypatch.setattr(
        Witness, "_checkpoint", lambda w, size, root: checkpoint(w, size, bytes(32))
    )
    assert noticed("signed a root", 10)


def test_a_look_up_that_is_never_counted_off(monkeypatch):
    looked_up = Forks.looked_up

    def leaks(forks, found) -> None:
        forks._looking += 1
        looked_up(forks, found)

    monkeypatch.setattr(Forks, "looked_up", leaks)
    assert noticed("waits for look-ups", 20)


@pytest.mark.slow
@pytest.mark.slow
def test_a_proof_that_is_not_replaced_by_a_lower_one(monkeypatch):
    monkeypatch.setattr(ledger.fork, "merge", lambda known, new: known or new)
    assert noticed("that differ", 200)
