"""A peer that is killed is noticed by its EOF, a frozen one by its silence."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from net_rooms import WAIT_S, key, network, wait_for

from symphony.net import FrameSeen, PeerDown
from symphony.net.network import Network
from symphony.net.settings import TIMINGS, Preset


async def echoed(net: Network, address: str) -> None:
    """Connect, and see a frame come back: both mailboxes are open."""
    with trio.fail_after(WAIT_S):
        peer = await net.dial(address)
    assert net.send(peer, b"echo")
    await wait_for(net, FrameSeen)


@pytest.fixture
def child() -> Iterator[tuple[subprocess.Popen[str], str]]:
    script = Path(__file__).with_name("net_child.py")
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.kill()


async def test_a_killed_peer_is_down_at_once(child: tuple[subprocess.Popen[str], str]) -> None:
    process, address = child
    async with network("a") as a:
        await echoed(a, address)
        process.kill()
        with trio.fail_after(0.25):
            down = await wait_for(a, PeerDown)
        assert down == PeerDown(key("child"), "the connection was closed")
        assert a.peers() == ()


async def test_a_frozen_peer_is_down_after_its_pings_stay_unanswered(
    child: tuple[subprocess.Popen[str], str],
) -> None:
    process, address = child
    timing = TIMINGS[Preset.LOCAL]
    async with network("a") as a:
        await echoed(a, address)
        process.send_signal(signal.SIGSTOP)
        with trio.fail_after(timing.ping_every_s + timing.ping_timeout_s + 1.0):
            down = await wait_for(a, PeerDown)
        assert down.reason == "the peer went silent"
