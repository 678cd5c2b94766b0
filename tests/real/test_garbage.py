"""Garbage at the doors of a node that works: it goes on working."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator

import pytest

from symphony.testing.local_swarm import LocalNode

from .stage import Stage, ask

pytestmark = pytest.mark.real

TELL_S = 5.0
LINES = 40  # more than one address may hold open without being refused, on other addresses

NOISE = bytes((i * 73 + 41) % 256 for i in range(64 * 1024))
MULTISTREAM = b"\x13/multistream/1.0.0\n"
JUNK = (
    b"",
    b"\x00",
    NOISE,
    b"\xff" * 4096,
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    MULTISTREAM,
    MULTISTREAM + b"\x07/noise\n" + NOISE,
    MULTISTREAM + b"\xff\xff\xff\xff\x7f" + NOISE,
    b"\x16\x03\x01\x02\x00\x01" + NOISE,
)
H2C = (
    b"GET /api/status HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    b"Connection: Upgrade, HTTP2-Settings\r\n\r\n"
)
WEBSOCKET = (
    b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
REQUESTS = (
    NOISE,
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + NOISE,
    H2C,
    WEBSOCKET,
    b"POST /api/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n\r\n{",
    b"POST /api/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n{",
    b"POST /api/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
)


@contextlib.contextmanager
def line(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), TELL_S) as opened:
        opened.settimeout(TELL_S)
        yield opened


def throw(port: int, junk: bytes) -> None:
    """Send it, say that no more will come, and wait for what is said about it, or the end."""
    with line(port) as opened, contextlib.suppress(ConnectionError):
        opened.sendall(junk)
        opened.shutdown(socket.SHUT_WR)
        opened.recv(65_536)


def libp2p_port(node: LocalNode) -> int:
    return int(node.ready["addresses"][0].split("/")[4])


def gateway_port(node: LocalNode) -> int:
    return int(node.url.rpartition(":")[2])


@pytest.mark.parametrize(
    ("door", "all_junk"), [(libp2p_port, JUNK), (gateway_port, REQUESTS)], ids=["libp2p", "gateway"]
)
def test_garbage_at_the_door(
    stage: Stage, door: Callable[[LocalNode], int], all_junk: tuple[bytes, ...]
) -> None:
    node = stage["n1"]
    for junk in all_junk:
        throw(door(node), junk)
    works(stage, node)


def test_silent_lines_shut_nobody_out(stage: Stage) -> None:
    node = stage["n1"]
    with contextlib.ExitStack() as silent:
        for _ in range(LINES):
            silent.enter_context(line(libp2p_port(node)))
            silent.enter_context(line(gateway_port(node)))
        works(stage, node)


def works(stage: Stage, node: LocalNode) -> None:
    """It still has its peers, still conducts, and is still given work."""
    assert node.alive
    with node.client(TELL_S) as client:
        assert client.get("/api/status").json()["peers"] == len(stage.nodes) - 1
    assert ask(node, "ANSWER: fine", plan="always")["answer"] == "fine"
    assert ask(stage["n5"], "ANSWER: fine", plan="always")["answer"] == "fine"
    assert "Traceback" not in node.log.read_text(errors="replace")
