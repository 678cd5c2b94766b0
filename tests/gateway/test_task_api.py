"""Tasks over HTTP, against the real server."""

from __future__ import annotations

import json
import logging
import logging.handlers
import queue

import httpx2
import pytest

from gateway.fake_port import DID, DIGEST, HOSTED, NODE, RECEIPT, ending
from gateway.live import Live
from symphony import errors
from symphony.gateway.faults import STATUS

WAIT_S = 10


def read_events(response: httpx2.Response) -> list[tuple[str, str, dict]]:
    """(event name, id, data) of every event until the stream ends."""
    events, fields = [], {}
    for line in response.iter_lines():
        if not line:
            if "data" in fields:
                data = json.loads(fields["data"])
                events.append((fields.get("event", ""), fields.get("id", ""), data))
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
    return events


def test_submit_then_look(live: Live):
    with live.client() as client:
        answer = client.post("/api/tasks", json={"prompt": "6 * 7?", "chains": 5})
        assert answer.status_code == 202
        task = answer.json()["id"]
        assert answer.headers["location"] == f"/api/tasks/{task}"
        shown = client.get(f"/api/tasks/{task}").json()
        assert shown["state"] == "answered"
        assert shown["prompt"] == "6 * 7?"
        assert shown["ended"]["answer"] == "42"
        assert shown["receipt"] == DIGEST.hex()
        assert [one["id"] for one in client.get("/api/tasks").json()["tasks"]] == [task]
    assert live.port.specs[0].chains == 5


def test_every_option_reaches_the_spec(live: Live):
    body = {
        "prompt": "p",
        "chains": 7,
        "rule": "majority",
        "selection": "random",
        "plan": "never",
        "choices": ["a", "b"],
        "skill": "math",
        "privacy": "local",
        "budget_tokens": 10,
        "deadline_ms": 5000,
        "max_tokens": 9,
    }
    with live.client() as client:
        assert client.post("/api/tasks", json=body).status_code == 202
        schema = {"prompt": "p", "answer_schema": {"type": "object"}, "durable": True}
        assert client.post("/api/tasks", json=schema).status_code == 202
    first, second = live.port.specs
    assert (first.planning, first.answer_type, first.choices) == ("never", "choice", ("a", "b"))
    assert (first.rule, first.selection, first.skill) == ("majority", "random", "math")
    assert (first.privacy, first.budget_tokens, first.deadline_ms) == ("local", 10, 5000)
    assert (first.chains, first.max_tokens) == (7, 9)
    assert (first.durable, second.durable) == (False, True)
    assert (second.answer_type, second.answer_schema) == ("json", '{"type":"object"}')


def test_wait_gives_the_verdict(live: Live):
    with live.client() as client:
        answer = client.post("/api/tasks?wait=true", json={"prompt": "6 * 7?"})
    assert answer.status_code == 200
    verdict = answer.json()
    assert (verdict["type"], verdict["answer"], verdict["tokens"]) == ("verdict", "42", 77)
    assert verdict["ballots"][0]["owner"] == NODE.hex()


def test_wait_as_a_stream(live: Live):
    accept = {"Accept": "text/event-stream"}
    with (
        live.client() as client,
        client.stream(
            "POST", "/api/tasks?wait=true", json={"prompt": "p"}, headers=accept
        ) as response,
    ):
        events = read_events(response)
    assert [name for name, _, _ in events] == [
        "task", "beacon", "award", "token", "token", "ballot", "verdict",
    ]  # fmt: skip
    assert events[4][2]["text"] == "2\n\u2028"
    assert [number for _, number, _ in events] == ["1", "2", "3", "", "", "4", "5"]


