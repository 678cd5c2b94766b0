"""A server that says absurd things of itself, or counts absurdly: nothing of it ends a node."""

from __future__ import annotations

import json

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from symphony.core.records import CAPABILITY
from symphony.engines import limits
from symphony.engines.audit import score
from symphony.engines.base import Chunk, Description, Finished, Message
from symphony.engines.dialect import LLAMACPP
from symphony.engines.openai import OpenAIEngine
from symphony.errors import EngineError
from symphony.manifests import AgentManifest, capability, load_manifest

from .conftest import ask, run, write_agent
from .test_wire import delta, events, listen, response


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> AgentManifest:
    return load_manifest(write_agent(tmp_path_factory.mktemp("agent")))


@pytest.mark.parametrize(
    ("entry", "context"),
    [
        ({"max_model_len": 10**30}, limits.CONTEXT_TOKENS_MOST),
        ({"meta": {"n_ctx": 2**40}}, limits.CONTEXT_TOKENS_MOST),
        ({"max_model_len": True, "meta": {"n_ctx": 4096}}, 4096),
        ({"max_model_len": -1, "meta": [True]}, limits.CONTEXT_TOKENS),
        ({"max_model_len": 1e300}, limits.CONTEXT_TOKENS),
    ],
)
async def test_what_a_server_lists_fits_a_record_and_a_request(
    nursery: trio.Nursery, manifest: AgentManifest, entry: dict[str, object], context: int
):
    page = json.dumps({"data": [{"id": "odd\ud800" + "x" * 100, **entry}]}).encode()
    said = events(delta("hi"), delta("", "stop"), "[DONE]")

    async def handler(stream: trio.SocketStream, number: int) -> None:
        await stream.send_all(
            response(page if number < 3 else said, headers="connection: close\r\n")
        )

    engine = OpenAIEngine(await listen(nursery, handler), dialect=LLAMACPP)
    described = await engine.describe()
    assert (described.context_tokens, described.model[:5]) == (context, "odd?x")
    record = capability(manifest, described, {})
    assert CAPABILITY.decode(CAPABILITY.encode(record)) == record
    assert (await run(engine, ask()))[0] == "hi", "and the name can be asked for"
    await engine.aclose()
    nursery.cancel_scope.cancel()


HUGE = "1" + "0" * 400  # an integer that is no float


@pytest.mark.parametrize("logprob", [f"-{HUGE}", "-1e308", "true", "-Infinity", '"high"'])
@pytest.mark.parametrize("count", [HUGE, str(2**32), "true", "-1"])
async def test_absurd_numbers_in_an_answer_are_none(
    nursery: trio.Nursery, logprob: str, count: str
):
    token = f'{{"logprob": {logprob}}}'
    said = events(
        f'{{"choices": [{{"delta": {{"content": "a"}}, "logprobs": {{"content": [{token}]}}}}]}}',
        delta("b\ud800", logprobs={"content": [{"logprob": -0.5}]}),
        delta("", "stop"),
        f'{{"choices": [], "usage": {{"prompt_tokens": 3, "completion_tokens": {count}}}}}',
        "[DONE]",
    )

    async def handler(stream: trio.SocketStream, _: int) -> None:
        await stream.send_all(response(said))

    engine = OpenAIEngine(await listen(nursery, handler), model="m")
    async with engine.generate(ask(logprobs=True)) as stream:
        *chunks, end = [event async for event in stream]
    assert chunks == [Chunk("a"), Chunk("b?", -0.5)]
    assert isinstance(end, Finished)
    assert (end.completion_tokens, end.usage_estimated, end.mean_logprob) == (2, True, -0.5)
    await engine.aclose()
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("count", "token"),
    [
        ("1", f'{{"logprob": -{HUGE}, "rank": 1}}'),
        ("1", '{"logprob": -1e308, "rank": 1}'),
        ("1", '{"logprob": -0.5, "rank": Infinity}'),
        ("1", '{"rank": 1}'),
        ("1e400", '{"logprob": -0.5, "rank": 1}'),
        ("-1", '{"logprob": -0.5, "rank": 1}'),
        ("1", None),
    ],
)
async def test_an_audit_of_absurd_numbers_is_a_typed_error(
    nursery: trio.Nursery, count: str, token: str | None
):
    row = "{}" if token is None else f'{{"7": {token}}}'
    pages = [f'{{"count": {count}}}', f'{{"prompt_logprobs": [null, {row}]}}']

    async def handler(stream: trio.SocketStream, number: int) -> None:
        await stream.send_all(response(pages[number - 1].encode(), headers="connection: close\r\n"))

    engine = OpenAIEngine(await listen(nursery, handler), model="m")
    with pytest.raises(EngineError):
        await score(engine, (Message("user", "?"),), "a")
    await engine.aclose()
    nursery.cancel_scope.cancel()


NAMES = st.one_of(st.sampled_from(["", "\ud800", "m" * 65]), st.text(max_size=5))
NUMBERS = st.one_of(st.integers(), st.sampled_from([0, 2**32, 10**30]))


@settings(max_examples=50)
@given(NAMES, NUMBERS, NUMBERS)
def test_whatever_an_engine_says_of_itself_peers_can_read_the_record(
    manifest: AgentManifest, name: str, context: int, concurrency: int
):
    described = Description(name, name, name, context, concurrency)
    record = capability(manifest, described, {})
    assert CAPABILITY.decode(CAPABILITY.encode(record)) == record


async def test_long_names_and_signs_in_them_stay_out_of_errors(nursery: trio.Nursery):
    names = ["\x1b[31mred\nerror: forged", "m" * limits.MODEL_NAME_CHARS, "m" * 1_500_000]
    page = json.dumps({"data": [{"id": name} for name in names]}).encode()
    said = events({**delta("hi", "stop"), "model": "m" * 500_000}, "[DONE]")

    async def handler(stream: trio.SocketStream, number: int) -> None:
        await stream.send_all(
            response(page if number < 3 else said, headers="connection: close\r\n")
        )

    engine = OpenAIEngine(await listen(nursery, handler), model="other", dialect=LLAMACPP)
    assert [entry["id"] for entry in await engine.list_models()] == names[:2]
    with pytest.raises(EngineError) as caught:
        await engine.describe()
    assert caught.value.hint == f"it has: [31mred error: forged, {'m' * limits.NAME_SHOWN_CHARS}"
    assert len((await run(engine, ask()))[1].model) == limits.MODEL_NAME_CHARS
    await engine.aclose()
    nursery.cancel_scope.cancel()
