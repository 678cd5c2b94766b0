"""The official `openai` client against the real gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest

from gateway.fake_port import DIGEST, HOSTED, ending
from gateway.live import NO_TLS, Live
from symphony.errors import EngineOverloaded
from symphony.gateway.chat_models import render_prompt
from symphony.gateway.completion import Completion
from symphony.gateway.faults import Refused
from symphony.gateway.port import ChatMessage
from symphony.gateway.sse import encode_json

WAIT_S = 10
ASK: Any = [{"role": "user", "content": "6 * 7?"}]
TASK_1 = bytes(15) + b"\x01"


@pytest.fixture
def client(live: Live) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{live.url}/v1",
        api_key=live.key,
        timeout=WAIT_S,
        http_client=httpx2.Client(verify=NO_TLS),
    ) as made:
        yield made


@pytest.mark.parametrize("text", ["", 'a "word"', "line\nline", "\u2028 é 😀", '""', "\\"])
def test_a_chunk_of_text_is_the_chunk_that_it_stands_for(text: str):
    made = Completion('a "model"')
    assert made.text_chunk(text) == encode_json(made.chunk({"content": text}))


def test_models(client: openai.OpenAI):
    names = [model.id for model in client.models.list()]
    assert names[0] == "symphony/auto"
    assert "symphony/vote-5" in names
    assert names[-1] == HOSTED
    assert "far-7b" not in names
    assert client.models.retrieve("symphony/vote-9").id == "symphony/vote-9"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("far-7b")


def test_a_voted_answer(live: Live, client: openai.OpenAI):
    raw = client.chat.completions.with_raw_response.create(model="symphony/auto", messages=ASK)
    assert raw.headers["symphony-receipt"] == DIGEST.hex()
    answer = raw.parse()
    assert answer.choices[0].message.content == "42"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (60, 17)
    assert answer.usage.total_tokens == 77
    extra = answer.model_extra or {}
    assert (extra["symphony"]["outcome"], extra["symphony"]["task"]) == ("answered", TASK_1.hex())
    assert (extra["symphony"]["agreeing"], extra["symphony"]["level"]) == (1, 1)
    assert "symphony-ignored" not in raw.headers
    assert (live.port.specs[0].prompt, live.port.specs[0].chains) == ("6 * 7?", 3)


def test_judges_by_the_name_of_the_model(live: Live, client: openai.OpenAI):
    client.chat.completions.create(model="symphony/ranked", messages=ASK)
    assert (live.port.specs[0].rule, live.port.specs[0].chains) == ("ranked", 3)
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(
            model="symphony/ranked", messages=ASK, extra_body={"symphony": {"rule": "match"}}
        )


def test_a_streamed_voted_answer(client: openai.OpenAI):
    stream = client.chat.completions.create(
        model="symphony/vote-5",
        messages=ASK,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "42"
    final = next(c for c in chunks if c.choices and c.choices[0].finish_reason == "stop")
    assert (final.model_extra or {})["symphony"]["receipt"] == DIGEST.hex()
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 17
    assert len({c.id for c in chunks}) == 1
    assert len(chunks) == 4  # opening, answer, end, usage


def test_progress_on_request(live: Live, client: openai.OpenAI):
    stream = client.chat.completions.create(
        model="symphony/vote-5",
        messages=ASK,
        stream=True,
        extra_body={"symphony": {"progress": True, "chains": 2, "plan": "never"}},
    )
    kinds = [(c.model_extra or {}).get("symphony", {}).get("type") for c in stream]
    wanted = [None, "task", "beacon", "award", "token", "token", "ballot", None, "verdict"]
    assert kinds == wanted
    assert (live.port.specs[0].chains, live.port.specs[0].planning) == (2, "never")


def test_options_reach_the_spec(live: Live, client: openai.OpenAI):
    client.chat.completions.create(
        model="symphony/vote-16",
        messages=ASK,
        max_completion_tokens=50,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "a", "schema": {"type": "object"}, "strict": True},
        },
        extra_body={"symphony": {"privacy": "local", "deadline_ms": 1000, "budget_tokens": 9}},
    )
    spec = live.port.specs[0]
    assert (spec.chains, spec.max_tokens) == (16, 50)
    assert (spec.answer_type, spec.answer_schema) == ("json", '{"type":"object"}')
    assert (spec.privacy, spec.deadline_ms, spec.budget_tokens) == ("local", 1000, 9)


@pytest.mark.parametrize(
    "more",
    [
        {"n": 2},
        {"logprobs": True},
        {"temperature": 3},
        {"stop": [""]},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"presence_penalty": 3},
        {"logit_bias": {"1": 2}},
        {"store": True},
        {"max_tokens": 0},
        {"response_format": {"type": "json_object"}},
    ],
)
def test_what_a_vote_cannot_honour_is_a_clear_400(client: openai.OpenAI, more: dict[str, Any]):
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="symphony/auto", messages=ASK, **more)
    (name,) = more
    body: Any = refused.value.body
    assert name in body["message"]
    assert body["param"].startswith(name)
    assert (body["code"], body["type"]) == ("usage", "invalid_request_error")


def test_neutral_parameters_pass(client: openai.OpenAI):
    client.chat.completions.create(
        model="symphony/auto",
        messages=ASK,
        n=1,
        logprobs=False,
        tools=[],
        presence_penalty=0,
        user="me",
        metadata={"a": "b"},
        store=False,
    )


@pytest.mark.parametrize("stream", [True, False])
def test_how_a_text_is_drawn_is_the_agents_own_affair_and_said_so(
    client: openai.OpenAI, stream: bool
):
    """Many clients send these with every request, and can't be told not to."""
    ask = client.chat.completions.with_raw_response.create
    sent: Any = {"temperature": 0, "top_p": 0.5, "seed": 1, "presence_penalty": 0}
    raw = ask(model="symphony/vote-1", messages=ASK, stream=stream, frequency_penalty=0.2, **sent)
    assert raw.headers["symphony-ignored"] == "temperature, top_p, seed, frequency_penalty"
    raw = ask(model=HOSTED, messages=ASK, stream=stream, frequency_penalty=0.2, **sent)
    assert raw.headers["symphony-ignored"] == "frequency_penalty"


