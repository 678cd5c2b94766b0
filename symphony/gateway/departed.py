"""A client that has gone, or that talks nonsense, is no error of ours.

Writing to a connection that its client has just closed raises in the server's stream; so does
answering a request whose second half is garbage, because Hypercorn is then refusing it by itself
on the same connection. It would log a traceback for each. The task of a client that left is
cancelled elsewhere (`sse`, `submissions`); here only the noise is taken away.
"""

from __future__ import annotations

import trio
from starlette.types import ASGIApp, Receive, Scope, Send

_GONE = (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError)


class Departed:
    """The outermost layer of the gateway's application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except _GONE:
            return
        except BaseExceptionGroup as group:
            if group.split(_GONE)[1] is not None:
                raise