def test_events_from_the_start_and_from_the_middle(live: Live):
    with live.client() as client:
        task = client.post("/api/tasks", json={"prompt": "p"}).json()["id"]
        with client.stream("GET", f"/api/tasks/{task}/events?tokens=false") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            names = [name for name, _, _ in read_events(response)]
        assert names == ["task", "beacon", "award", "ballot", "verdict"]
        after = {"Last-Event-ID": "3"}
        with client.stream("GET", f"/api/tasks/{task}/events", headers=after) as response:
            names = [name for name, _, _ in read_events(response)]
        assert names == ["token", "token", "ballot", "verdict"]


def test_events_follow_a_running_task_to_its_end(live: Live):
    live.port.holding = True
    with live.client() as client:
        task = client.post("/api/tasks", json={"prompt": "p"}).json()["id"]
        with client.stream("GET", f"/api/tasks/{task}/events") as response:
            lines = response.iter_lines()
            assert next(line for line in lines if line.startswith("event: ballot"))
            cancelled = live.ask("POST", f"/api/tasks/{task}/cancel").json()
            assert cancelled == {"cancelled": True}
            assert any(line == "event: verdict" for line in lines)
        assert client.post(f"/api/tasks/{task}/cancel").json() == {"cancelled": False}


def test_all_events(live: Live):
    with live.client() as client, client.stream("GET", "/api/events") as response:
        lines = response.iter_lines()
        assert next(lines) == ": symphony"
        live.port.holding = True
        task = live.ask("POST", "/api/tasks", json={"prompt": "p"}).json()["id"]
        live.ask("POST", f"/api/tasks/{task}/cancel")
        assert any(line == "event: verdict" for line in lines)


@pytest.mark.parametrize("stream", [True, False])
def test_a_waiting_client_that_leaves_cancels_its_task(live: Live, stream: bool):
    live.port.holding = True
    headers = {"Accept": "text/event-stream"} if stream else {}
    with live.client() as client:
        ask = {"json": {"prompt": "p"}, "headers": headers}
        if stream:
            with client.stream("POST", "/api/tasks?wait=true", **ask) as response:
                assert next(response.iter_lines())
        else:
            with pytest.raises(httpx2.ReadTimeout):
                client.post("/api/tasks?wait=true", timeout=0.3, **ask)
    assert live.port.cancelled.get(timeout=WAIT_S) == bytes(15) + b"\x01"


def test_a_detached_task_outlives_its_client(live: Live):
    live.port.holding = True
    headers = {"Accept": "text/event-stream"}
    body = {"prompt": "p", "detach": True}
    with live.client() as client:
        with client.stream("POST", "/api/tasks?wait=true", json=body, headers=headers) as response:
            assert next(response.iter_lines())
        # A second, tied task leaves afterwards: when its cancellation is in, so would be ours.
        with client.stream(
            "POST", "/api/tasks?wait=true", json={"prompt": "q"}, headers=headers
        ) as response:
            assert next(response.iter_lines())
    assert live.port.cancelled.get(timeout=WAIT_S) == bytes(15) + b"\x02"
    assert live.port.cancelled.empty()


def test_the_same_key_submits_once(live: Live):
    with live.client() as client:
        key = {"Idempotency-Key": "k1"}
        first = client.post("/api/tasks", json={"prompt": "p"}, headers=key)
        again = client.post("/api/tasks", json={"prompt": "p"}, headers=key)
        other = client.post("/api/tasks", json={"prompt": "other"}, headers=key)
        fresh = client.post("/api/tasks", json={"prompt": "p"}, headers={"Idempotency-Key": "k2"})
        long = client.post(
            "/api/tasks", json={"prompt": "p"}, headers={"Idempotency-Key": "k" * 129}
        )
    assert first.json() == again.json()
    assert fresh.json() != first.json()
    assert (other.status_code, other.json()["error"]["code"]) == (409, "usage")
    assert long.status_code == 400
    assert len(live.port.specs) == 2


def test_a_failed_submit_may_be_tried_again_with_its_key(live: Live):
    key = {"Idempotency-Key": "k1"}
    with live.client() as client:
        live.port.refuses = errors.EngineOverloaded("full", retry_after_ms=1500)
        refused = client.post("/api/tasks", json={"prompt": "p"}, headers=key)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
        live.port.refuses = None
        assert client.post("/api/tasks", json={"prompt": "p"}, headers=key).status_code == 202


