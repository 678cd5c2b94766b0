"""The SDK when things go wrong: no node, a wrong key, lost answers, broken streams.

The troublesome server is a plain socket that plays a script of answers and records what it got.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gateway.fake_port import ending
from gateway.live import Live

from symphony import Symphony, errors
from symphony.client import limits
from symphony.client.locate import locate
from symphony.client.stream import Decoder
from symphony.core.events import as_json

WAIT_S = 10
VERDICT = as_json(ending(bytes(15) + b"\x01"))


def whole(status: str, body: object, *headers: str) -> bytes:
    text = json.dumps(body).encode()
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(text)}", "Connection: close", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + text


def stream(*parts: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    return head + b"".join(parts)


def event(number: int, data: object) -> bytes:
    return f"id: {number}\ndata: {json.dumps(data)}\n\n".encode()


@contextmanager
def scripted(*answers: bytes) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these answers, one a connection; `b""` hangs up without one."""
    requests: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(WAIT_S)

    def serve() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(WAIT_S)
                got = b""
                while b"\r\n\r\n" not in got:
                    got += connection.recv(65536)
                head, _, body = got.partition(b"\r\n\r\n")
                size = [int(v.split(b":")[1]) for v in head.split(b"\r\n") if b"ength:" in v]
                while size and len(body) < size[0]:
                    body += connection.recv(65536)
                requests.append((head + b"\r\n\r\n" + body).decode())
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
    finally:
        thread.join(WAIT_S)
        listener.close()
        assert not thread.is_alive(), "the script was not played to its end"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "BACKOFF_S", 0.01)
    monkeypatch.setattr(limits, "MAX_BACKOFF_S", 0.05)
    for name in ("SYMPHONY_URL", "SYMPHONY_API_KEY", "SYMPHONY_HOME"):
        monkeypatch.delenv(name, raising=False)


def header(request: str, name: str) -> str:
    lines = [line for line in request.split("\r\n") if line.lower().startswith(name.lower() + ":")]
    return lines[0].partition(": ")[2] if lines else ""


def test_a_get_is_repeated_a_bounded_number_of_times():
    busy = whole("503 Busy", {"error": {"code": "usage", "message": "m", "hint": ""}})
    with scripted(b"", busy, whole("200 OK", {"node": "n"})) as (url, requests):
        with Symphony(url, api_key="k") as swarm:
            assert swarm.status() == {"node": "n"}
        assert len(requests) == 3
    with (
        scripted(busy, busy, busy) as (url, _),
        Symphony(url, api_key="k") as swarm,
        pytest.raises(errors.UsageError),
    ):
        swarm.status()


def test_a_lost_submit_is_repeated_with_the_same_key():
    accepted = whole("202 Accepted", {"id": "ab", "state": "running"})
    with scripted(b"", accepted) as (url, requests), Symphony(url, api_key="k") as swarm:
        assert swarm.tasks.submit("p").id == "ab"
    keys = {header(request, "Idempotency-Key") for request in requests}
    assert len(requests) == 2
    assert len(keys) == 1
    assert len(keys.pop()) == 32


def test_a_lost_run_is_not_repeated():
    with (
        scripted(b"") as (url, requests),
        Symphony(url, api_key="k") as swarm,
        pytest.raises(errors.ConnectionError),
    ):
        swarm.tasks.run("p")
    assert len(requests) == 1


def test_a_real_gateway_starts_one_task_for_a_repeated_submit(live: Live):
    body = {"prompt": "p"}
    for _ in range(2):
        answer = live.ask("POST", "/api/tasks", json=body, headers={"Idempotency-Key": "x" * 32})
        assert answer.json()["id"] == "0" * 31 + "1"


def test_a_broken_event_stream_goes_on_where_it_was():
    first = stream(event(1, {"type": "task"}), event(2, {"type": "beacon"}))
    second = stream(b": waiting\n\n", event(3, VERDICT))
    view = whole("200 OK", {"id": "ab", "answer_type": "text"})
    with scripted(view, first, b"", second) as (url, requests), Symphony(url, api_key="k") as swarm:
        kinds = [one["type"] for one in swarm.tasks.get("ab").events()]
    assert kinds == ["task", "beacon", "verdict"]
    assert [header(request, "Last-Event-ID") for request in requests] == ["", "", "2", "2"]


def test_a_stream_that_stays_broken_is_an_error():
    view = whole("200 OK", {"id": "ab", "answer_type": "text"})
    with (
        scripted(view, b"", b"", b"") as (url, _),
        Symphony(url, api_key="k") as swarm,
        pytest.raises(errors.ConnectionError, match="broke off"),
    ):
        swarm.tasks.get("ab").result()


def test_an_error_inside_a_stream_is_raised():
    told = {"error": {"code": "unreachable", "message": "the node stopped", "hint": ""}}
    answer = stream(f"event: error\ndata: {json.dumps(told)}\n\n".encode())
    with (
        scripted(answer) as (url, _),
        Symphony(url, api_key="k") as swarm,
        pytest.raises(errors.ConnectionError, match="the node stopped"),
    ):
        swarm.tasks.run("p")


