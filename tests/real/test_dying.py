"""Nodes that die, freeze or go away in the middle of a task, and what the others make of it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from symphony.core.receipts.receipt import verify_receipt
from symphony.identity import SwarmFile, read_swarm, write_swarm
from symphony.testing.local_swarm import LocalNode, await_mesh

from .stage import NEVER, SLOW, WORDS, Event, Stage, ask, heads, receipt_of, stats, until, watch

pytestmark = pytest.mark.real

NOTICED_DEAD_S = 1.0
NOTICED_FROZEN_S = 5.0  # a ping every second, 2.5 s to answer it, and a busy machine
LEASE_S = 10.0  # an owner lets go after 0.9 of it
EQUAL_S = 20.0  # gossip takes a second; what it loses is compared every 15 s
COMES_BACK_S = 10.0


def strike(stage: Stage, blow: Callable[[LocalNode], None]) -> tuple[float, Event]:
    """Hit the owner of a slow step as soon as it speaks; when that was noticed, and the end."""
    struck: LocalNode | None = None
    struck_s = noticed_s = 0.0
    for event in watch(stage["n1"], WORDS, plan="never", chains=1, skill=SLOW):
        match event["type"]:
            case "token" if struck is None:
                struck = stage.owner(event)
                assert struck.name in ("n2", "n3", "n4")
                blow(struck)
                struck_s = time.monotonic()
            case "failover":
                assert struck is not None
                assert stage.owner(event) is struck
                noticed_s = noticed_s or time.monotonic() - struck_s
            case "verdict":
                assert struck is not None, "the step was over before it said a word"
                return noticed_s, event
            case _:
                pass
    raise AssertionError("no verdict")


def test_an_owner_is_killed(stage: Stage) -> None:
    noticed_s, verdict = strike(stage, LocalNode.kill)
    assert 0 < noticed_s < NOTICED_DEAD_S
    assert (verdict["outcome"], verdict["answer"]) == ("answered", WORDS.removeprefix("ANSWER: "))
    assert verdict["owner_failovers"] >= 1
    report = verify_receipt(receipt_of(stage["n1"], verdict))
    assert report.answer == verdict["answer"]
    assert report.awards > 1


def test_an_owner_freezes(stage: Stage) -> None:
    frozen: list[LocalNode] = []

    def freeze(node: LocalNode) -> None:
        frozen.append(node)
        node.process.send_signal(signal.SIGSTOP)

    try:
        noticed_s, verdict = strike(stage, freeze)
    finally:
        for node in frozen:
            node.process.send_signal(signal.SIGCONT)
    assert 0 < noticed_s < NOTICED_FROZEN_S
    assert (verdict["outcome"], verdict["answer"]) == ("answered", WORDS.removeprefix("ANSWER: "))
    assert verdict["owner_failovers"] >= 1
    await_mesh(stage.nodes, COMES_BACK_S)  # awake again, it is one of them again
    assert ask(stage["n1"])["outcome"] == "answered"


def test_a_conductor_is_killed(stage: Stage) -> None:
    before = stats(stage.slow)
    conductor = stage["n5"]
    with suppress(OSError):  # the stream breaks off: that is what we came for
        for event in watch(conductor, WORDS, plan="never", chains=2, skill=NEVER):
            assert event["type"] != "verdict"
            if event["type"] == "award":
                until(lambda: stats(stage.slow)["active"] == 2, 5, "both steps are worked on")
                conductor.kill()
                break

    def stopped() -> bool:
        now = stats(stage.slow)
        return now["active"] == 0 and now["aborted"] - before["aborted"] == 2

    until(stopped, LEASE_S, "nobody works for a dead conductor")
    assert ask(stage["n1"])["outcome"] == "answered"


def test_ledgers_become_equal_again(stage: Stage) -> None:
    for name in ("n1", "n3", "n5"):
        assert ask(stage[name], plan="always")["outcome"] == "answered"
    equal(stage)

    away = stage["n4"]
    swarm = read_swarm(away.home)
    assert swarm is not None
    logs = heads(away).keys()
    away.kill()
    for name in ("n2", "n1"):
        assert ask(stage[name], plan="always")["outcome"] == "answered"
    # Nobody tells it where to go: all that is left is what it has written down itself.
    write_swarm(away.home, SwarmFile(swarm.genesis, swarm.proof))
    until(lambda: heads(away) != heads(stage["n1"]), EQUAL_S, "n4 has missed something")
    back = stage.restart("n4")
    await_mesh(stage.nodes, COMES_BACK_S)
    equal(stage)
    assert heads(back).keys() == logs, "it is the node it was, with the same log"
    assert ask(back)["outcome"] == "answered"


def equal(stage: Stage) -> None:
    """Every node ends up with the same end of every log."""

    def same() -> bool:
        first, *others = [heads(node) for node in stage.nodes]
        return all(other == first for other in others)

    until(same, EQUAL_S, "the heads of all ledgers are equal")
