"""`AsyncSymphony`: the SDK for asyncio and trio.

    async with AsyncSymphony() as swarm:
        answer = await swarm.tasks.run("How many …?", chains=3, answer_type="number")

Only moving bytes is done here; what to send and what it means is in `wire` and `stream`. The
blocking sister in `sync` has the same methods.

Every asynchronous generator below is closed by the one that iterates it, at once and not by the
garbage collector: that is what makes leaving a loop early abort the request on both loops.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, overload

import anyio
import httpx2
from pydantic import BaseModel

from symphony.client import limits, wire
from symphony.client.answer import Answer, Shape, TaskEvent, answer_of
from symphony.client.connect import client_options, unreachable
from symphony.client.locate import Place, locate
from symphony.client.sealed import Patience
from symphony.client.stream import Decoder, Follow
from symphony.client.wire import Call, Reply, Retry, TaskOptions

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


class AsyncSymphony:
    """A connection to the gateway of one node, as `Symphony` is, for the loop it is used in."""

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        home: str | os.PathLike[str] | None = None,
        timeout_s: float = limits.TIMEOUT_S,
        max_retries: int = limits.MAX_RETRIES,
    ) -> None:
        place = locate(url, api_key, home)
        self._wire = _Wire(place, timeout_s, max_retries)
        self.tasks = AsyncTasks(self._wire)
        self.receipts = AsyncReceipts(self._wire)

    async def status(self) -> dict[str, Any]:
        return dict(await self._wire.call(wire.get("/api/status")))

    async def peers(self) -> list[dict[str, Any]]:
        return await self._wire.call(wire.listing("/api/peers", "peers"))

    async def agents(self) -> list[dict[str, Any]]:
        return await self._wire.call(wire.listing("/api/agents", "agents"))

    async def aclose(self) -> None:
        await self._wire.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.aclose()


class AsyncTasks:
    """`swarm.tasks`."""

    def __init__(self, connection: _Wire) -> None:
        self._wire = connection

    @overload
    async def run(
        self, prompt: str, *, output_type: type[M], **options: Unpack[TaskOptions]
    ) -> Answer[M]: ...
    @overload
    async def run(
        self, prompt: str, *, output_type: None = None, **options: Unpack[TaskOptions]
    ) -> Answer[Any]: ...
    async def run(
        self,
        prompt: str,
        *,
        output_type: type[BaseModel] | None = None,
        **options: Unpack[TaskOptions],
    ) -> Answer[Any]:
        """As `Tasks.run`; cancelling the caller cancels the task everywhere, too."""
        asked = wire.submission(prompt, output_type, options)
        verdict = await self._wire.run(asked)
        return answer_of(verdict, asked.shape, self._wire.home, self._wire.receipt)

    async def submit(
        self,
        prompt: str,
        *,
        output_type: type[BaseModel] | None = None,
        **options: Unpack[TaskOptions],
    ) -> AsyncTask:
        """As `Tasks.submit`."""
        asked = wire.submission(prompt, output_type, options)
        return AsyncTask(self._wire, await self._wire.call(asked.call()), asked.shape)

    async def get(self, task_id: str) -> AsyncTask:
        """As `Tasks.get`."""
        view = await self._wire.call(wire.get(f"/api/tasks/{wire.word(task_id)}"))
        return AsyncTask(self._wire, view["id"], wire.shape_of(view))

    async def list(self) -> list[dict[str, Any]]:
        """As `Tasks.list`."""
        return await self._wire.call(wire.listing("/api/tasks", "tasks"))


class AsyncTask:
    """A submitted task."""

    def __init__(self, connection: _Wire, task_id: str, shape: Shape) -> None:
        self._wire = connection
        self._shape = shape
        self.id = task_id

    def events(self, *, tokens: bool = True) -> AsyncGenerator[TaskEvent, None]:
        """As `Task.events`. Who may leave the loop early, iterates it in `aclosing(...)`."""
        return self._wire.events(self.id, Follow(), tokens=tokens)

    async def result(self) -> Answer[Any]:
        """As `Task.result`."""
        follow = Follow()
        async with aclosing(self._wire.events(self.id, follow, tokens=False)) as events:
            async for _ in events:
                pass
        assert follow.verdict is not None, "`events` ends with a verdict or an error"
        return answer_of(follow.verdict, self._shape, self._wire.home, self._wire.receipt)

    async def info(self) -> dict[str, Any]:
        """As `Task.info`."""
        return dict(await self._wire.call(wire.get(f"/api/tasks/{self.id}")))

    async def cancel(self) -> bool:
        """As `Task.cancel`."""
        return await self._wire.call(wire.cancel(self.id))

    def __repr__(self) -> str:
        return f"AsyncTask({self.id!r})"


class AsyncReceipts:
    """`swarm.receipts`."""

    def __init__(self, connection: _Wire) -> None:
        self._wire = connection

    async def get(self, reference: str, *, wait_s: float = 0) -> bytes:
        """As `Receipts.get`."""
        if not wait_s:
            return await self._wire.receipt(reference)
        status = await self._wire.call(wire.get("/api/status"))
        patience = Patience(wait_s, status["peers"])
        while True:
            data = await self._wire.receipt(reference)
            pause = patience.pause_s(data)
            if pause is None:
                return data
            await anyio.sleep(pause)


class _Wire:
    """Asynchronous transport: bytes out, bytes in, and the pauses between tries."""

    def __init__(self, place: Place, timeout_s: float, max_retries: int) -> None:
        self._place = place
        self._retries = max_retries
        self.home: Path | None = place.file.parent if place.file else None
        self.http = httpx2.AsyncClient(**client_options(place, timeout_s))

    async def call(self, call: Call[T]) -> T:
        retry = Retry(self._retries, call.repeatable)
        while True:
            try:
                response = await self.http.request(
                    call.method, call.path, json=call.body, headers=call.headers
                )
            except httpx2.TransportError as error:
                sent = not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
                pause = retry.after_failure(sent=sent)
                if pause is None:
                    raise unreachable(self._place, error) from error
            else:
                reply = Reply(response.status_code, response.headers, response.content)
                pause = retry.after_reply(reply)
                if pause is None:
                    return call.result(reply)
            await anyio.sleep(pause)

    async def receipt(self, reference: str) -> bytes:
        return await self.call(wire.receipt(reference))

    async def run(self, asked: wire.Submission) -> Any:
        """The verdict of a task that is tied to this very connection: never sent again."""
        follow = Follow()
        headers = asked.headers() | {"Accept": "text/event-stream"}
        path = "/api/tasks?wait=true&tokens=false"
        try:
            async with (
                self._stream("POST", path, headers, asked.body) as chunks,
                aclosing(_events_in(chunks, follow)) as events,
            ):
                async for _ in events:
                    pass
        except httpx2.TransportError as error:
            raise unreachable(self._place, error) from error
        if follow.verdict is None:
            follow.lost("the gateway stopped", 0)
        return follow.verdict

    async def events(
        self, task: str, follow: Follow, *, tokens: bool
    ) -> AsyncGenerator[TaskEvent, None]:
        path = f"/api/tasks/{task}/events?tokens={str(tokens).lower()}"
        while follow.verdict is None:
            why = "the gateway stopped"
            try:
                async with (
                    self._stream("GET", path, follow.headers()) as chunks,
                    aclosing(_events_in(chunks, follow)) as events,
                ):
                    async for event in events:
                        yield event
            except httpx2.TransportError as error:
                why = str(unreachable(self._place, error))
            if follow.verdict is None:
                await anyio.sleep(follow.lost(why, self._retries))

    @asynccontextmanager
    async def _stream(
        self, method: str, path: str, headers: dict[str, str], body: Any = None
    ) -> AsyncIterator[AsyncGenerator[bytes, None]]:
        async with self.http.stream(
            method, path, json=body, headers=headers, timeout=limits.SILENCE_S
        ) as response:
            if response.status_code != httpx2.codes.OK:
                reply = Reply(response.status_code, response.headers, await response.aread())
                raise reply.error()
            chunks = response.aiter_bytes()
            try:
                yield chunks
            finally:
                # Whoever left early: the connection goes, and the next step ends the library's
                # nested generators in order. Closing only the outermost would leave one behind.
                await response.aclose()
                with contextlib.suppress(httpx2.HTTPError, httpx2.StreamError, StopAsyncIteration):
                    await anext(chunks)


async def _events_in(
    chunks: AsyncGenerator[bytes, None], follow: Follow
) -> AsyncGenerator[TaskEvent, None]:
    decoder = Decoder()
    async for chunk in chunks:
        for sent in decoder.feed(chunk):
            yield follow.take(sent)
