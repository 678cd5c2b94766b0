"""Any server that speaks OpenAI's chat protocol over HTTP: Ollama, LM Studio, SGLang,
llama-server, vLLM, a cloud if one insists.

Theory of operation: one streaming POST per generation. The stream is read piece by piece, each
wait under the request's deadline; leaving the context closes the connection, which every such
server takes as an abort. At most `concurrency` requests are in flight, a bounded number waits,
the next is refused. A request is sent again once, and only when it is known that not a byte of an
answer came (`AnswerBegun` says otherwise): after the first byte the server may have worked, and
asking twice would cost twice.

Servers on this machine are reached directly, whatever proxy the environment names.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx2
import trio

from symphony.capacity import Load
from symphony.core.owner.fitting import as_text
from symphony.engines import limits
from symphony.engines.address import key_headers, read_address, shown_address
from symphony.engines.base import Description, Event, Health, NoConstraint, Request
from symphony.engines.bodies import read_capped, refused
from symphony.engines.catalog import lineage_of
from symphony.engines.chat_stream import ChatStream
from symphony.engines.constraints import check_constraint
from symphony.engines.dialect import Dialect
from symphony.engines.doors import Answer, is_here, open_door
from symphony.engines.load import read_counters
from symphony.engines.probe import probe_dialect
from symphony.engines.refusals import refusal, refuse_packed, shown
from symphony.engines.slots import Slots, within
from symphony.engines.straight import AnswerBegun
from symphony.errors import EngineError, EngineUnavailable

# What httpx2 raises when the connection, and not the server's answer, is at fault.
_BROKEN = (httpx2.NetworkError, httpx2.RemoteProtocolError, httpx2.ConnectTimeout)


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class OpenAIEngine:
    """An engine behind a URL.

    `url` is the server's root, with or without its `/v1`. `model` None takes the first that the
    server lists. `dialect` None measures what the server honours, at the first need of it.
    `health_path` None asks `/v1/models`; without `metrics_path` no counters are read. Raises
    `ConfigError` for an address or a key that can't be used.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        kind: str = "openai",
        lineage: str | None = None,
        context_tokens: int | None = None,
        concurrency: int = limits.CONCURRENCY,
        dialect: Dialect | None = None,
        health_path: str | None = None,
        metrics_path: str | None = None,
        api_key: str | None = None,
    ) -> None:
        root = read_address(url)
        headers = key_headers(api_key)
        self._client = httpx2.AsyncClient(
            base_url=root,
            # Unpacking and cookies would let a server make us work, or send it anything for ever.
            headers={"accept-encoding": "identity", **headers},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            trust_env=not is_here(root),
            timeout=httpx2.Timeout(None, connect=limits.CONNECT_SECONDS),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=concurrency),
        )
        chat_url = httpx2.URL(f"{str(root).rstrip('/')}/v1/chat/completions")
        self._door = open_door(self._client, chat_url, headers, concurrency)
        self._kind = kind
        self._model = model
        self._lineage = lineage
        self._context_tokens = context_tokens
        self._concurrency = concurrency
        self._dialect = dialect
        self._dialect_lock = trio.Lock()
        self._health_path = health_path or "/v1/models"
        self._metrics_path = metrics_path
        self._slots = Slots(concurrency)

    @property
    def url(self) -> str:
        """The server's root as it was given, a password in it included: not to be shown."""
        return str(self._client.base_url).rstrip("/")

    async def describe(self) -> Description:
        listed = await self._find_model()
        context = self._context_tokens or _context_of(listed) or limits.CONTEXT_TOKENS
        return Description(
            engine=self._kind,
            model=str(listed["id"]),
            lineage=self._lineage or lineage_of(str(listed["id"])),
            context_tokens=context,
            concurrency=self._concurrency,
            features=(await self._measured_dialect()).features,
        )

    def generate(
        self, request: Request, *, model: str | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """`model` is another one of the same server, instead of ours: an adapter."""
        return self._generate(request, model)

    @asynccontextmanager
    async def _generate(
        self, request: Request, model: str | None
    ) -> AsyncIterator[AsyncIterator[Event]]:
        deadline = trio.current_time() + request.deadline_ms / 1000
        body = await self._body(request, deadline, model)
        async with (
            self._slots.take(deadline, own=request.own),
            await self._ask(body, deadline) as answer,
        ):
            if answer.head.status != 200:
                raise await refusal(answer.head, aiter(answer), deadline)
            refuse_packed(answer.head)
            kind, named = self._kind, body["model"]
            stream = ChatStream(answer, request, deadline, kind=kind, model=named)
            yield stream
            if stream.complete:
                await answer.run_out()

    async def health(self) -> Health:
        try:
            await self._get(self._health_path)
        except EngineError as error:
            return Health(ok=False, detail=str(error))
        return Health(ok=True, detail="answers")

    async def load(self) -> Load:
        """What the server is busy with, by its own counters where it publishes any. Raises
        `EngineUnavailable`.
        """
        if self._metrics_path is None:
            return Load(waiting=self._slots.waiting)
        page = await self._get(self._metrics_path)
        return read_counters(page.decode("utf-8", errors="replace"), self._slots.waiting)

    async def aclose(self) -> None:
        await self._door.aclose()
        await self._client.aclose()

    async def _body(self, request: Request, deadline: float, model: str | None) -> dict[str, Any]:
        check_prompt(request)
        check_constraint(request.constraint)
        fields: dict[str, Any] = {}
        with within(deadline):
            if not isinstance(request.constraint, NoConstraint):
                fields = (await self._measured_dialect()).fields(request.constraint)
            named = model or self._model or str((await self._find_model())["id"])
        body: dict[str, Any] = {
            "model": named,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "stream": True,
            "stream_options": {"include_usage": True},
            **fields,
        }
        if request.seed is not None:
            body["seed"] = request.seed
        if request.stop:
            body["stop"] = list(request.stop)
        if request.logprobs:
            body["logprobs"] = True
        return body

    async def _ask(self, body: dict[str, Any], deadline: float) -> Answer:
        text = _encode(body).encode()
        sent = 0
        while True:
            sent += 1
            try:
                with within(deadline):
                    return await self._door.ask(text, fresh=sent > 1)
            except AnswerBegun as error:
                raise self._unreachable(error, "no whole answer") from error
            except _BROKEN as error:
                if sent == limits.SENDS:
                    raise self._unreachable(error) from error
            except httpx2.HTTPError as error:
                raise EngineError(f"the request failed: {type(error).__name__}") from error

    async def _sent(self, request: httpx2.Request) -> httpx2.Response:
        """Send a question that costs the server next to nothing, and once more if the connection
        broke: servers close kept ones when they like.
        """
        sent = 0
        while True:
            sent += 1
            try:
                return await self._client.send(request, stream=True)
            except _BROKEN as error:
                if sent == limits.SENDS:
                    raise self._unreachable(error) from error

    async def _find_model(self) -> dict[str, Any]:
        """The server's own entry for our model, or for its first when we name none."""
        listed = await self.list_models()
        if not listed:
            raise EngineUnavailable("the server has no model", hint="load one into it")
        if self._model is None:
            return listed[0]
        for entry in listed:
            if entry["id"] == self._model:
                return entry
        names = ", ".join(shown(entry["id"], limits.NAME_SHOWN_CHARS) for entry in listed[:5])
        raise EngineUnavailable(
            f"the server does not have the model {self._model!r}", hint=f"it has: {names}"
        )

    async def list_models(self) -> list[dict[str, Any]]:
        """The entries of `/v1/models` that carry an id of at most `limits.MODEL_NAME_CHARS`, as the
        server wrote them.
        """
        return _parse_models(await self._get("/v1/models"))

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """What the server answers to a body about our model, or the one that it names, outside of
        the generations that are counted here. Raises `EngineError`.
        """
        request = self._client.build_request("POST", path, json={"model": self._model, **body})
        return parse_object(await self._fetch(request, limits.PROBE_SECONDS))

    async def _get(self, path: str) -> bytes:
        return await self._fetch(self._client.build_request("GET", path), limits.HEALTH_SECONDS)

    async def _fetch(self, request: httpx2.Request, seconds: float) -> bytes:
        try:
            with trio.fail_after(seconds):
                response = await self._sent(request)
                if response.status_code != 200:
                    raise await refused(response)
                return await read_capped(response, limits.RESPONSE_BYTES)
        except (trio.TooSlowError, httpx2.HTTPError) as error:
            raise self._unreachable(error) from error

    async def _measured_dialect(self) -> Dialect:
        async with self._dialect_lock:
            if self._dialect is None:
                model = str((await self._find_model())["id"])
                self._dialect = await probe_dialect(self._client, model)
            return self._dialect

    def _unreachable(self, error: Exception, what: str = "no answer") -> EngineUnavailable:
        cause = error.__cause__ if isinstance(error, AnswerBegun) else error
        return EngineUnavailable(
            f"{what} from {shown_address(self._client.base_url)}: {type(cause).__name__}",
            hint="start the model server, or correct the engine's url",
        )


def check_prompt(request: Request) -> None:
    """Raise `EngineError` for messages that are too long for any engine."""
    sent_bytes = sum(len(message.content.encode()) for message in request.messages)
    if sent_bytes > limits.PROMPT_BYTES:
        raise EngineError(
            f"the prompt has {sent_bytes} bytes, more than {limits.PROMPT_BYTES}",
            hint="shorten the messages",
        )


def parse_object(content: bytes) -> dict[str, Any]:
    """A JSON object, or `EngineError`."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise EngineError("the model server's answer is not JSON") from error
    if not isinstance(value, dict):
        raise EngineError("the model server's answer is not an object")
    return value


def _parse_models(content: bytes) -> list[dict[str, Any]]:
    try:
        data = json.loads(content)["data"]
        entries = [entry for entry in data[: limits.MODELS_LISTED] if isinstance(entry, dict)]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise EngineError(
            "the server's list of models is not one", hint="is this an OpenAI-style server?"
        ) from error
    named = [entry for entry in entries if _is_name(entry.get("id"))]
    # A name goes into requests and signed records, and lone surrogates have no bytes there.
    return [{**entry, "id": as_text(entry["id"])} for entry in named]


def _is_name(value: object) -> bool:
    """Whether a model can be called so: a longer text would be held, sent and shown for ever."""
    return isinstance(value, str) and 0 < len(value) <= limits.MODEL_NAME_CHARS


def _context_of(entry: dict[str, Any]) -> int | None:
    """The context of a slot: `max_model_len` of vLLM, `meta.n_ctx` of llama.cpp. Of a larger one
    than there is, `CONTEXT_TOKENS_MOST`.
    """
    meta = entry.get("meta")
    for value in (entry.get("max_model_len"), isinstance(meta, dict) and meta.get("n_ctx")):
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return min(value, limits.CONTEXT_TOKENS_MOST)
    return None
