"""What stands in front of every handler: host, key, sizes, load, and a server that stops."""

from __future__ import annotations

import json
import os
import socket
import stat
import time
from pathlib import Path

import httpx2
import pytest
import trio

from gateway.fake_port import NODE
from gateway.live import Live, live_gateway
from symphony.core.events import TokensSeen
from symphony.core.ids import TaskId
from symphony.errors import ConfigError
from symphony.gateway import limits
from symphony.gateway.auth import Access, new_api_key
from symphony.gateway.discovery import advertised
from symphony.gateway.serve import GatewaySettings, Serving, open_listener

WAIT_S = 10
KEY = "k" * 20


def raw(live: Live, request: bytes) -> bytes:
    """Everything that the server says to these very bytes until it closes."""
    host, port = live.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=WAIT_S) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_only_healthz_is_open(live: Live):
    with live.client("wrong") as client:
        assert client.get("/healthz").text == "ok\n"
        for path in ("/api/status", "/metrics", "/v1/models", "/nothing", "/healthz/x"):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert answer.json()["error"]["code"] == "unauthorized"
            assert "gateway.json" in answer.json()["error"]["hint"]
        client.headers.pop("authorization")
        assert client.get("/api/status").status_code == 401
        answer = client.get("/api/status", headers={"Authorization": f"Basic {live.key}"})
        assert answer.status_code == 401
        long = client.get("/api/status", headers={"Authorization": "Bearer " + "x" * 5000})
        assert long.status_code == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "8.8.8.8", "x" * 300]
)
def test_a_foreign_host_name_is_refused(live: Live, host: str):
    answer = live.ask("GET", "/healthz", headers={"Host": host})
    assert answer.status_code == 421
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:99", "127.0.0.1:1", "[::1]:8080", "[::1]"]
)
def test_the_names_of_this_machine_are_welcome(live: Live, host: str):
    assert live.ask("GET", "/healthz", headers={"Host": host}).status_code == 200


def test_listed_names_and_open_binds():
    listed = Access(KEY, "127.0.0.1", ("node.lan",))
    assert listed.knows_host("node.lan:8000")
    assert not listed.knows_host("10.0.0.5")
    wide = Access(KEY, "0.0.0.0")
    assert wide.knows_host("10.0.0.5:8000")
    assert not wide.knows_host("evil.example")
    with pytest.raises(AssertionError):
        Access("")


def test_no_cors(live: Live):
    with live.client() as client:
        answer = client.options("/api/tasks", headers={"Origin": "http://evil.example"})
        assert answer.status_code == 405
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_large_body_is_413_whether_declared_or_not(live: Live):
    body = json.dumps({"prompt": "x" * limits.MAX_BODY_BYTES}).encode()
    with live.client() as client:
        assert client.post("/api/tasks", content=body).status_code == 413
        chunked = client.post("/api/tasks", content=iter([body]))
        assert (chunked.status_code, chunked.json()["error"]["code"]) == (413, "usage")
        huge = client.post("/v1/chat/completions", content=iter([body] * 3))
        assert (huge.status_code, huge.json()["error"]["type"]) == (413, "invalid_request_error")
        # The connection, read to its end, is good for the next request.
        assert client.get("/healthz").status_code == 200
    assert live.port.specs == []


def test_a_body_at_the_limit_is_read(live: Live):
    frame = len(json.dumps({"prompt": ""}))
    body = {"prompt": "x" * (limits.MAX_BODY_BYTES - frame)}
    answer = live.ask("POST", "/api/tasks", content=json.dumps(body))
    assert (answer.status_code, answer.json()["error"]["message"][:10]) == (400, "prompt: St")


@pytest.mark.parametrize("path", [b"/api/tasks", b"/nothing"])
def test_refusing_without_reading_does_not_hang(live: Live, path: bytes):
    # More than Hypercorn's queue holds, and no key: nobody will ever read this body.
    body = b"x" * (16 * 65536 + limits.DRAIN_BYTES)
    head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (path, len(body))
    try:
        said = raw(live, head + body)
    except ConnectionError:
        said = b""  # cut off while sending: also an end
    assert not said or b" 401 " in said
    assert live.ask("GET", "/healthz").status_code == 200


def test_an_unread_body_leaks_nothing(live: Live):
    def tasks() -> int:
        return live.call(lambda: trio.lowlevel.current_statistics().tasks_living)

    async def slow_cancel(_: TaskId) -> bool:
        await trio.sleep(0.2)  # time enough for the body to fill Hypercorn's queue
        return False

    task = live.ask("POST", "/api/tasks", json={"prompt": "p"}).json()["id"]
    live.port.cancel = slow_cancel  # type: ignore[method-assign]
    before = tasks()
    body = b"x" * (16 * 65536 + limits.DRAIN_BYTES)
    answer = live.ask("POST", f"/api/tasks/{task}/cancel", content=body)
    assert answer.json() == {"cancelled": False}
    end = time.monotonic() + WAIT_S
    while tasks() > before and time.monotonic() < end:
        pass
    assert tasks() <= before