@pytest.mark.parametrize("stream", [True, False])
def test_a_voted_answer_ends_before_a_stop_text(live: Live, client: openai.OpenAI, stream: bool):
    live.port.ends = lambda task: ending(task, answer="one. two; three")
    answer: Any = client.chat.completions.create(
        model="symphony/vote-1", messages=ASK, stop=[";", "."], stream=stream
    )
    if stream:
        assert "".join(chunk.choices[0].delta.content or "" for chunk in answer) == "one"
    else:
        assert answer.choices[0].message.content == "one"


@pytest.mark.parametrize("model", ["gpt-5", "symphony/vote-17", "symphony/vote-0", "far-7b"])
def test_an_unknown_model_is_404(client: openai.OpenAI, model: str):
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model=model, messages=ASK)
    assert missing.value.code == "model_error"
    assert ("have: symphony/vote-16" in missing.value.message) == model.startswith("symphony/vote-")


def test_a_wrong_key_is_401(live: Live):
    with (
        openai.OpenAI(base_url=f"{live.url}/v1", api_key="wrong") as client,
        pytest.raises(openai.AuthenticationError) as refused,
    ):
        client.models.list()
    assert refused.value.type == "authentication_error"


def test_a_failed_task_is_not_retried_and_tells_its_best_answer(live: Live, client: openai.OpenAI):
    live.port.ends = lambda task: ending(
        task, outcome="not_certified", error="not_certified", message="4 of 5 agree", answer="41"
    )
    with pytest.raises(openai.UnprocessableEntityError) as failed:
        client.chat.completions.create(model="symphony/auto", messages=ASK)
    body: Any = failed.value.body
    assert (body["code"], body["message"]) == ("not_certified", "4 of 5 agree")
    assert body["symphony"]["answer"] == "41"
    live.port.ends = lambda task: ending(task, outcome="failed", error="no_bids", answer="")
    with pytest.raises(openai.InternalServerError) as failed:
        client.chat.completions.create(model="symphony/auto", messages=ASK)
    assert failed.value.code == "no_bids"
    assert len(live.port.specs) == 2


def test_a_failed_task_in_a_stream_is_an_error_of_the_client(live: Live, client: openai.OpenAI):
    live.port.ends = lambda task: ending(
        task, outcome="expired", error="budget_exhausted", message="time is spent", answer=""
    )
    stream = client.chat.completions.create(model="symphony/auto", messages=ASK, stream=True)
    with pytest.raises(openai.APIError, match="time is spent") as failed:
        list(stream)
    assert failed.value.code == "budget_exhausted"