@pytest.mark.parametrize("body", [b"<html>", b'{"error": "no"}', b'{"error": {"code": 3}}'])
def test_a_stranger_is_not_taken_for_a_gateway(body: bytes):
    head = f"HTTP/1.1 400 Bad\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    with (
        scripted(head.encode() + body) as (url, _),
        Symphony(url, api_key="k") as swarm,
        pytest.raises(errors.SymphonyError, match="is that URL a Symphony gateway"),
    ):
        swarm.status()


def test_a_code_of_a_later_version_is_the_root_error():
    told = {"error": {"code": "quantum", "message": "m", "hint": "h"}}
    with (
        scripted(whole("400 Bad", told)) as (url, _),
        Symphony(url, api_key="k") as swarm,
        pytest.raises(errors.SymphonyError) as raised,
    ):
        swarm.status()
    assert type(raised.value) is errors.SymphonyError


def test_no_secret_goes_through_a_proxy(live: Live, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with Symphony(live.url, api_key=live.key) as swarm:
        assert swarm.status()["peers"] == 2


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with (
        Symphony(f"http://127.0.0.1:{port}", api_key="k", max_retries=0) as swarm,
        pytest.raises(errors.ConnectionError, match="can't be reached"),
    ):
        swarm.status()


def test_a_wrong_key(live: Live):
    with Symphony(live.url, api_key="wrong") as swarm, pytest.raises(errors.AuthError):
        swarm.status()


def test_ids_cannot_leave_their_path():
    with Symphony("http://127.0.0.1:1", api_key="k") as swarm:
        for bad in ("../status", "a/b", "", "x" * 65, "\u00e4"):
            with pytest.raises(errors.UsageError):
                swarm.receipts.get(bad)


def test_the_local_node_is_found_by_its_file(live: Live, tmp_path: Path, monkeypatch):
    facts = {"url": live.url, "api_key": live.key, "pid": 1}
    (tmp_path / "gateway.json").write_text(json.dumps(facts))
    kept = tmp_path / "receipts" / ("0" * 31 + "1.receipt")
    kept.parent.mkdir()
    kept.write_bytes(b"r")
    with Symphony(home=tmp_path) as swarm:
        answer = swarm.tasks.run("p")
    assert answer.receipt is not None
    assert answer.receipt.path == kept
    monkeypatch.setenv("SYMPHONY_HOME", str(tmp_path))
    with Symphony() as swarm:
        assert swarm.status()["peers"] == 2


def test_where_the_gateway_is(tmp_path: Path):
    with pytest.raises(errors.ConnectionError, match="no node runs here"):
        locate(environ={"SYMPHONY_HOME": str(tmp_path)})
    env = {"SYMPHONY_URL": "http://node:1/", "SYMPHONY_API_KEY": "k"}
    assert locate(environ=env).url == "http://node:1"
    assert locate("http://[::1]:2", environ=env).loopback
    assert not locate(environ=env).loopback
    assert "'k'" not in repr(locate(environ=env))
    with pytest.raises(errors.AuthError):
        locate("http://node:1", environ={})
    for bad in ("ftp://node", "node:1", "http://"):
        with pytest.raises(errors.ConfigError):
            locate(bad, "k", environ={})
    for junk in ("{", "[]", '{"url": "http://a", "api_key": ""}'):
        (tmp_path / "gateway.json").write_text(junk)
        with pytest.raises(errors.ConfigError):
            locate(home=tmp_path, environ={})


def test_a_stale_file_is_named(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    (tmp_path / "gateway.json").write_text(json.dumps({"url": url, "api_key": "k"}))
    with (
        Symphony(home=tmp_path, max_retries=0) as swarm,
        pytest.raises(errors.ConnectionError, match="left over"),
    ):
        swarm.status()


def test_the_decoder_does_not_care_how_bytes_are_cut():
    wire = b": hi\r\nid: 1\r\nevent: a\r\ndata: x\r\n\r\n"
    wire += b"data:y\ndata: \xe2\x82\xac\n\nid: 3\n\ndata: z"
    wanted = [("a", "x", "1"), ("", "y\n\u20ac", "")]
    for size in range(1, len(wire) + 1):
        decoder = Decoder()
        cuts = [wire[i : i + size] for i in range(0, len(wire), size)]
        events = [sent for cut in cuts for sent in decoder.feed(cut)]
        assert [(e.name, e.data, e.number) for e in events] == wanted


def test_an_endless_event_is_cut_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "MAX_EVENT_BYTES", 1000)
    assert len(list(Decoder().feed(b"data: " + b"x" * 900 + b"\n\n"))) == 1
    for piece in (b"x" * 600, b"data: " + b"x" * 500 + b"\n"):
        decoder = Decoder()
        assert not list(decoder.feed(piece))
        with pytest.raises(errors.ProtocolMismatch):
            list(decoder.feed(piece))
