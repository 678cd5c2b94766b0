"""From an error to an HTTP answer: one table, two envelopes.

Every error that leaves the gateway is a `SymphonyError`. Its `code` is the word on the wire and
decides the HTTP status; the SDK turns the word back into the class. `/v1/*` wears the OpenAI
envelope, because that is what OpenAI clients parse; everything else wears ours:

    /api/*   {"error": {"code", "message", "hint"}}
    /v1/*    {"error": {"message", "type", "param", "code", "hint"}}

`Refused` is for what only HTTP knows (a body too large, a wrong host): the caller's fault, so
its code is `usage`, with a status of its own.

A failed task is an answer, not a hiccup: `X-Should-Retry: false` keeps the OpenAI client from
spending the budget again on its own.
"""

from __future__ import annotations

import math
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from symphony import errors
from symphony.core.events import TaskEnded, as_json
from symphony.errors import EngineOverloaded, SymphonyError, TaskError, UsageError

STATUS: dict[str, int] = {
    errors.SymphonyError.code: 500,
    errors.UsageError.code: 400,
    errors.ExtraMissing.code: 400,
    errors.ManifestError.code: 400,
    errors.ConfigError.code: 500,
    errors.ConnectionError.code: 503,
    errors.ProtocolMismatch.code: 502,
    errors.AuthError.code: 401,
    errors.AdmissionDenied.code: 403,
    errors.TaskError.code: 502,
    errors.NoBids.code: 503,
    errors.BudgetExhausted.code: 504,
    errors.NotCertified.code: 422,
    errors.TaskCancelled.code: 409,
    errors.ReceiptInvalid.code: 422,
    errors.LedgerInvalid.code: 500,
    errors.EngineError.code: 502,
    errors.EngineUnavailable.code: 503,
    errors.EngineOverloaded.code: 429,
    errors.ConstraintViolated.code: 502,
    errors.ModelError.code: 404,
}

PAGE = "docs/gateway.md"
"""What a client that is lost should read; a test compares the page with the code."""

_OPENAI_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


class Refused(UsageError):
    """A request that HTTP itself refuses. `status` is the HTTP status, `param` the bad field."""

    def __init__(
        self, message: str, *, hint: str = "", status: int = 400, param: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.param = param


class TaskFailed(TaskError):
    """A task ended without an answer; `ended` is its last event, whose code goes on the wire."""

    def __init__(self, ended: TaskEnded) -> None:
        message = ended.message or f"the task ended as {ended.outcome}: {ended.stop}"
        super().__init__(message)
        self.ended = ended


def code_of(error: SymphonyError) -> str:
    """The word on the wire."""
    if isinstance(error, TaskFailed):
        known = error.ended.error in STATUS
        return error.ended.error if known else TaskError.code
    return error.code


def status_of(error: SymphonyError) -> int:
    """The HTTP status of an error."""
    return error.status if isinstance(error, Refused) else STATUS.get(code_of(error), 500)


def api_error(error: SymphonyError) -> dict[str, Any]:
    """The body of an error outside `/v1`."""
    return {"error": {"code": code_of(error), "message": error.message, "hint": error.hint}}


def openai_error(error: SymphonyError) -> dict[str, Any]:
    """The body of an error under `/v1`. Clients show only `message`, so the hint is in it too.

    A failed task tells what it has: `symphony` holds the verdict, a best answer included.
    """
    status = status_of(error)
    kind = "invalid_request_error" if status < 500 else "server_error"
    body: dict[str, Any] = {
        "message": str(error),
        "type": _OPENAI_TYPES.get(status, kind),
        "param": getattr(error, "param", None),
        "code": code_of(error),
        "hint": error.hint,
    }
    if isinstance(error, TaskFailed):
        body["symphony"] = as_json(error.ended)
    return {"error": body}


def error_body(error: SymphonyError, *, path: str) -> dict[str, Any]:
    """The body of an error in the envelope that fits `path`."""
    return openai_error(error) if path.startswith("/v1/") else api_error(error)


def respond(error: SymphonyError, *, path: str) -> JSONResponse:
    """The whole HTTP answer for `error` at `path`."""
    headers = {}
    status = status_of(error)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, EngineOverloaded):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_ms / 1000)))
    if isinstance(error, TaskError):
        headers["X-Should-Retry"] = "false"
    return JSONResponse(error_body(error, path=path), status, headers)


class Faults:
    """ASGI middleware: what a handler raises becomes the answer, unless one has begun. Starlette's
    application does the same in two layers and a third for each route, on every call and piece.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self  # where there is an application, a router raises what it refuses
        begun = False

        async def noting_send(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting_send)
        except Exception as error:
            if begun or scope["type"] != "http":
                raise
            fault = _fault_of(error, scope)
            await respond(fault or _BUG, path=scope["path"])(scope, receive, send)
            if fault is None:
                raise  # the server logs it


_BUG = SymphonyError("the gateway failed on this request", hint="see the log of the node")


def _fault_of(error: Exception, scope: Scope) -> SymphonyError | None:
    """What was refused, or failed elsewhere; None for a bug of ours: nobody is told its inside."""
    if isinstance(error, SymphonyError):
        return error
    if isinstance(error, HTTPException):  # Starlette's own: no such path, no such method
        return Refused(
            f"{scope['method']} {scope['path']}: {error.detail.lower()}",
            hint=f"{PAGE} lists the paths",
            status=error.status_code,
        )
    return None