def every_error(root: type = errors.SymphonyError) -> list[type]:
    return [root, *(found for kind in root.__subclasses__() for found in every_error(kind))]


def test_every_error_code_has_its_status_and_envelope(live: Live):
    named = [kind for kind in every_error() if kind.__module__ == "symphony.errors"]
    assert {kind.code for kind in named} == set(STATUS)
    with live.client() as client:
        for kind in named:
            live.port.refuses = kind("it broke", hint="mend it")
            answer = client.post("/api/tasks", json={"prompt": "p"})
            assert answer.status_code == STATUS[kind.code]
            assert answer.json() == {
                "error": {"code": kind.code, "message": "it broke", "hint": "mend it"}
            }
            chat = {"model": "symphony/auto", "messages": [{"role": "user", "content": "p"}]}
            answer = client.post("/v1/chat/completions", json=chat)
            assert answer.status_code == STATUS[kind.code]
            assert answer.json()["error"]["code"] == kind.code
            assert answer.json()["error"]["message"] == "it broke (mend it)"


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", ""),
        (b'{"prompt": "\\ud800"}', "not JSON"),
        (b'{"prompt": "p", "answer_schema": {"a": NaN}}', ""),
        (b'{"prompt": "p", "answer_schema": {"a": 1e999}}', ""),
        (b"{}", "prompt"),
        (b'{"prompt": ""}', "prompt"),
        (b'{"prompt": 3}', "prompt"),
        (b'{"prompt": "p", "chians": 3}', "unknown or unsupported parameter: chians"),
        (b'{"prompt": "p", "chains": "3"}', "chains"),
        (b'{"prompt": "p", "chains": 17}', "chains"),
        (b'{"prompt": "p", "chains": 0}', "chains"),
        (b'{"prompt": "p", "answer_type": "choice"}', 'needs `choices`, such as ["yes", "no"]'),
        (b'{"prompt": "p", "choices": ["a"], "answer_type": "text"}', "choices"),
        (b'{"prompt": "p", "answer_schema": {}, "answer_type": "text"}', "answer_schema"),
        (b'{"prompt": "p", "deadline_ms": 86400001}', "deadline_ms"),
        (('{"prompt": "' + "\u20ac" * 30_000 + '"}').encode(), "64 KiB"),
        (json.dumps({"prompt": "p", "answer_schema": {"a": "b" * 17_000}}).encode(), "schema"),
    ],
)
def test_a_bad_body_is_refused_by_name(live: Live, body: bytes, names: str):
    with live.client() as client:
        answer = client.post("/api/tasks", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "usage"
    assert names in answer.json()["error"]["message"]
    assert live.port.specs == []


def test_unknown_things_are_404_and_bad_ids_400(live: Live):
    with live.client() as client:
        for path in ("/api/tasks/" + "0" * 32, "/api/receipts/" + "0" * 64, "/nothing"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "usage")
        for path in ("/api/tasks/xyz", "/api/receipts/zz", "/api/ledger?limit=0"):
            assert client.get(path).status_code == 400
        assert client.get("/api/tasks/" + "g" * 32).status_code == 400
        assert client.delete("/api/tasks").status_code == 405


def test_the_views(live: Live):
    with live.client() as client:
        assert client.get("/api/status").json()["node"] == DID
        assert client.get("/api/peers").json()["peers"][0]["rtt_ms"] == 3
        agents = client.get("/api/agents").json()["agents"]
        assert agents[0]["skills"] == [{"name": "math", "description": "adds"}]
        page = client.get("/api/ledger?limit=2").json()
        assert ([e["position"] for e in page["entries"]], page["next"]) == ([1, 2], 2)
        page = client.get("/api/ledger?limit=2&after=2").json()
        assert ([e["position"] for e in page["entries"]], page["next"]) == ([3], None)
        assert client.get(f"/api/ledger?author={NODE.hex()}").json()["entries"]
        assert client.get("/api/ledger?author=" + "0" * 64).json()["entries"] == []
        assert client.get("/api/ledger?author=did:key:zzz").status_code == 400


def test_receipts_by_digest_and_by_task(live: Live):
    with live.client() as client:
        task = client.post("/api/tasks", json={"prompt": "p"}).json()["id"]
        for ref in (DIGEST.hex(), task):
            answer = client.get(f"/api/receipts/{ref}")
            assert answer.content == RECEIPT
            assert answer.headers["content-type"] == "application/cbor"
            assert answer.headers["symphony-receipt"] == DIGEST.hex()


def test_invites(live: Live):
    with live.client() as client:
        made = client.post("/api/invites", json={"minutes": 5, "scope": "observer"})
        assert made.status_code == 201
        assert made.json()["token"] == "token-of-joy"
        assert made.headers["cache-control"] == "no-store"
        assert client.post("/api/invites", json={"scope": "king"}).status_code == 400
        live.port.refuses = errors.AdmissionDenied("only the founder invites")
        assert client.post("/api/invites", json={}).status_code == 403


def test_metrics_count_the_events(live: Live):
    with live.client() as client:
        client.post("/api/tasks?wait=true", json={"prompt": "p"})
        live.port.ends = lambda task: ending(task, outcome="failed", error="no_bids")
        client.post("/api/tasks?wait=true", json={"prompt": "p"})
        text = ""
        for _ in range(100):  # the counting watcher is a task of its own
            text = client.get("/metrics").text
            if 'symphony_tasks_ended_total{outcome="failed"} 1.0' in text:
                break
    assert 'symphony_tasks_ended_total{outcome="answered"} 1.0' in text
    assert "symphony_awards_total 2.0" in text
    assert "symphony_task_seconds_count 2.0" in text
    assert "symphony_peers 2.0" in text
    assert "symphony_tokens_total 154.0" in text
    assert "python_info" not in text
    assert f'symphony_engine_running{{engine="replay",model="{HOSTED}"}} 2.0' in text
    assert f'symphony_engine_tokens_total{{engine="replay",model="{HOSTED}"}} 9.0' in text
    assert "symphony_engine_memory_bytes{" not in text, "what a server does not say is no sample"
    assert 'symphony_gpu_used_bytes{gpu="0"} 3.0' in text


def test_a_bug_is_a_500_without_internals_and_a_log_line(live: Live):
    logged: queue.Queue[logging.LogRecord] = queue.Queue()
    handler = logging.handlers.QueueHandler(logged)
    logging.getLogger("symphony.gateway").addHandler(handler)
    try:
        live.port.refuses = ZeroDivisionError("secret inside")  # type: ignore[assignment]
        answer = live.ask("POST", "/api/tasks", json={"prompt": "p"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "error")
        assert "secret" not in answer.text
        assert "secret inside" in logged.get(timeout=WAIT_S).getMessage()
    finally:
        logging.getLogger("symphony.gateway").removeHandler(handler)


def test_who_mistypes_a_name_is_told_the_right_one(live: Live):
    def hint(path: str, body: dict[str, object]) -> str:
        return str(live.ask("POST", path, json=body).json()["error"]["hint"])

    assert hint("/api/tasks", {"prompt": "p", "chians": 3}) == "did you mean chains?"
    ask = [{"role": "user", "content": "p"}]
    inner = {"model": "symphony/auto", "messages": ask, "symphony": {"answer_typ": "text"}}
    assert hint("/v1/chat/completions", inner) == "did you mean answer_type?"
    assert "docs/gateway.md" in hint("/api/tasks", {"prompt": "p", "zzz": 3})
    assert "docs/gateway.md" in live.ask("GET", "/nothing").json()["error"]["hint"]
