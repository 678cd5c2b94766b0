"""The ASGI application: which handler answers where, and what stands in front of all of them.

A request passes, in this order: `Drain` (the body is read to its end before an answer is complete),
`Guard` (host, key, load), `Faults` (an error becomes its answer), Starlette's router, a handler.
There is no module-level state: two gateways in one process know nothing of each other.
"""

from __future__ import annotations

from starlette.routing import Router
from starlette.types import ASGIApp

from symphony.gateway.auth import Access, Guard
from symphony.gateway.body import Drain
from symphony.gateway.faults import Faults
from symphony.gateway.metrics import Metrics
from symphony.gateway.node_api import NodeApi
from symphony.gateway.openai_api import OpenAiApi
from symphony.gateway.port import NodePort
from symphony.gateway.submissions import Submissions
from symphony.gateway.task_api import TaskApi


def create_app(port: NodePort, access: Access, metrics: Metrics) -> ASGIApp:
    """The gateway of one node, as an ASGI application for trio."""
    submissions = Submissions(port)
    routes = [
        *NodeApi(port, metrics).routes(),
        *TaskApi(port, submissions).routes(),
        *OpenAiApi(port, submissions).routes(),
    ]
    return Drain(Guard(Faults(Router(routes)), access))