def test_a_slow_body_times_out(live: Live, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "BODY_S", 0.2)
    monkeypatch.setattr(limits, "DRAIN_S", 0.1)
    head = f"POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {live.key}\r\n"
    said = raw(live, head.encode() + b"Content-Length: 100\r\n\r\n{")
    assert said.startswith(b"HTTP/1.1 408 ")


def test_no_websockets(live: Live):
    said = raw(
        live,
        b"GET /api/events HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    assert said.startswith(b"HTTP/1.1 403 ")


def test_a_request_without_a_host_is_refused(live: Live):
    assert b" 421 " in raw(live, b"GET /healthz HTTP/1.0\r\n\r\n").splitlines()[0]


def test_too_many_requests_at_once(live: Live, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "MAX_REQUESTS", 1)
    with live.client() as client, client.stream("GET", "/api/events") as response:
        lines = response.iter_lines()
        assert next(lines)
        assert live.ask("GET", "/api/status").status_code == 503


def test_keep_alives_while_a_task_thinks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "KEEP_ALIVE_S", 0.02)
    with live_gateway() as live, live.client() as client:
        live.port.holding = True
        headers = {"Accept": "text/event-stream"}
        with client.stream(
            "POST", "/api/tasks?wait=true", json={"prompt": "p"}, headers=headers
        ) as response:
            lines = response.iter_lines()
            assert any(line.startswith(": waiting") for line in lines)
            assert any(line.startswith(": waiting") for line in lines)


def test_stopping_ends_open_streams(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "CLOSE_S", 0.2)
    with live_gateway() as live:
        client = live.client()
        with client, client.stream("GET", "/api/events") as response:
            lines = response.iter_lines()
            assert next(lines)
            live.call(live.stop.set)
            with pytest.raises(httpx2.RemoteProtocolError):
                assert not list(lines)


def test_an_address_in_use_is_our_error():
    with open_listener("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port}"):
            open_listener("127.0.0.1", port)


def test_ipv6_loopback():
    with live_gateway(GatewaySettings(host="::1")) as live:
        assert live.url.startswith("http://[::1]:")
        assert live.ask("GET", "/healthz").status_code == 200


def test_two_gateways_share_nothing():
    with live_gateway() as one, live_gateway() as two:
        assert one.key != two.key
        one.ask("POST", "/api/tasks?wait=true", json={"prompt": "p"})
        assert two.ask("GET", "/api/tasks").json() == {"tasks": []}
        with two.client(one.key) as stranger:
            assert stranger.get("/api/status").status_code == 401


def test_keys_are_long_and_fresh():
    assert new_api_key() != new_api_key()
    assert len(new_api_key()) >= 43
    assert "sym-" not in repr(GatewaySettings()) + repr(Serving("u", new_api_key()))


def test_gateway_json_is_private_and_goes_away(tmp_path: Path):
    serving = Serving("http://127.0.0.1:1", "sym-secret")
    with advertised(tmp_path, serving) as path:
        facts = json.loads(path.read_text())
        assert facts == {"url": serving.url, "api_key": "sym-secret", "pid": os.getpid()}
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == []


def test_a_successors_gateway_json_is_left_alone(tmp_path: Path):
    with advertised(tmp_path, Serving("http://127.0.0.1:1", "k")) as path:
        path.write_text('{"pid": -1}')
    assert path.exists()


@pytest.mark.parametrize("accept", [b"text/event-stream", b"application/json"])
def test_a_client_that_leaves_at_once_leaves_no_task(live: Live, accept: bytes):
    # The disconnect is in before the handler has even begun to wait for it.
    live.port.holding = True
    host, port = live.url.removeprefix("http://").split(":")
    body = b'{"prompt": "p"}'
    head = b"POST /api/tasks?wait=true HTTP/1.1\r\nHost: localhost\r\nAccept: %s\r\n" % accept
    head += b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n" % (
        live.key.encode(),
        len(body),
    )
    for number in range(1, 6):
        with socket.create_connection((host, int(port)), timeout=WAIT_S) as connection:
            connection.sendall(head + body)
        assert live.port.cancelled.get(timeout=WAIT_S) == number.to_bytes(16, "big")


def test_a_client_that_stops_reading_does_not_keep_the_server(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "STALLED_S", 0.5)
    monkeypatch.setattr(limits, "CLOSE_S", 0.2)
    with socket.socket() as connection:  # still open when the server has to end
        connection.settimeout(WAIT_S)
        with live_gateway() as live:
            live.port.holding = True
            task = live.ask("POST", "/api/tasks", json={"prompt": "p"}).json()["id"]
            host, port = live.url.removeprefix("http://").split(":")
            connection.connect((host, int(port)))
            head = f"GET /api/tasks/{task}/events HTTP/1.1\r\nHost: localhost\r\n"
            connection.sendall(f"{head}Authorization: Bearer {live.key}\r\n\r\n".encode())
            assert b" 200 " in connection.recv(4096)
            big = TokensSeen(TaskId(bytes.fromhex(task)), 1, "step/0/s1", NODE, "x" * 1_000_000)
            for _ in range(32):  # far more than all the buffers of the kernel hold
                live.call(lambda: live.port.tell(big))
            # Leaving `live_gateway` fails unless the server's thread ends.
