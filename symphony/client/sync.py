"""`Symphony`: the SDK for ordinary, blocking code.

    with Symphony() as swarm:
        answer = swarm.tasks.run("How many …?", chains=3, answer_type="number")

Only moving bytes is done here; what to send and what it means is in `wire` and `stream`. The
asynchronous sister in `aio` has the same methods.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, overload

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


class Symphony:
    """A connection to the gateway of one node. Threads may share it; close it at the end.

    Without arguments it finds the local node. `timeout_s` bounds one request, not a task: that
    is bounded by its `deadline_ms`. `max_retries` bounds the repetitions of what may be repeated.
    """

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
        self.tasks = Tasks(self._wire)
        self.receipts = Receipts(self._wire)

    def status(self) -> dict[str, Any]:
        """The node at a glance: ids, swarm, addresses, counts."""
        return dict(self._wire.call(wire.get("/api/status")))

    def peers(self) -> list[dict[str, Any]]:
        """The other nodes that it knows."""
        return self._wire.call(wire.listing("/api/peers", "peers"))

    def agents(self) -> list[dict[str, Any]]:
        """The agents that it knows, its own included."""
        return self._wire.call(wire.listing("/api/agents", "agents"))

    def close(self) -> None:
        self._wire.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


class Tasks:
    """`swarm.tasks`."""

    def __init__(self, connection: _Wire) -> None:
        self._wire = connection

    @overload
    def run(
        self, prompt: str, *, output_type: type[M], **options: Unpack[TaskOptions]
    ) -> Answer[M]: ...
    @overload
    def run(
        self, prompt: str, *, output_type: None = None, **options: Unpack[TaskOptions]
    ) -> Answer[Any]: ...
    def run(
        self,
        prompt: str,
        *,
        output_type: type[BaseModel] | None = None,
        **options: Unpack[TaskOptions],
    ) -> Answer[Any]:
        """Submit a task and wait for its answer. Leaving early (an exception, Ctrl-C) cancels
        it everywhere, unless `detach` is true.

        Raises `NoBids`, `BudgetExhausted`, `NotCertified`, `TaskCancelled`, `TaskError` for a
        task that ends without an answer, `ConnectionError`, `AuthError`, `UsageError`.
        """
        asked = wire.submission(prompt, output_type, options)
        verdict = self._wire.run(asked)
        return answer_of(verdict, asked.shape, self._wire.home, self._wire.receipt)

    def submit(
        self,
        prompt: str,
        *,
        output_type: type[BaseModel] | None = None,
        **options: Unpack[TaskOptions],
    ) -> Task:
        """Submit a task and return at once; it goes on without this program."""
        asked = wire.submission(prompt, output_type, options)
        return Task(self._wire, self._wire.call(asked.call()), asked.shape)

    def get(self, task_id: str) -> Task:
        """A task that was submitted before. Raises `UsageError` if the node knows none."""
        view = self._wire.call(wire.get(f"/api/tasks/{wire.word(task_id)}"))
        return Task(self._wire, view["id"], wire.shape_of(view))

    def list(self) -> list[dict[str, Any]]:
        """The running and the recent tasks, newest first."""
        return self._wire.call(wire.listing("/api/tasks", "tasks"))


class Task:
    """A submitted task."""

    def __init__(self, connection: _Wire, task_id: str, shape: Shape) -> None:
        self._wire = connection
        self._shape = shape
        self.id = task_id

    def events(self, *, tokens: bool = True) -> Iterator[TaskEvent]:
        """Everything that happens, from the start to the verdict; survives lost connections."""
        return self._wire.events(self.id, Follow(), tokens=tokens)

    def result(self) -> Answer[Any]:
        """Wait for the answer. Raises what `Tasks.run` raises."""
        follow = Follow()
        for _ in self._wire.events(self.id, follow, tokens=False):
            pass
        assert follow.verdict is not None, "`events` ends with a verdict or an error"
        return answer_of(follow.verdict, self._shape, self._wire.home, self._wire.receipt)

    def info(self) -> dict[str, Any]:
        """The task as the node sees it now; `ended` is its verdict, or None."""
        return dict(self._wire.call(wire.get(f"/api/tasks/{self.id}")))

    def cancel(self) -> bool:
        """Abort it everywhere. False if it had ended."""
        return self._wire.call(wire.cancel(self.id))

    def __repr__(self) -> str:
        return f"Task({self.id!r})"


class Receipts:
    """`swarm.receipts`."""

    def __init__(self, connection: _Wire) -> None:
        self._wire = connection

    def get(self, reference: str, *, wait_s: float = 0) -> bytes:
        """The receipt with this digest, or of this task; `symphony receipt verify` checks it.

        It comes with the best seal there is. Right after a verdict there is none, and asking for
        it has one made, which takes other nodes a few seconds: `wait_s` waits for them, at most
        so long. Raises `ReceiptInvalid` if something else comes while it waits.
        """
        if not wait_s:
            return self._wire.receipt(reference)
        patience = Patience(wait_s, self._wire.call(wire.get("/api/status"))["peers"])
        while True:
            data = self._wire.receipt(reference)
            pause = patience.pause_s(data)
            if pause is None:
                return data
            time.sleep(pause)


class _Wire:
    """Blocking transport: bytes out, bytes in, and the pauses between tries."""

    def __init__(self, place: Place, timeout_s: float, max_retries: int) -> None:
        self._place = place
        self._retries = max_retries
        self.home: Path | None = place.file.parent if place.file else None
        self.http = httpx2.Client(**client_options(place, timeout_s))

    def call(self, call: Call[T]) -> T:
        retry = Retry(self._retries, call.repeatable)
        while True:
            try:
                response = self.http.request(
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
            time.sleep(pause)

    def receipt(self, reference: str) -> bytes:
        return self.call(wire.receipt(reference))

    def run(self, asked: wire.Submission) -> Any:
        """The verdict of a task that is tied to this very connection: never sent again."""
        follow = Follow()
        headers = asked.headers() | {"Accept": "text/event-stream"}
        path = "/api/tasks?wait=true&tokens=false"
        try:
            with self._stream("POST", path, headers, asked.body) as chunks:
                for _ in _events_in(chunks, follow):
                    pass
        except httpx2.TransportError as error:
            raise unreachable(self._place, error) from error
        if follow.verdict is None:
            follow.lost("the gateway stopped", 0)
        return follow.verdict

    def events(self, task: str, follow: Follow, *, tokens: bool) -> Iterator[TaskEvent]:
        path = f"/api/tasks/{task}/events?tokens={str(tokens).lower()}"
        while follow.verdict is None:
            why = "the gateway stopped"
            try:
                with self._stream("GET", path, follow.headers()) as chunks:
                    yield from _events_in(chunks, follow)
            except httpx2.TransportError as error:
                why = str(unreachable(self._place, error))
            if follow.verdict is None:
                time.sleep(follow.lost(why, self._retries))

    @contextmanager
    def _stream(
        self, method: str, path: str, headers: dict[str, str], body: Any = None
    ) -> Iterator[Iterator[bytes]]:
        with self.http.stream(
            method, path, json=body, headers=headers, timeout=limits.SILENCE_S
        ) as response:
            if response.status_code != httpx2.codes.OK:
                reply = Reply(response.status_code, response.headers, response.read())
                raise reply.error()
            yield response.iter_bytes()


def _events_in(chunks: Iterator[bytes], follow: Follow) -> Iterator[TaskEvent]:
    decoder = Decoder()
    for chunk in chunks:
        for sent in decoder.feed(chunk):
            yield follow.take(sent)
