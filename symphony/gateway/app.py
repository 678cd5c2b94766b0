"""The ASGI application: which handler answers where, and what stands in front of all of them.

A request passes, in this order: `Guard` (host, key, load), `Drain` (the body is read to its end
before an answer is complete), Starlette's router with our error answers, a handler. There is no
module-level state: two gateways in one process know nothing of each other.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from symphony.errors import SymphonyError
from symphony.gateway.auth import Access, Guard
from symphony.gateway.body import Drain
from symphony.gateway.faults import on_bug, on_http_error, on_symphony_error
from symphony.gateway.metrics import Metrics
from symphony.gateway.node_api import NodeApi
from symphony.gateway.openai_api import OpenAiApi
from symphony.gateway.port import NodePort
from symphony.gateway.submissions import Submissions
from symphony.gateway.task_api import TaskApi


def create_app(port: NodePort, access: Access, metrics: Metrics) -> Starlette:
    """The gateway of one node, as an ASGI application for trio."""
    submissions = Submissions(port)
    routes = [
        *NodeApi(port, metrics).routes(),
        *TaskApi(port, submissions).routes(),
        *OpenAiApi(port, submissions).routes(),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Drain), Middleware(Guard, access=access)],
        exception_handlers={
            SymphonyError: on_symphony_error,
            HTTPException: on_http_error,
            Exception: on_bug,
        },
    )
