"""A question, five processes, one answer with a receipt: the whole path, asked in every way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from ledger import parse_did_key
from symphony.client import Symphony
from symphony.core.receipts.bundle import receipt_digest, unsealed
from symphony.core.receipts.receipt import verify_receipt
from symphony.errors import ReceiptInvalid

from .stage import QUICK, RUN_S, Stage, ask, receipt_of, symphony, watch

pytestmark = pytest.mark.real


@pytest.fixture
def client(stage: Stage) -> Iterator[openai.OpenAI]:
    node = stage["n1"]
    with openai.OpenAI(base_url=f"{node.url}/v1", api_key=node.api_key, timeout=RUN_S) as made:
        yield made


def test_planned_elected_voted(stage: Stage) -> None:
    events = list(watch(stage["n1"], "ANSWER: 42", plan="always", answer_type="number"))
    kinds = [event["type"] for event in events]
    assert kinds[0] == "task"
    assert kinds[-1] == "verdict"
    assert kinds.count("plan") == 3
    assert not any(event["fallback"] for event in events if event["type"] == "plan")
    assert kinds.index("beacon") < kinds.index("bid") < kinds.index("award")
    assert kinds.index("result") < kinds.index("plan") < kinds.index("ballot")

    verdict = events[-1]
    assert (verdict["outcome"], verdict["answer"], verdict["error"]) == ("answered", "42", "")
    assert verdict["owner_failovers"] == 0
    awarded = {event["owner"] for event in events if event["type"] == "award"}
    assert len(awarded) > 1, "the work was spread"
    assert {ballot["owner"] for ballot in verdict["ballots"]} <= awarded


def test_every_ballot_is_in_the_receipt(stage: Stage) -> None:
    verdict = ask(stage["n3"], "ANSWER: 7", plan="always", answer_type="number", chains=5)
    data = receipt_of(stage["n3"], verdict)
    assert receipt_digest(data).hex() == verdict["receipt"]
    report = verify_receipt(data)
    assert (report.outcome, report.answer) == ("answered", "7")
    assert report.task.hex() == verdict["task"]
    assert [(b.chain, b.owner.hex(), b.answer) for b in report.ballots] == [
        (b["chain"], b["owner"], b["answer"]) for b in verdict["ballots"]
    ]
    for place in (100, len(data) // 2, len(data) - 100):
        bad = bytearray(data)
        bad[place] ^= 1
        with pytest.raises(ReceiptInvalid):
            verify_receipt(bytes(bad))


def test_a_receipt_is_sealed_by_those_who_saw_the_log(stage: Stage, tmp_path: Path) -> None:
    verdict = ask(stage["n2"], "ANSWER: 9", plan="never")
    file = tmp_path / "sealed.receipt"
    words = ("receipt", "fetch", verdict["task"], str(file), "--wait", "30s", "--json")
    done = symphony(stage["n2"].home, *words)
    assert done.json() == {"digest": verdict["receipt"], "witnesses": 3}
    report = verify_receipt(file.read_bytes())
    assert report.seal is not None
    others = {parse_did_key(stage[name].node) for name in ("n1", "n3", "n4", "n5")}
    assert len(others & set(report.seal.witnesses)) == 3
    assert report.answer == "9"


def test_by_the_sdk(stage: Stage) -> None:
    with Symphony(home=stage["n5"].home) as swarm:
        answer = swarm.tasks.run("ANSWER: blue", chains=3, skill=QUICK)
        assert answer.text == "blue"
        assert answer.receipt is not None
        assert answer.receipt.path is not None
        data = answer.receipt.path.read_bytes()
        assert unsealed(data) == unsealed(answer.receipt.fetch())
        assert hashlib.sha256(unsealed(data)).hexdigest() == answer.receipt.digest
        assert len(answer.ballots) >= 2


def test_by_the_openai_client(stage: Stage, client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="symphony/auto", messages=[{"role": "user", "content": "ANSWER: green"}]
    )
    assert raw.parse().choices[0].message.content == "green"
    digest = raw.headers["symphony-receipt"]
    assert verify_receipt(receipt_of(stage["n1"], {"receipt": digest})).answer == "green"


def test_streamed_by_the_openai_client(stage: Stage, client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="symphony/vote-5",
        messages=[{"role": "user", "content": "ANSWER: red"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "red"
    last = next(c for c in chunks if c.choices and c.choices[0].finish_reason == "stop")
    verdict = (last.model_extra or {})["symphony"]
    assert verify_receipt(receipt_of(stage["n1"], verdict)).answer == "red"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == verdict["tokens"]


def test_a_hosted_model_answers_alone(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="echo", messages=[{"role": "user", "content": "ANSWER: alone"}]
    )
    assert "symphony-receipt" not in raw.headers
    answer = raw.parse()
    assert answer.choices[0].message.content == "alone"
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0


def test_an_unknown_model_is_named_with_the_next_step(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(
            model="gpt-17", messages=[{"role": "user", "content": "ANSWER: no"}]
        )
    assert "no model 'gpt-17' here" in refused.value.message
    assert "GET /v1/models" in refused.value.message


def test_a_tampered_receipt_exits_7(stage: Stage, tmp_path: Path) -> None:
    data = bytearray(receipt_of(stage["n1"], ask(stage["n1"], "ANSWER: 1", plan="never")))
    file = tmp_path / "one.receipt"
    file.write_bytes(data)
    assert symphony(tmp_path, "receipt", "verify", str(file)).code == 0
    data[-40] ^= 1
    file.write_bytes(data)
    done = symphony(tmp_path, "receipt", "verify", str(file))
    assert (done.code, done.out) == (7, "")
    assert done.err.startswith("error: ")