def test_leaving_a_stream_cancels_the_task(live: Live, client: openai.OpenAI):
    live.port.holding = True
    stream = client.chat.completions.create(model="symphony/auto", messages=ASK, stream=True)
    assert next(iter(stream)).choices[0].delta.role == "assistant"
    stream.close()
    assert live.port.cancelled.get(timeout=WAIT_S) == TASK_1


def test_leaving_a_plain_request_cancels_the_task(live: Live, client: openai.OpenAI):
    live.port.holding = True
    impatient = client.with_options(timeout=0.3, max_retries=0)
    with pytest.raises(openai.APITimeoutError):
        impatient.chat.completions.create(model="symphony/auto", messages=ASK)
    assert live.port.cancelled.get(timeout=WAIT_S) == TASK_1


def test_pass_through(live: Live, client: openai.OpenAI):
    answer = client.chat.completions.create(
        model=HOSTED,
        messages=[{"role": "system", "content": "s"}, *ASK],
        temperature=0.5,
        top_p=0.9,
        seed=7,
        stop="END",
        max_tokens=5,
    )
    assert answer.choices[0].message.content == "Hello"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (5, 2)
    model, turns, options = live.port.chats[0]
    assert (model, turns[0]) == (HOSTED, ChatMessage("system", "s"))
    assert (options.temperature, options.top_p, options.seed) == (0.5, 0.9, 7)
    assert (options.stop, options.max_tokens) == (("END",), 5)
    assert live.port.specs == []
    with pytest.raises(openai.BadRequestError, match="swarm model"):
        client.chat.completions.create(
            model=HOSTED, messages=ASK, extra_body={"symphony": {"chains": 2}}
        )


def test_pass_through_streamed(client: openai.OpenAI):
    stream = client.chat.completions.create(model=HOSTED, messages=ASK, stream=True)
    pieces = [chunk.choices[0].delta.content for chunk in stream]
    assert pieces == ["", "Hel", "lo", None]


@pytest.mark.parametrize("stream", [True, False])
def test_pass_through_errors_keep_their_status(live: Live, client: openai.OpenAI, stream: bool):
    live.port.chat_fails = EngineOverloaded("full", retry_after_ms=2000)
    patient = client.with_options(max_retries=0)
    with pytest.raises(openai.RateLimitError) as refused:
        patient.chat.completions.create(model=HOSTED, messages=ASK, stream=stream)
    assert refused.value.response.headers["retry-after"] == "2"


def test_leaving_a_pass_through_stream_aborts_the_generation(live: Live, client: openai.OpenAI):
    live.port.chat_holds = True
    stream = client.chat.completions.create(model=HOSTED, messages=ASK, stream=True)
    assert next(iter(stream))
    stream.close()
    assert live.port.aborted.get(timeout=WAIT_S) == HOSTED


def test_the_wire_of_a_stream(live: Live):
    body = {"model": HOSTED, "messages": ASK, "stream": True}
    text = live.ask("POST", "/v1/chat/completions", json=body).text
    events = [part for part in text.split("\n\n") if part.startswith("data: ")]
    assert events[-1] == "data: [DONE]"
    assert all(json.loads(event[6:])["object"] for event in events[:-1])


def test_a_resubmit_by_idempotency_key_is_one_task(live: Live):
    body = {"model": "symphony/auto", "messages": ASK}
    key = {"Idempotency-Key": "once"}
    first: httpx2.Response = live.ask("POST", "/v1/chat/completions", json=body, headers=key)
    second = live.ask("POST", "/v1/chat/completions", json=body, headers=key)
    assert first.json()["symphony"]["task"] == second.json()["symphony"]["task"]
    assert len(live.port.specs) == 1


def test_how_a_conversation_becomes_a_prompt():
    user, earlier = ChatMessage("user", "And 8?"), ChatMessage("user", "6 * 7?")
    assert render_prompt((user,)) == "And 8?"
    rendered = render_prompt(
        (ChatMessage("system", "Be brief."), earlier, ChatMessage("assistant", "42"), user)
    )
    assert rendered == (
        "Be brief.\n\nThe conversation so far:\nUser: 6 * 7?\nAssistant: 42\n\n"
        "The question to answer now:\nAnd 8?"
    )
    with pytest.raises(Refused):
        render_prompt((user, ChatMessage("assistant", "42")))
    with pytest.raises(Refused):
        render_prompt((ChatMessage("user", "  "),))
