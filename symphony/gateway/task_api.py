"""Tasks over HTTP: submit, list, look, follow, cancel.

    POST /api/tasks              202 {"id", "state"}; with ?wait=true the verdict, or, for
                                 `Accept: text/event-stream`, the events up to the verdict
    GET  /api/tasks              the running and the recent ones
    GET  /api/tasks/{id}         one, with its verdict once it has ended
    GET  /api/tasks/{id}/events  its events as SSE, from the start; ends after the verdict
    POST /api/tasks/{id}/cancel  {"cancelled": bool}
    GET  /api/events             every event of the node from now on, as SSE

The events of a task are numbered from 1, tokens excepted: they may be thinned out for a slow
reader, so a number could not name the same one twice. `Last-Event-ID: n` skips the first n
numbered events. `?tokens=false` leaves the token events out.
"""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from symphony.core.events import TaskEnded, TokensSeen, as_json
from symphony.core.ids import TASK_ID_BYTES, TaskId
from symphony.gateway.body import read_model
from symphony.gateway.faults import Refused
from symphony.gateway.port import NodePort
from symphony.gateway.sse import HELLO, EventStream, Writer, unless_gone
from symphony.gateway.submissions import Submissions, tied, verdict
from symphony.gateway.task_models import TaskBody


class TaskApi:
    """The handlers of `/api/tasks` and `/api/events`."""

    def __init__(self, port: NodePort, submissions: Submissions) -> None:
        self._port = port
        self._submissions = submissions

    def routes(self) -> list[Route]:
        return [
            Route("/api/tasks", self.submit, methods=["POST"]),
            Route("/api/tasks", self.listing, methods=["GET"]),
            Route("/api/tasks/{id}", self.show, methods=["GET"]),
            Route("/api/tasks/{id}/events", self.follow, methods=["GET"]),
            Route("/api/tasks/{id}/cancel", self.cancel, methods=["POST"]),
            Route("/api/events", self.all_events, methods=["GET"]),
        ]

    async def submit(self, request: Request) -> Response:
        asked, body = await read_model(request, TaskBody)
        wait = flag(request, "wait", default=False)
        key = request.headers.get("idempotency-key")
        task = await self._submissions.submit(asked.spec(), key=key, body=body)
        if not wait:
            place = {"Location": f"/api/tasks/{task.hex()}"}
            return JSONResponse({"id": task.hex(), "state": "running"}, 202, place)
        if "text/event-stream" in request.headers.get("accept", ""):
            tokens = flag(request, "tokens", default=True)
            follow = partial(self._follow_tied, task, asked.detach, tokens)
            return EventStream(follow)
        ended = await unless_gone(request.receive, partial(self._await, task, asked.detach))
        return JSONResponse(as_json(ended)) if ended else Response(status_code=499)

    async def listing(self, _: Request) -> Response:
        return JSONResponse({"tasks": [as_json(task) for task in self._port.tasks()]})

    async def show(self, request: Request) -> Response:
        task = self._known(request)
        return JSONResponse(as_json(self._port.task(task)))

    async def follow(self, request: Request) -> Response:
        task = self._known(request)
        last = request.headers.get("last-event-id", "")
        if last and not (last.isdecimal() and len(last) <= 9):
            raise Refused("Last-Event-ID is the number of an event")
        tokens = flag(request, "tokens", default=True)
        after = int(last or 0)
        return EventStream(partial(self._follow, task, tokens=tokens, after=after))

    async def cancel(self, request: Request) -> Response:
        return JSONResponse({"cancelled": await self._port.cancel(self._known(request))})

    async def all_events(self, _: Request) -> Response:
        return EventStream(self._follow_all)

    async def _await(self, task: TaskId, detach: bool) -> TaskEnded:
        async with tied(self._port, task, detach=detach) as tie:
            ended = await verdict(self._port, task)
            tie.ended = True
            return ended

    async def _follow_tied(self, task: TaskId, detach: bool, tokens: bool, out: Writer) -> None:
        async with tied(self._port, task, detach=detach) as tie:
            tie.ended = await self._follow(task, out, tokens=tokens)

    async def _follow(
        self, task: TaskId, out: Writer, *, tokens: bool = True, after: int = 0
    ) -> bool:
        """Write the events after the numbered one `after`. True if the verdict came."""
        number = 0
        async with self._port.watch(task) as events:
            await out.write(HELLO)
            async for event in events:
                if isinstance(event, TokensSeen):
                    if tokens and number >= after:
                        await out.event(as_json(event), name=event.type)
                    continue
                number += 1
                if number > after:
                    await out.event(as_json(event), name=event.type, event_id=number)
                if isinstance(event, TaskEnded):
                    return True
        return False

    async def _follow_all(self, out: Writer) -> None:
        async with self._port.watch() as events:
            await out.write(HELLO)  # now, and not before, no event can be missed
            async for event in events:
                await out.event(as_json(event), name=event.type)

    def _known(self, request: Request) -> TaskId:
        task = TaskId(hex_of(request.path_params["id"], TASK_ID_BYTES, "a task id"))
        if self._port.task(task) is None:
            raise Refused(
                f"no task {task.hex()} here", hint="GET /api/tasks lists them", status=404
            )
        return task


def flag(request: Request, name: str, *, default: bool) -> bool:
    """A query parameter that is `true` or `false`. Raises `Refused` on anything else."""
    match request.query_params.get(name):
        case None:
            return default
        case "true" | "1":
            return True
        case "false" | "0":
            return False
        case other:
            raise Refused(f"{name} is true or false, not {other[:20]!r}", param=name)


def hex_of(text: str, size: int, what: str) -> bytes:
    """`size` bytes from hexadecimal digits. Raises `Refused`."""
    try:
        data = bytes.fromhex(text) if len(text) == 2 * size else b""
    except ValueError:
        data = b""
    if len(data) != size:
        raise Refused(f"{what} is {2 * size} hexadecimal digits")
    return data
